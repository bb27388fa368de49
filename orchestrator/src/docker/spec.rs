//! What a container is made of: limits, rights, mounts, labels. Pure: it must not talk to Docker.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use cronium_protocol::agent::Claim;
use uuid::Uuid;

use crate::executor::{Found, Order, Target};

pub const LABEL_EXECUTION: &str = "cronium.execution";
pub const LABEL_EPOCH: &str = "cronium.epoch";
pub const LABEL_JOB: &str = "cronium.job";
pub const LABEL_ORCHESTRATOR: &str = "cronium.orchestrator";

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

/// The environment that these labels tell of; None when it is none of an execution.
pub fn found(name: &str, labels: &HashMap<String, String>, whole: bool) -> Option<Found> {
    let id = |label| labels.get(label).and_then(|text| Uuid::parse_str(text).ok());
    Some(Found {
        target: Target::new(name),
        claim: Claim {
            execution_id: id(LABEL_EXECUTION)?,
            epoch: labels.get(LABEL_EPOCH)?.parse().ok()?,
        },
        job_id: id(LABEL_JOB)?,
        whole,
    })
}

/// The container of one execution.
pub fn container(
    order: &Order,
    image: &str,
    name: &str,
    volume: &str,
    orchestrator: Uuid,
) -> ContainerCreateBody {
    let spec = &order.spec;
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
        network_mode: Some(if spec.network { name } else { "none" }.to_owned()),
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
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![runner_path()]),
        cmd: Some(vec![
            "--verify-key".into(),
            hex(&order.verify_key),
            "--target".into(),
            format!("docker:{}", order.claim.execution_id),
            "--work".into(),
            WORK_DIR.into(),
        ]),
        user: Some(format!("{USER}:{USER}")),
        working_dir: Some(WORK_DIR.into()),
        hostname: Some("cronium".into()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(false),
        tty: Some(false),
        labels: Some(labels(order, orchestrator)),
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

pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use cronium_protocol::agent::ContainerSpec;

    use super::*;
    use crate::clock;

    fn order(network: bool) -> Order {
        Order {
            claim: Claim {
                execution_id: clock::new_id(),
                epoch: 3,
            },
            job_id: clock::new_id(),
            spec: ContainerSpec {
                image: None,
                memory_bytes: 128 * MIB,
                cpu_millis: 500,
                pids: 64,
                network,
            },
            verify_key: [0xAB; 32],
        }
    }

    #[test]
    fn a_container_gets_nothing_that_was_not_given() {
        let order = order(false);
        let body = container(&order, "image", "name", "volume", clock::new_id());
        assert_eq!(body.user.as_deref(), Some("65532:65532"));
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.memory, host.memory_swap);
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.binds, Some(vec!["volume:/cronium:ro".to_owned()]));
        assert!(host.tmpfs.unwrap()["/work"].contains("size=67108864,mode=0700,uid=65532"));
        assert_eq!(body.cmd.unwrap()[1], "ab".repeat(32));
    }

    #[test]
    fn a_network_is_its_own() {
        let body = container(&order(true), "image", "name", "volume", clock::new_id());
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("name"));
    }

    #[test]
    fn labels_lead_back_to_the_claim() {
        let order = order(false);
        let labels = labels(&order, clock::new_id());
        let found = found("name", &labels, true).unwrap();
        assert_eq!((found.claim, found.job_id), (order.claim, order.job_id));
        assert!(super::found("name", &HashMap::new(), true).is_none());
    }
}
