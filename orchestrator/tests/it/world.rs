//! One orchestrator with its agent server, and payloads for it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use cronium_orchestrator::allow::AllowList;
use cronium_orchestrator::config::{Config, Hidden, Labels};
use cronium_orchestrator::docker::{DockerExecutor, LABEL_ORCHESTRATOR, Pool};
use cronium_orchestrator::executors::Executors;
use cronium_orchestrator::http::HttpExecutor;
use cronium_orchestrator::ssh::Ssh;
use cronium_orchestrator::ssh::executor::{Runners, SshExecutor};
use cronium_orchestrator::{clock, state::StateDir};
use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{Assignment, Claim, ContainerSpec, HostOrder};
use cronium_protocol::http::REQUEST_FILE;
use cronium_protocol::manifest::{FileEntry, Language, Manifest, sha256, sign};
use ed25519_dalek::SigningKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::agent::{Agent, KEY};

/// A script and what it may use.
pub struct Script {
    pub language: Language,
    pub text: String,
    pub timeout_ms: u64,
    pub grace_ms: u64,
    pub container: ContainerSpec,
}

pub fn bash(text: &str) -> Script {
    script(Language::Bash, text)
}

pub fn script(language: Language, text: &str) -> Script {
    Script {
        language,
        text: text.to_owned(),
        timeout_ms: 60_000,
        grace_ms: 1_000,
        container: ContainerSpec {
            image: None,
            memory_bytes: 128 << 20,
            cpu_millis: 1_000,
            pids: 64,
            network: false,
        },
    }
}

pub struct World {
    pub agent: Agent,
    pub docker: Docker,
    pub id: Uuid,
    signer: SigningKey,
    state: tempfile::TempDir,
    running: Option<AbortOnDropHandle<()>>,
    executor: Option<Arc<Executors>>,
    ssh: Option<Arc<Ssh>>,
    change: Box<dyn Fn(&mut Config) + Send + Sync>,
    pub stop: CancellationToken,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Whose orchestrator is configured otherwise.
    pub async fn with(change: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        // What the orchestrator warns of is shown beside a test that fails.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .try_init();
        let signer = SigningKey::from_bytes(&[7; 32]);
        let state = tempfile::tempdir().unwrap();
        let mut world = Self {
            agent: Agent::start(signer.verifying_key().to_bytes()).await,
            docker: Docker::connect_with_defaults()
                .unwrap()
                .negotiate_version()
                .await
                .expect("these tests need a Docker engine"),
            id: StateDir::open(state.path()).await.unwrap().orchestrator_id(),
            signer,
            state,
            running: None,
            executor: None,
            ssh: None,
            change: Box::new(change),
            stop: CancellationToken::new(),
        };
        world.start(KEY).await;
        world
    }

    /// Starts the orchestrator (again) on the same state directory.
    pub async fn start(&mut self, key: &str) {
        let config = self.config(key);
        let state = StateDir::open(&config.state_dir).await.unwrap();
        let helper = Path::new(env!("CARGO_BIN_EXE_cronium-orchestrator"));
        let ssh = Ssh::open(&config.state_dir, self.id, helper).await;
        let ssh = Some(Arc::new(ssh.expect("these tests need OpenSSH's client")));
        let runners = Runners::load(&config.runner).await.unwrap();
        let executor = Arc::new(Executors {
            docker: DockerExecutor::connect(&config, self.id).await.unwrap(),
            http: HttpExecutor::new(config.network_allow.clone()).unwrap(),
            ssh: SshExecutor::new(ssh.clone(), state.clone(), runners),
        });
        self.executor = Some(executor.clone());
        self.ssh.clone_from(&ssh);
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            cronium_orchestrator::run(config, state, executor, ssh, stop)
                .await
                .unwrap();
        })));
    }

    fn config(&self, key: &str) -> Config {
        let runner = std::env::var("CRONIUM_TEST_RUNNER")
            .expect("CRONIUM_TEST_RUNNER must be the path of the static runner binary");
        let mut config = Config {
            agent_url: format!("ws://{}/agent", self.agent.address),
            internal_api_key: Hidden::new(key),
            apalis_url: None,
            state_dir: self.state.path().to_owned(),
            name: "test".into(),
            capacity: 4,
            server_capacity: 4,
            labels: Labels::default(),
            ahead: Some(0),
            runner: runner.into(),
            exec_image: std::env::var("CRONIUM_EXEC_IMAGE").unwrap_or("cronium/exec:1".into()),
            docker_host: None,
            network_allow: AllowList::default(),
            metrics_listen: None,
            log: String::new(),
            drain_secs: 1,
            log_format: None,
            otlp_endpoint: None,
            exit_with_parent: false,
        };
        (self.change)(&mut config);
        config
    }

    /// Ends the orchestrator in the middle of whatever it does.
    pub async fn crash(&mut self) {
        (self.executor, self.ssh) = (None, None);
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    /// Stops it as an operator does.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap();
        (self.executor, self.ssh) = (None, None);
    }

    pub fn assignment(&self, script: Script) -> Assignment {
        let claim = Claim {
            execution_id: clock::new_id(),
            epoch: 1,
        };
        let content = script.text.as_bytes();
        let path = match script.language {
            Language::Http => REQUEST_FILE,
            _ => "script",
        };
        let manifest = Manifest {
            version: PROTOCOL_VERSION,
            execution_id: claim.execution_id,
            job_id: clock::new_id(),
            attempt: 1,
            target: format!("docker:{}", claim.execution_id),
            language: script.language,
            entry: path.into(),
            input: None,
            env: BTreeMap::new(),
            timeout_ms: script.timeout_ms,
            grace_ms: script.grace_ms,
            log_line_bytes: 16 << 10,
            log_total_bytes: 8 << 20,
            files: vec![FileEntry {
                path: path.into(),
                sha256: sha256(content),
                size: content.len() as u64,
                mode: 0o644,
            }],
            expires_at_ms: now_ms() + 600_000,
            nonce: clock::new_id(),
            runtime: None,
        };
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, path, content).unwrap();
        let bytes = manifest.encode().unwrap();
        Assignment {
            claim,
            job_id: manifest.job_id,
            attempt: 1,
            container: script.container,
            http: script.language == Language::Http,
            host: None,
            timeout_ms: script.timeout_ms,
            signature: sign(&bytes, &self.signer),
            manifest: bytes,
            archive: archive.into_inner().unwrap(),
        }
    }

    /// Changes what is signed, and signs it again.
    pub fn change(&self, assignment: &mut Assignment, change: impl FnOnce(&mut Manifest)) {
        let mut manifest: Manifest = rmp_serde::from_slice(&assignment.manifest).unwrap();
        change(&mut manifest);
        assignment.manifest = manifest.encode().unwrap();
        assignment.signature = sign(&assignment.manifest, &self.signer);
    }

    pub fn signer(&self) -> &SigningKey {
        &self.signer
    }

    /// Hands it out; returns its execution's id.
    pub fn assign(&self, script: Script) -> Uuid {
        let assignment = self.assignment(script);
        let id = assignment.claim.execution_id;
        self.agent.assign(assignment);
        id
    }

    /// Hands it out for a server.
    pub fn assign_to(&self, host: &HostOrder, script: Script) -> Uuid {
        let mut assignment = self.assignment(script);
        assignment.host = Some(host.clone());
        let id = assignment.claim.execution_id;
        self.agent.assign(assignment);
        id
    }

    /// Where the files of connections to servers are.
    pub fn connections(&self) -> &Path {
        self.ssh.as_ref().unwrap().files()
    }

    /// Names of containers and networks that carry this orchestrator's label.
    pub async fn left_behind(&self) -> Vec<String> {
        let label = format!("{LABEL_ORCHESTRATOR}={}", self.id);
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters);
        let containers = self.docker.list_containers(Some(options.build())).await.unwrap();
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.docker.list_networks(Some(options)).await.unwrap();
        let names = containers.into_iter().flat_map(|c| c.names.unwrap_or_default());
        names.chain(networks.into_iter().filter_map(|n| n.name)).collect()
    }

    /// The records of runs.
    pub fn record_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.state.path().join("runs")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Their names.
    pub fn records(&self) -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.record_files().into_iter().map(name).collect()
    }

    /// Waits until there is no record of a run.
    pub async fn until_forgotten(&self) {
        let forgotten = async {
            while !self.records().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let forgotten = tokio::time::timeout(Duration::from_secs(20), forgotten).await;
        assert!(forgotten.is_ok(), "still there: {:?}", self.records());
    }

    /// Of the orchestrator that runs.
    pub fn executor(&self) -> &DockerExecutor {
        &self.executor.as_ref().unwrap().docker
    }

    /// Its containers that wait for jobs.
    pub fn ahead(&self) -> Arc<Pool> {
        self.executor().ahead()
    }

    /// The executor as it is after a restart.
    pub async fn another_life(&self) -> DockerExecutor {
        DockerExecutor::connect(&self.config(KEY), self.id).await.unwrap()
    }

    /// Waits until this container is gone.
    pub async fn until_gone(&self, name: &str) {
        let gone = async {
            while self.docker.inspect_container(name, None).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
        assert!(gone.is_ok(), "{name} is still there");
    }

    pub async fn until_clean(&self) {
        let clean = async {
            while !self.left_behind().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), clean)
            .await
            .is_err()
        {
            panic!("left behind: {:?}", self.left_behind().await);
        }
    }
}

/// Crashes and ends in the middle leave containers to a successor, which a test does not have.
impl Drop for World {
    fn drop(&mut self) {
        drop(self.running.take());
        let of = format!("label={LABEL_ORCHESTRATOR}={}", self.id);
        let script = "docker ps -aq --filter \"$0\" | xargs -r docker rm -fv
                      docker network ls -q --filter \"$0\" | xargs -r docker network rm
                      docker volume ls -q --filter \"$0\" | xargs -r docker volume rm";
        let done = std::process::Command::new("sh")
            .args(["-c", script, &of])
            .output();
        if let Err(error) = done {
            eprintln!("containers of a test are left behind: {error}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the runner compares with the true time")]
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
