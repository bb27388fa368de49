//! Runs executions in Docker containers, one each, with nothing but what they need.
//! It must not know the agent channel or what a payload holds.

mod error;
mod fence;
mod image;
mod io;
mod keepers;
mod oneshot;
mod pool;
mod spec;
mod volume;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::models::{ContainerCreateBody, ContainerSummaryStateEnum, NetworkCreateRequest};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use cronium_protocol::agent::{Claim, HostOrder};
use cronium_protocol::terminal::End;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::config::Config;
use crate::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Target};
use crate::problem::ExecutorError;
use crate::terminal::{container, line::Back};
use error::is_status;
use fence::Fence;
use image::Image;
use keepers::Keepers;
use pool::Class;
use volume::RunnerVolume;

pub use pool::Pool;
pub use spec::serves;
pub use spec::{LABEL_AHEAD, LABEL_EPOCH, LABEL_EXECUTION, LABEL_JOB, LABEL_ORCHESTRATOR};

/// For the removal of containers that wait.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Why the executor can't work at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("can't reach the Docker engine: {0}")]
    Engine(#[from] DockerError),
    #[error("can't read the runner binary {0}: {1}")]
    Runner(PathBuf, std::io::Error),
}

/// The executor on one Docker engine, local or remote.
#[derive(Debug)]
pub struct DockerExecutor {
    docker: Docker,
    orchestrator: Uuid,
    default_image: String,
    volume: Arc<RunnerVolume>,
    fence: Arc<Fence>,
    keepers: Keepers,
    _fence_keeper: AbortOnDropHandle<()>,
    /// Containers of this process without a network of their own.
    alone: std::sync::Mutex<HashSet<Target>>,
    pool: Arc<Pool>,
    pool_keeper: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// Makes containers ahead of executions.
#[derive(Debug)]
struct Ahead {
    docker: Docker,
    orchestrator: Uuid,
    volume: Arc<RunnerVolume>,
}

impl pool::Maker for Ahead {
    async fn make(&self, class: &Class, target: &Target) -> Result<Attached, ExecutorError> {
        self.volume.ensure(&class.image).await?;
        let wanted = spec::Wanted {
            image: &class.image,
            memory_bytes: class.memory_bytes,
            cpu_millis: class.cpu_millis,
            pids: class.pids,
            network: None,
            verify_key: &class.verify_key,
            serves: None,
            labels: spec::labels_ahead(self.orchestrator),
        };
        create_container(&self.docker, target, spec::container(wanted, self.volume.name())).await?;
        start(&self.docker, target).await
    }

    async fn remove(&self, target: &Target) -> Result<(), ExecutorError> {
        remove_container(&self.docker, target.name()).await
    }
}

async fn create_container(
    docker: &Docker,
    target: &Target,
    body: ContainerCreateBody,
) -> Result<(), ExecutorError> {
    let options = CreateContainerOptionsBuilder::default()
        .name(target.name())
        .build();
    docker.create_container(Some(options), body).await?;
    Ok(())
}

async fn open(docker: &Docker, target: &Target) -> Result<Attached, ExecutorError> {
    let options = AttachContainerOptionsBuilder::default()
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .logs(false)
        .build();
    let streams = docker.attach_container(target.name(), Some(options)).await?;
    Ok(io::pump(streams.output, streams.input))
}

/// Attached first, so that nothing the runner says is missed.
async fn start(docker: &Docker, target: &Target) -> Result<Attached, ExecutorError> {
    let attached = open(docker, target).await?;
    docker
        .start_container(target.name(), None::<StartContainerOptions>)
        .await?;
    Ok(attached)
}

/// Absent already, or on its way out, is what a removal wants.
fn unless_absent(result: Result<(), DockerError>) -> Result<(), ExecutorError> {
    match result {
        Err(error) if !is_status(&error, 404) && !is_status(&error, 409) => Err(error.into()),
        _ => Ok(()),
    }
}

async fn remove_container(docker: &Docker, name: &str) -> Result<(), ExecutorError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true);
    unless_absent(docker.remove_container(name, Some(options.build())).await)
}

/// What everything of an orchestrator carries.
fn labels(orchestrator: Uuid) -> HashMap<String, String> {
    HashMap::from([(LABEL_ORCHESTRATOR.to_owned(), orchestrator.to_string())])
}

/// A filter for everything of an orchestrator.
fn ours(orchestrator: Uuid) -> HashMap<String, Vec<String>> {
    let label = format!("{LABEL_ORCHESTRATOR}={orchestrator}");
    HashMap::from([("label".to_owned(), vec![label])])
}

impl DockerExecutor {
    /// Connects to the engine and reads the runner binary.
    pub async fn connect(config: &Config, orchestrator: Uuid) -> Result<Self, ConnectError> {
        let docker = match &config.docker_host {
            Some(host) => Docker::connect_with_host(host)?,
            None => Docker::connect_with_defaults()?,
        };
        let docker = docker.negotiate_version().await?;
        let binary = tokio::fs::read(&config.runner)
            .await
            .map_err(|e| ConnectError::Runner(config.runner.clone(), e))?;
        let volume = RunnerVolume::new(docker.clone(), orchestrator, &binary)
            .map_err(|e| ConnectError::Runner(config.runner.clone(), e))?;
        let image = config.exec_image.clone();
        let fence = Fence::new(docker.clone(), orchestrator, image, config.network_allow.clone());
        let fence = Arc::new(fence);
        let volume = Arc::new(volume);
        let pool = Pool::new(config.ahead.unwrap_or(config.capacity) as usize);
        let maker = Ahead {
            docker: docker.clone(),
            orchestrator,
            volume: volume.clone(),
        };
        let keepers = Keepers::default();
        let pool_keeper = keepers.spawn(pool.clone().keep(maker));
        Ok(Self {
            docker,
            orchestrator,
            default_image: config.exec_image.clone(),
            volume,
            _fence_keeper: keepers.spawn(fence.clone().keep()),
            keepers,
            fence,
            alone: std::sync::Mutex::default(),
            pool,
            pool_keeper: Mutex::new(Some(pool_keeper)),
        })
    }

    /// A network of its own, on which nothing else is, by a bridge that the firewall rules know. Without IPv6,
    /// even where the engine gives it to new networks.
    async fn create_network(&self, order: &Order, name: &str) -> Result<(), ExecutorError> {
        self.docker
            .create_network(NetworkCreateRequest {
                name: name.to_owned(),
                driver: Some("bridge".into()),
                enable_ipv6: Some(false),
                options: Some(HashMap::from([
                    (
                        "com.docker.network.bridge.enable_icc".to_owned(),
                        "false".to_owned(),
                    ),
                    (
                        "com.docker.network.bridge.name".to_owned(),
                        self.fence.bridge(name),
                    ),
                ])),
                labels: Some(spec::labels(order, self.orchestrator)),
                ..Default::default()
            })
            .await?;
        Ok(())
    }

    async fn create(&self, order: &Order, image: &str, target: &Target) -> Result<(), ExecutorError> {
        let name = target.name();
        let made = async {
            if order.spec.network {
                self.create_network(order, name).await?;
            }
            let serves = spec::serves(order.claim);
            let wanted = spec::Wanted {
                image,
                memory_bytes: order.spec.memory_bytes,
                cpu_millis: order.spec.cpu_millis,
                pids: order.spec.pids,
                network: order.spec.network.then_some(name),
                verify_key: &order.verify_key,
                serves: Some(&serves),
                labels: spec::labels(order, self.orchestrator),
            };
            create_container(&self.docker, target, spec::container(wanted, self.volume.name())).await
        };
        if !order.spec.network {
            self.alone().insert(target.clone());
            return made.await;
        }
        // Side by side, because nothing of the job runs yet. Both to their end: what is cut off may still happen.
        let (closed, made) = tokio::join!(self.fence.ensure(), made);
        closed?;
        made
    }

    fn alone(&self) -> MutexGuard<'_, HashSet<Target>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that waits; only for executions without a network, because theirs is made for each.
    fn take(&self, order: &Order, image: &Image) -> Option<Prepared> {
        if order.spec.network {
            return None;
        }
        let class = Class {
            image: image.id.clone(),
            memory_bytes: order.spec.memory_bytes,
            cpu_millis: order.spec.cpu_millis,
            pids: order.spec.pids,
            verify_key: order.verify_key,
        };
        let (target, attached) = self.pool.take(&class, &spec::serves(order.claim))?;
        Some(Prepared {
            target,
            image_digest: Some(image.digest.clone()),
            attached: Some(attached),
            on_server: None,
        })
    }
}

impl DockerExecutor {
    /// The containers that wait ahead of executions.
    pub fn ahead(&self) -> Arc<Pool> {
        self.pool.clone()
    }
}

impl Executor for DockerExecutor {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        let name = order.spec.image.as_deref().unwrap_or(&self.default_image);
        let image = image::find(&self.docker, name, name == self.default_image).await?;
        // Nothing may be waited for from here on: what is taken and then dropped would be lost.
        if let Some(prepared) = self.take(order, &image) {
            return Ok(prepared);
        }
        self.volume.ensure(&image.id).await?;
        let target = self.target(order.claim, None);
        if let Err(error) = self.create(order, &image.id, &target).await {
            self.clean_up(&target).await?;
            return Err(error);
        }
        Ok(Prepared {
            target,
            image_digest: Some(image.digest),
            attached: None,
            on_server: None,
        })
    }

    fn target(&self, claim: Claim, _: Option<&HostOrder>) -> Target {
        Target::new(format!("cronium-{}-{}", claim.execution_id, claim.epoch))
    }

    async fn start(&self, target: &Target) -> Result<Attached, ExecutorError> {
        start(&self.docker, target).await
    }

    async fn attach(&self, target: &Target) -> Result<Attached, ExecutorError> {
        open(&self.docker, target).await
    }

    async fn kill(&self, target: &Target) -> Result<(), ExecutorError> {
        let options = KillContainerOptionsBuilder::default().signal("KILL").build();
        unless_absent(self.docker.kill_container(target.name(), Some(options)).await)
    }

    fn begun(&self) {
        self.pool.refill();
    }

    async fn inspect(&self, target: &Target) -> Result<Autopsy, ExecutorError> {
        let found = match self.docker.inspect_container(target.name(), None).await {
            Err(error) if is_status(&error, 404) => return Ok(Autopsy::default()),
            other => other?,
        };
        let state = found.state.unwrap_or_default();
        let running = state.running.unwrap_or(false);
        Ok(Autopsy {
            running,
            out_of_memory: state.oom_killed.unwrap_or(false),
            exit_code: if running { None } else { state.exit_code },
        })
    }

    async fn shell(&self, target: &Target, back: Back) -> End {
        container::run(&self.docker, target.name(), back).await
    }

    async fn clean_up(&self, target: &Target) -> Result<(), ExecutorError> {
        // The engine takes its time even for a network that never was.
        let alone = self.pool.forget(target) | self.alone().remove(target);
        remove_container(&self.docker, target.name()).await?;
        if alone {
            return Ok(());
        }
        unless_absent_network(self.docker.remove_network(target.name()).await)
    }

    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        let ours = ours(self.orchestrator);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&ours);
        let mut found = Vec::new();
        for container in self.docker.list_containers(Some(options.build())).await? {
            let name = container.names.and_then(|names| names.into_iter().next());
            let labels = container.labels.unwrap_or_default();
            // Made, but its maker died before it started it: no runner is in it that could go on.
            let whole = container.state != Some(ContainerSummaryStateEnum::CREATED);
            let Some(name) = name.as_deref().map(|name| name.trim_start_matches('/')) else {
                continue;
            };
            match spec::found(name, &labels, whole) {
                Some(item) if !self.pool.knows(&item.target) => found.push(item),
                Some(_) => {}
                None => {
                    // Not an execution's: tools of an earlier life, which only their next use would remove.
                    self.fence.tidy(name).await?;
                    self.volume.tidy(name).await?;
                }
            }
        }
        let options = ListNetworksOptionsBuilder::default().filters(&ours).build();
        for network in self.docker.list_networks(Some(options)).await? {
            if let (Some(name), Some(labels)) = (network.name, network.labels)
                && let Some(item) = spec::found(&name, &labels, false)
                && !found.iter().any(|known| known.target == item.target)
            {
                found.push(item);
            }
        }
        Ok(found)
    }

    async fn failed(&self) {
        self.keepers.failed().await;
    }

    async fn close(&self) {
        self.pool.close();
        // To its end: what is cut off may still be made.
        if let Some(keeper) = self.pool_keeper.lock().await.take() {
            let _ = timeout(CLOSE_LIMIT, keeper).await;
        }
    }
}

/// Unlike for containers, a conflict is real here: something is still attached.
fn unless_absent_network(result: Result<(), DockerError>) -> Result<(), ExecutorError> {
    match result {
        Err(error) if !is_status(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}
