//! Wires the parts together, and drains at the end. It must not know Docker, sockets or reasons.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{AdoptReply, AgentToServer, Assignment, Claim, ServerToAgent};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::adoption::{adopt, sweep};
use crate::channel::{Channel, Session};
use crate::claimer::{Claimed, Claimer};
use crate::config::Config;
use crate::executor::Executor;
use crate::leases::Leases;
use crate::registry::{Load, Mail, Registry};
use crate::run::{self, Context};
use crate::ssh::{Ssh, errands};
use crate::state::{StateDir, StateError};
use crate::status::{self, Status, StatusError};
use crate::{docker, heartbeat, terminal, wake};

/// Why the orchestrator can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Docker(#[from] docker::ConnectError),
    #[error("can't read the runner binary {0}: {1}")]
    Runner(PathBuf, std::io::Error),
    #[error("requests over HTTP can't be made: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error("a part of the orchestrator ended by itself")]
    PartEnded,
}

/// Routes the server's messages to whom they concern.
struct Switchboard {
    registry: Registry,
    leases: Arc<Leases>,
    wake: Arc<Notify>,
    claimed: mpsc::UnboundedSender<Claimed>,
    adopted: mpsc::UnboundedSender<Vec<AdoptReply>>,
    draining: watch::Sender<bool>,
    errands: mpsc::UnboundedSender<errands::Asked>,
    terminals: mpsc::UnboundedSender<terminal::Asked>,
}

impl Switchboard {
    fn deliver(&self, message: ServerToAgent) {
        match message {
            // Answers nobody waits for any more are dropped: the other end was told, or will ask again.
            ServerToAgent::Claimed { assignments, more } => {
                drop(self.claimed.send(Claimed { assignments, more }));
            }
            ServerToAgent::Adopted { replies } => drop(self.adopted.send(replies)),
            ServerToAgent::Renewed { lost } => self.leases.renewed(&lost, &self.registry),
            ServerToAgent::StartGrant { claim, granted } => {
                self.registry.deliver(claim, Mail::Grant { granted });
            }
            ServerToAgent::LogAck { claim, seq } => self.registry.deliver(claim, Mail::LogAck { seq }),
            ServerToAgent::FinishAck { claim } => self.registry.deliver(claim, Mail::FinishAck),
            ServerToAgent::Cancel { claim } => self.registry.deliver(claim, Mail::Cancel),
            ServerToAgent::Reply { claim, id, reply } => {
                self.registry.deliver(claim, Mail::Reply { id, reply });
            }
            ServerToAgent::Wake => self.wake.notify_one(),
            ServerToAgent::Drain { draining } => drop(self.draining.send_replace(draining)),
            ServerToAgent::Errand { id, errand } => drop(self.errands.send((id, errand))),
            ServerToAgent::Terminal(about) => drop(self.terminals.send(about)),
            ServerToAgent::Welcome { .. } => tracing::warn!("a second Welcome is ignored"),
        }
    }
}

/// An execution from its claim or its adoption to its end.
pub(crate) type Job = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs until `stop`, then drains. Dropping the future ends everything at once, as a crash would. Without `ssh`, it
/// takes nothing that concerns servers.
pub async fn run<E: Executor>(
    config: Config,
    state: StateDir,
    executor: Arc<E>,
    ssh: Option<Arc<Ssh>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let reaches_servers = ssh.is_some();
    let hello = AgentToServer::Hello {
        protocol: PROTOCOL_VERSION,
        orchestrator_id: state.orchestrator_id(),
        name: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: config.capacity,
        labels: config.labels.0.clone(),
        started_at_us: Some(crate::clock::now().us),
        runtime: true,
        ssh: reaches_servers,
        terminals: true,
    };
    let (channel, link) = Channel::new(config.agent_url.clone(), config.internal_api_key.clone(), hello);
    let (registry, leases) = (Registry::default(), Arc::new(Leases::default()));
    let (wake, status) = (Arc::new(Notify::new()), Arc::new(Status::default()));
    let (claimed_in, claimed) = mpsc::unbounded_channel();
    let (adopted_in, adopted) = mpsc::unbounded_channel();
    let (draining, paused) = watch::channel(false);
    let (errands, errands_asked) = mpsc::unbounded_channel();
    let (terminals, terminals_asked) = mpsc::unbounded_channel();
    let (launch, mut launches) = mpsc::unbounded_channel::<Job>();
    let context = Context {
        executor: executor.clone(),
        state: state.clone(),
        link: link.clone(),
    };
    let switchboard = Switchboard {
        registry: registry.clone(),
        leases: leases.clone(),
        wake: wake.clone(),
        claimed: claimed_in,
        adopted: adopted_in,
        draining,
        errands,
        terminals,
    };

    let mut parts = JoinSet::new();
    if let Some(address) = config.metrics_listen {
        parts.spawn(status::bind(address, status.clone(), link.clone()).await?);
    }
    parts.spawn(async move { channel.drive(move |message| switchboard.deliver(message)).await });
    parts.spawn({
        let (link, registry) = (link.clone(), registry.clone());
        async move { leases.drive(link, registry).await }
    });
    parts.spawn(heartbeat::drive(link.clone(), registry.clone()));
    let closing = terminal::Closing::default();
    let places = terminal::Places {
        executor: executor.clone(),
        registry: registry.clone(),
        ssh: ssh.clone(),
    };
    let held = terminal::drive(places, link.clone(), terminals_asked, closing.clone());
    parts.spawn(held);
    if let Some(ssh) = ssh {
        parts.spawn(errands::drive(ssh, link.clone(), errands_asked));
    }
    if let Some(url) = config.apalis_url.clone() {
        parts.spawn(wake::drive(url, state.orchestrator_id(), wake.clone()));
    }
    let claimer = Claimer {
        link: link.clone(),
        registry: registry.clone(),
        capacity: Load {
            here: config.capacity as usize,
            on_servers: if reaches_servers {
                config.server_capacity as usize
            } else {
                0
            },
        },
        wake,
        claimed,
        paused,
        status: status.clone(),
    };
    parts.spawn({
        let (context, registry, stop) = (context.clone(), registry.clone(), stop.clone());
        async move {
            let adopting = adopt(&context, &registry, link, adopted, &launch, &status);
            tokio::select! {
                () = adopting => {}
                () = stop.cancelled() => return std::future::pending().await,
            }
            let started = |assignment: Assignment, session: Arc<Session>| {
                let target = context
                    .executor
                    .target(assignment.claim, assignment.host.as_ref());
                if let Some(slot) = registry.register(assignment.claim, target, assignment.host.is_some()) {
                    let span = execution_span(assignment.job_id, assignment.claim);
                    let job = run::fresh(context.clone(), slot, assignment, session);
                    drop(launch.send(Box::pin(job.instrument(span))));
                }
            };
            tokio::select! {
                () = claimer.drive(started) => {}
                () = sweep(&context, &registry) => {}
                () = stop.cancelled() => {}
            }
            std::future::pending::<()>().await;
        }
    });

    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(job) = launches.recv() => drop(jobs.spawn(job)),
            Some(ended) = jobs.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an execution's task failed");
                }
            }
            Some(ended) = parts.join_next() => {
                // The heartbeat may give up on a host without figures; nothing else may end.
                if let Err(error) = ended {
                    tracing::error!(%error, "a part of the orchestrator failed");
                    return Err(Error::PartEnded);
                }
            }
            () = executor.failed() => {
                tracing::error!("a part of the executor failed");
                return Err(Error::PartEnded);
            }
        }
    }
    // Side by side: all have the same few seconds.
    let drained = drain(&mut jobs, Duration::from_secs(config.drain_secs));
    tokio::join!(drained, executor.close(), closing.close());
    executor.leave();
    Ok(())
}

/// What every word about an execution is logged under.
pub(crate) fn execution_span(job: Uuid, claim: Claim) -> tracing::Span {
    tracing::info_span!("execution", job_id = %job, execution_id = %claim.execution_id, epoch = claim.epoch)
}

/// Waits for running executions; what is still running then is left to the next start, which adopts it.
async fn drain(jobs: &mut JoinSet<()>, limit: Duration) {
    let until = Instant::now() + limit;
    while !jobs.is_empty() {
        tokio::select! {
            _ = jobs.join_next() => {}
            () = tokio::time::sleep_until(until) => {
                tracing::info!(left = jobs.len(), "executions are left running");
                return;
            }
        }
    }
}
