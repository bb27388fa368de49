//! What a container is made of: limits, rights, mounts, labels. Pure: it must not talk to Docker.

use std::collections::HashMap;
use std::io;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use cronium_protocol::agent::Claim;
use uuid::Uuid;

use crate::executor::{Found, Order, Target};
use crate::hex::hex;

pub const LABEL_EXECUTION: &str = "cronium.execution";
pub const LABEL_EPOCH: &str = "cronium.epoch";
pub const LABEL_JOB: &str = "cronium.job";
pub const LABEL_ORCHESTRATOR: &str = "cronium.orchestrator";
pub const LABEL_AHEAD: &str = "cronium.ahead";

pub const RUNNER_DIR: &str = "/cronium";
pub const RUNNER_NAME: &str = "runner";
const WORK_DIR: &str = "/work";
/// A number that no image gives to anybody.
const USER: u32 = 65532;
const MIB: u64 = 1 << 20;
const WORK_LIMIT: u64 = 512 * MIB;
const TMP_LIMIT: u64 = 128 * MIB;
/// The runner's own threads: they are not the script's to use up.
const RUNNER_THREADS: i64 = 16;

pub fn runner_path() -> String {
    format!("{RUNNER_DIR}/{RUNNER_NAME}")
}

pub fn labels(order: &Order, orchestrator: Uuid) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_EXECUTION.to_owned(), order.claim.execution_id.to_string()),
        (LABEL_EPOCH.to_owned(), order.claim.epoch.to_string()),
        (LABEL_JOB.to_owned(), order.job_id.to_string()),
        (LABEL_ORCHESTRATOR.to_owned(), orchestrator.to_string()),
    ])
}

/// What a container made ahead carries: whom it serves is in the run's record only.
pub fn labels_ahead(orchestrator: Uuid) -> HashMap<String, String> {
    let mut labels = super::labels(orchestrator);
    labels.insert(LABEL_AHEAD.to_owned(), "true".to_owned());
    labels
}

/// The environment that these labels tell of; None when it is none of an execution, nor made ahead of one.
pub fn found(name: &str, labels: &HashMap<String, String>, whole: bool) -> Option<Found> {
    let id = |label| labels.get(label).and_then(|text| Uuid::parse_str(text).ok());
    let run = || {
        let claim = Claim {
            execution_id: id(LABEL_EXECUTION)?,
            epoch: labels.get(LABEL_EPOCH)?.parse().ok()?,
        };
        Some((claim, id(LABEL_JOB)?))
    };
    let run = run();
    (run.is_some() || labels.contains_key(LABEL_AHEAD)).then(|| Found {
        target: Target::new(name),
        run,
        whole,
    })
}

/// What a container is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub image: &'a str,
    pub memory_bytes: u64,
    pub cpu_millis: u32,
    pub pids: u32,
    /// Name of its network; None: it has none.
    pub network: Option<&'a str>,
    /// Key that its runner verifies payloads with.
    pub verify_key: &'a [u8; 32],
    /// What its runner serves; None: it is told later.
    pub serves: Option<&'a str>,
    pub labels: HashMap<String, String>,
}

/// What the runner of an execution serves: its payload is for this only.
pub fn serves(claim: Claim) -> String {
    format!("docker:{}", claim.execution_id)
}

/// A container with a runner in it.
pub fn container(spec: Wanted<'_>, volume: &str) -> ContainerCreateBody {
    let memory = i64::try_from(spec.memory_bytes).unwrap_or(i64::MAX);
    let work = (spec.memory_bytes / 2).clamp(MIB, WORK_LIMIT);
    let tmp = (spec.memory_bytes / 4).clamp(MIB, TMP_LIMIT);
    let host = HostConfig {
        memory: Some(memory),
        // The same as memory: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(spec.cpu_millis) * 1_000_000),
        pids_limit: Some(i64::from(spec.pids) + RUNNER_THREADS),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into()]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([
            (
                WORK_DIR.to_owned(),
                format!("rw,exec,nosuid,nodev,size={work},mode=0700,uid={USER},gid={USER}"),
            ),
            (
                "/tmp".to_owned(),
                format!("rw,noexec,nosuid,nodev,size={tmp},mode=1777"),
            ),
        ])),
        binds: Some(vec![format!("{volume}:{RUNNER_DIR}:ro")]),
        network_mode: Some(spec.network.unwrap_or("none").to_owned()),
        ipc_mode: Some("private".into()),
        init: Some(false),
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".into()),
            config: None,
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("core".into()),
            soft: Some(0),
            hard: Some(0),
        }]),
        ..Default::default()
    };
    let mut command = vec!["--verify-key".into(), hex(spec.verify_key)];
    match spec.serves {
        Some(target) => command.extend(["--target".into(), target.to_owned()]),
        None => command.push("--ahead".into()),
    }
    command.extend(["--work".into(), WORK_DIR.into()]);
    ContainerCreateBody {
        image: Some(spec.image.to_owned()),
        entrypoint: Some(vec![runner_path()]),
        cmd: Some(command),
        user: Some(format!("{USER}:{USER}")),
        working_dir: Some(WORK_DIR.into()),
        hostname: Some("cronium".into()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(false),
        tty: Some(false),
        labels: Some(spec.labels),
        host_config: Some(host),
        ..Default::default()
    }
}

/// A tar archive of one executable file.
pub fn archive(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o555);
    let mut builder = tar::Builder::new(Vec::with_capacity(content.len() + 4096));
    builder.append_data(&mut header, name, content)?;
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use cronium_protocol::agent::ContainerSpec;

    use super::*;
    use crate::clock;

    fn wanted<'a>(network: Option<&'a str>, serves: Option<&'a str>) -> Wanted<'a> {
        Wanted {
            image: "image",
            memory_bytes: 128 * MIB,
            cpu_millis: 500,
            pids: 64,
            network,
            verify_key: &[0xAB; 32],
            serves,
            labels: HashMap::new(),
        }
    }

    fn order() -> Order {
        Order {
            claim: Claim {
                execution_id: clock::new_id(),
                epoch: 3,
            },
            job_id: clock::new_id(),
            http: false,
            host: None,
            spec: ContainerSpec {
                image: None,
                memory_bytes: 128 * MIB,
                cpu_millis: 500,
                pids: 64,
                network: false,
            },
            verify_key: [0xAB; 32],
        }
    }

    #[test]
    fn a_container_gets_nothing_that_was_not_given() {
        let body = container(wanted(None, Some("docker:1")), "volume");
        assert_eq!(body.user.as_deref(), Some("65532:65532"));
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.memory, host.memory_swap);
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.binds, Some(vec!["volume:/cronium:ro".to_owned()]));
        assert!(host.tmpfs.unwrap()["/work"].contains("size=67108864,mode=0700,uid=65532"));
        let key = "ab".repeat(32);
        let command = ["--verify-key", &key, "--target", "docker:1", "--work", "/work"];
        assert_eq!(body.cmd.unwrap(), command);
    }

    #[test]
    fn a_container_made_ahead_knows_no_execution() {
        let body = container(wanted(None, None), "volume");
        let key = "ab".repeat(32);
        assert_eq!(
            body.cmd.unwrap(),
            ["--verify-key", &key, "--ahead", "--work", "/work"]
        );
        let orchestrator = clock::new_id();
        let found = found("name", &labels_ahead(orchestrator), true).unwrap();
        assert_eq!(found.run, None);
        assert_eq!(
            labels_ahead(orchestrator)[LABEL_ORCHESTRATOR],
            orchestrator.to_string()
        );
    }

    #[test]
    fn a_network_is_its_own() {
        let body = container(wanted(Some("name"), None), "volume");
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("name"));
    }

    #[test]
    fn labels_lead_back_to_the_claim() {
        let order = order();
        let labels = labels(&order, clock::new_id());
        let found = found("name", &labels, true).unwrap();
        assert_eq!(found.run, Some((order.claim, order.job_id)));
        assert!(super::found("name", &HashMap::new(), true).is_none());
    }
}
