//! Wires the parts together, adopts what an earlier life left, sweeps, and drains at the end.
//! It must not know Docker, sockets or reasons.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{AdoptReply, AgentToServer, Assignment, Claim, ServerToAgent};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::channel::{Channel, Link, Session};
use crate::claimer::{Claimed, Claimer};
use crate::config::Config;
use crate::executor::{Executor, Found, Target};
use crate::leases::Leases;
use crate::problem::{ExecutorError, Problem};
use crate::registry::{Mail, Registry};
use crate::run::{self, machine::Origin};
use crate::ssh::{Ssh, errands};
use crate::state::{RunRecord, StateDir, StateError};
use crate::status::{self, Status, StatusError};
use crate::{docker, heartbeat, wake};

const SWEEP_EVERY: Duration = Duration::from_mins(1);
const ADOPT_LIMIT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);

/// Why the orchestrator can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Docker(#[from] docker::ConnectError),
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
            ServerToAgent::Welcome { .. } => tracing::warn!("a second Welcome is ignored"),
        }
    }
}

type Job = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs until `stop`, then drains. Dropping the future ends everything at once, as a crash would.
pub async fn run<E: Executor>(
    config: Config,
    state: StateDir,
    executor: Arc<E>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let ssh = Ssh::start(&state).await;
    let ssh = ssh.inspect_err(|error| tracing::warn!(%error, "servers can't be reached from here"));
    let hello = AgentToServer::Hello {
        protocol: PROTOCOL_VERSION,
        orchestrator_id: state.orchestrator_id(),
        name: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: config.capacity,
        labels: config.labels.0.clone(),
        started_at_us: Some(crate::clock::now().us),
        runtime: true,
        ssh: ssh.is_ok(),
    };
    let (channel, link) = Channel::new(config.agent_url.clone(), config.internal_api_key.clone(), hello);
    let (registry, leases) = (Registry::default(), Arc::new(Leases::default()));
    let (wake, status) = (Arc::new(Notify::new()), Arc::new(Status::default()));
    let (claimed_in, claimed) = mpsc::unbounded_channel();
    let (adopted_in, adopted) = mpsc::unbounded_channel();
    let (draining, paused) = watch::channel(false);
    let (errands, errands_asked) = mpsc::unbounded_channel();
    let (launch, mut launches) = mpsc::unbounded_channel::<Job>();
    let context = run::Context {
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
    if let Ok(ssh) = ssh {
        parts.spawn(errands::drive(ssh, link.clone(), errands_asked));
    }
    if let Some(url) = config.apalis_url.clone() {
        parts.spawn(wake::drive(url, state.orchestrator_id(), wake.clone()));
    }
    let claimer = Claimer {
        link: link.clone(),
        registry: registry.clone(),
        capacity: config.capacity,
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
                let target = context.executor.target(assignment.claim);
                if let Some(slot) = registry.register(assignment.claim, target) {
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
    // Side by side: both have the same few seconds.
    let drained = drain(&mut jobs, Duration::from_secs(config.drain_secs));
    tokio::join!(drained, executor.close());
    Ok(())
}

/// What every word about an execution is logged under.
fn execution_span(job: Uuid, claim: Claim) -> tracing::Span {
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

/// Asks the server about every environment that is there, until it has answered for all of them.
async fn adopt<E: Executor>(
    context: &run::Context<E>,
    registry: &Registry,
    mut link: Link,
    mut adopted: mpsc::UnboundedReceiver<Vec<AdoptReply>>,
    launch: &mpsc::UnboundedSender<Job>,
    status: &Status,
) {
    loop {
        status.beat();
        let session = tokio::select! {
            session = link.up() => session,
            () = sleep(RETRY) => continue,
        };
        match adopt_once(context, registry, &session, &mut adopted, launch).await {
            Ok(true) => return,
            Ok(false) => tracing::warn!("the server did not answer about running executions; asking again"),
            Err(error) => {
                tracing::warn!(%error, cause = error.cause(), "running executions can't be found; looking again");
                sleep(RETRY).await;
            }
        }
    }
}

async fn adopt_once<E: Executor>(
    context: &run::Context<E>,
    registry: &Registry,
    session: &Arc<Session>,
    adopted: &mut mpsc::UnboundedReceiver<Vec<AdoptReply>>,
    launch: &mpsc::UnboundedSender<Job>,
) -> Result<bool, ExecutorError> {
    let mut open = HashMap::new();
    for found in context.executor.find().await? {
        if found.whole
            && let Some(record) = recall(&context.state, &found).await?
        {
            open.insert(record.claim, (found, record));
        }
    }
    if open.is_empty() {
        return Ok(true);
    }
    let ask = AgentToServer::Adopt {
        claims: open.keys().copied().collect(),
    };
    if session.send(ask).await.is_err() {
        return Ok(false);
    }
    let Ok(Some(replies)) = timeout(ADOPT_LIMIT, adopted.recv()).await else {
        return Ok(false);
    };
    for reply in replies {
        let Some((found, mut record)) = open.remove(&reply.claim) else {
            continue;
        };
        let Some(go_on) = reply.go_on else {
            remove(context, &found).await;
            continue;
        };
        tracing::info!(target = %found.target, epoch = go_on.claim.epoch, "going on with a running execution");
        record.claim = go_on.claim;
        if let Some(slot) = registry.register(go_on.claim, found.target.clone()) {
            let origin = Origin::Adopted {
                last_seq: go_on.last_seq,
                started: go_on.started,
            };
            let span = execution_span(record.job_id, record.claim);
            let job = run::adopted(
                context.clone(),
                slot,
                found.target,
                record,
                origin,
                session.clone(),
            );
            drop(launch.send(Box::pin(job.instrument(span))));
        }
    }
    Ok(open.is_empty())
}

/// The run's record, or what its labels tell; None: it waited for an execution that never came.
async fn recall(state: &StateDir, found: &Found) -> Result<Option<RunRecord>, ExecutorError> {
    let known = state.recall(found.target.name()).await;
    // Not knowing is not the same as nothing: what may be a run is not swept away.
    if let Some(record) = known.map_err(|error| ExecutorError::new(Problem::NoRecord, error.to_string()))? {
        return Ok(Some(record));
    }
    let Some((claim, job_id)) = found.run else {
        return Ok(None);
    };
    Ok(Some(RunRecord {
        claim,
        job_id,
        // Unknown: the runner keeps the true limit, and the server may cancel.
        timeout_ms: Duration::from_hours(24).as_millis() as u64,
        grace_ms: 10_000,
        memory_bytes: 0,
        image_digest: None,
        setup_at_us: None,
        started_at_us: None,
    }))
}

async fn remove<E: Executor>(context: &run::Context<E>, found: &Found) {
    match context.executor.clean_up(&found.target).await {
        Ok(()) => context.state.forget(found.target.name()).await,
        Err(error) => {
            tracing::warn!(%error, cause = error.cause(), target = %found.target, "a left-over can't be removed yet");
        }
    }
}

/// Forgets records of an earlier life that ended between the removal of an environment and that of its record.
async fn forget_gone(
    state: &StateDir,
    registry: &Registry,
    records: Vec<(String, Option<Claim>)>,
    all: &[Found],
) {
    let live = registry.claims();
    for (name, claim) in records {
        // A live run may be in an environment that was made ahead, and so under another name.
        let is_live =
            claim.is_some_and(|claim| live.contains(&claim)) || registry.holds(&Target::new(name.as_str()));
        if !is_live && !all.iter().any(|found| found.target.name() == name) {
            tracing::info!(target = name, "forgetting a run that is gone");
            state.forget(&name).await;
        }
    }
}

/// Removes environments that belong to no live execution, and records whose environment is gone.
async fn sweep<E: Executor>(context: &run::Context<E>, registry: &Registry) {
    loop {
        // Listed first: a record is made after its environment.
        let records = context.state.records().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the records of runs can't be listed");
            Vec::new()
        });
        match context.executor.find().await {
            Ok(all) => {
                forget_gone(&context.state, registry, records, &all).await;
                for found in all {
                    // Asked only now: what was registered since the list was made is not in it.
                    if !registry.holds(&found.target) {
                        tracing::info!(target = %found.target, "removing a left-over");
                        remove(context, &found).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, cause = error.cause(), "left-overs can't be found"),
        }
        sleep(SWEEP_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn claim() -> Claim {
        Claim {
            execution_id: clock::new_id(),
            epoch: 1,
        }
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_now_is_not_the_same_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).await.unwrap();
        let found = Found {
            target: Target::new("a"),
            run: None,
            whole: true,
        };
        assert_eq!(recall(&state, &found).await.unwrap(), None);
        std::fs::create_dir(dir.path().join("runs").join("a.json")).unwrap();
        let unknown = recall(&state, &found).await.unwrap_err();
        assert_eq!(*unknown.problem(), Problem::NoRecord);
    }

    #[tokio::test]
    async fn only_records_of_runs_that_are_gone_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).await.unwrap();
        let (ahead, adopted, found, gone) = (claim(), claim(), claim(), claim());
        for (name, claim) in [
            ("ahead", ahead),
            ("adopted", adopted),
            ("found", found),
            ("gone", gone),
        ] {
            let record = RunRecord {
                claim,
                job_id: clock::new_id(),
                timeout_ms: 1,
                grace_ms: 1,
                memory_bytes: 1,
                image_digest: None,
                setup_at_us: None,
                started_at_us: None,
            };
            assert!(state.keep(name, &record).await);
        }
        let registry = Registry::default();
        let _ahead = registry.register(ahead, Target::new("by its claim"));
        // Its record still has the claim of before.
        let renewed = Claim { epoch: 2, ..adopted };
        let _adopted = registry.register(renewed, Target::new("adopted"));
        let all = [Found {
            target: Target::new("found"),
            run: None,
            whole: true,
        }];
        let records = state.records().await.unwrap();
        forget_gone(&state, &registry, records, &all).await;
        let mut left: Vec<_> = state.records().await.unwrap();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        let names: Vec<_> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["adopted", "ahead", "found"]);
    }
}
