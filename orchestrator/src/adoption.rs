//! Adopts what an earlier life left, and sweeps away what belongs to nobody. It must not know where executions run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::{AdoptReply, AgentToServer, Claim};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::app::{Job, execution_span};
use crate::channel::{Link, Session};
use crate::executor::{Executor, Found, Target};
use crate::problem::{ExecutorError, Problem};
use crate::registry::Registry;
use crate::run::{self, machine::Origin};
use crate::state::{RunRecord, StateDir};
use crate::status::Status;

const SWEEP_EVERY: Duration = Duration::from_mins(1);
const ADOPT_LIMIT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);

/// Asks the server about every environment that is there, until it has answered for all of them.
pub async fn adopt<E: Executor>(
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
    // First of all: the way to one run is that to others on the same server.
    for reply in &replies {
        if let Some(host) = reply.go_on.as_ref().and_then(|go_on| go_on.host.as_ref()) {
            context.executor.meet(host);
        }
    }
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
        if let Some(slot) = registry.register(go_on.claim, found.target.clone(), record.host.is_some()) {
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
        host: None,
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
pub async fn sweep<E: Executor>(context: &run::Context<E>, registry: &Registry) {
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
                host: None,
            };
            assert!(state.keep(name, &record).await);
        }
        let registry = Registry::default();
        let _ahead = registry.register(ahead, Target::new("by its claim"), false);
        // Its record still has the claim of before.
        let renewed = Claim { epoch: 2, ..adopted };
        let _adopted = registry.register(renewed, Target::new("adopted"), false);
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
