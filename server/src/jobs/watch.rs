//! Looks behind the signals of jobs while somebody watches: what another server did, or what a signal missed,
//! is told within a second. A job that goes back to the queue is told with its next change.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::kernel::ids::JobId;
use crate::kernel::signals::JobSignal;
use crate::kernel::{Kernel, Result};

use super::store::{self, Face};

/// A look each second, as long as anybody listens.
const LOOK: Duration = Duration::from_secs(1);
/// How far back a look goes: servers' clocks differ.
const BACK: TimeDelta = TimeDelta::seconds(30);
/// What the first look tells of; whoever watches has read the rest just before.
const FRESH: TimeDelta = TimeDelta::seconds(3);
/// Jobs in one look.
const MOST: u64 = 2000;

/// What one look has seen.
#[derive(Debug)]
pub struct Seen(HashMap<JobId, Face>);

/// Looks until the token is cancelled.
pub async fn look_behind(kernel: Kernel, stop: CancellationToken) {
    let mut known = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if !kernel.signals.has_watchers() {
            known = None;
            continue;
        }
        match look(&kernel, known.as_ref()).await {
            Ok(seen) => known = Some(seen),
            Err(problem) => {
                tracing::debug!(problem = problem.private_text(), "a look at the jobs failed");
            }
        }
    }
}

/// Tells of what differs from the last look; gives what is seen.
pub async fn look(kernel: &Kernel, known: Option<&Seen>) -> Result<Seen> {
    let now = kernel.now();
    let faces = store::changed_since(&kernel.db, now - BACK, MOST).await?;
    let fresh = now - FRESH;
    for face in &faces {
        let id = JobId(face.id);
        let before = known.map(|known| known.0.get(&id));
        let told = match before {
            Some(before) => before != Some(face),
            None => [Some(face.created_at), face.started_at, face.finished_at]
                .iter()
                .any(|at| at.is_some_and(|at| at > fresh)),
        };
        if told {
            let created = before == Some(None) && face.created_at > now - BACK;
            kernel.signals.job_seen(JobSignal::Changed { job: id, created });
        }
    }
    Ok(Seen(
        faces.into_iter().map(|face| (JobId(face.id), face)).collect(),
    ))
}
