//! Stopping jobs: one, many, or those that give way to another. What nobody runs ends at once, the rest is asked to.

use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{UserErrorCode, is_passing};
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Error, Kernel, Op, Result};

use super::model::{self, Cancellation};
use super::service::Jobs;
use super::store::{self, Filter, JobRow};

/// Jobs that one call stops.
pub const MOST: u64 = 1000;
/// Jobs that are stopped in one transaction: their executions are locked until its end.
const TOGETHER: u64 = 100;
const TRIES: usize = 3;

/// What was stopped; to be announced after the commit.
#[derive(Debug, Default)]
pub struct Stopped {
    /// As they are now.
    pub jobs: Vec<JobRow>,
    /// Executions whose orchestrators are to stop them.
    told: Vec<ExecutionId>,
}

impl Stopped {
    fn ended(&self) -> impl Iterator<Item = &JobRow> {
        self.jobs.iter().filter(|job| model::is_final(job.status))
    }
}

/// Stops those of the jobs that have not ended. `note` says why, where it was not a person's wish. `with` is a job
/// that is locked together with them: locks of executions are taken in one order.
pub async fn stop(
    kernel: &Kernel,
    tx: &DatabaseTransaction,
    ids: Vec<Uuid>,
    by: Option<Uuid>,
    note: Option<&str>,
    with: Option<Uuid>,
) -> Result<Stopped> {
    let locked = store::lock_open(tx, ids.iter().copied().chain(with).collect()).await?;
    let (mut at_once, mut asked, mut several) = (Vec::new(), Vec::new(), Vec::new());
    for job in locked.jobs.iter().filter(|job| ids.contains(&job.id)) {
        match model::cancel(job.status) {
            // Some of its slots may have ended, and some may be at work.
            Ok(_) if job.slots > 1 => several.push(job.id),
            Ok(Cancellation::AtOnce) => at_once.push(job.id),
            Ok(Cancellation::ByOrchestrator) => asked.push(job.id),
            Err(_) => {}
        }
    }
    let now = kernel.now();
    let told = locked.claimed.iter();
    let told = told.filter(|one| asked.contains(&one.job_id));
    let mut told: Vec<_> = told.map(|one| ExecutionId(one.id)).collect();
    let mut jobs = store::cancel_at_once(tx, at_once, by, note, now).await?;
    jobs.extend(store::ask_to_stop(tx, asked, by, note, now).await?);
    if !several.is_empty() {
        store::ask_to_stop(tx, several.clone(), by, note, now).await?;
        // Slots that waited may have been given out since those that somebody has were read.
        let at_work = store::asked_to_stop(tx, several.clone()).await?;
        told.extend(at_work.into_iter().map(|one| ExecutionId(one.id)));
        store::end_unclaimed(tx, several.clone(), note, now).await?;
        jobs.extend(store::summed_up(tx, &several, now).await?);
    }
    Ok(Stopped { jobs, told })
}

/// Tells whoever listens. After the commit.
pub fn announce(kernel: &Kernel, stopped: &Stopped) {
    for execution in &stopped.told {
        kernel.signals.cancel_requested(*execution);
    }
    for job in &stopped.jobs {
        kernel.signals.job_changed(JobId(job.id), false);
    }
    if stopped.ended().next().is_some() {
        kernel.signals.outbox_filled();
    }
}

impl Jobs {
    /// Stops a job, or asks its orchestrator to.
    pub async fn cancel(&self, op: &Op, id: JobId) -> Result<JobRow> {
        let grant = access::allow(op, Action::CancelJob)?;
        store::get(&self.kernel.db, &grant, id).await?;
        let stopped = self.stop_together(op, vec![id.0]).await?;
        let message = "This job has ended already.";
        stopped
            .jobs
            .into_iter()
            .next()
            .ok_or_else(|| Error::field(UserErrorCode::Conflict, "id", message))
    }

    /// A slot that waits is locked after its job here, and whoever else changes it may have it before the job: where the
    /// two meet, the database ends one of them.
    async fn stop_together(&self, op: &Op, ids: Vec<Uuid>) -> Result<Stopped> {
        for _ in 1..TRIES {
            match self.try_to_stop(op, ids.clone()).await {
                Err(Error::Internal(source)) if is_passing(&*source) => {}
                done => return done,
            }
        }
        self.try_to_stop(op, ids).await
    }

    async fn try_to_stop(&self, op: &Op, ids: Vec<Uuid>) -> Result<Stopped> {
        let tx = self.kernel.db.begin().await?;
        let stopped = stop(&self.kernel, &tx, ids, op.user().map(|id| id.0), None, None).await?;
        if stopped.jobs.is_empty() {
            return Ok(stopped);
        }
        let change = |job: &JobRow| {
            let target = Target::new(TargetKind::Job, job.id, job.title.clone());
            Change::new(AuditAction::CancelJob, target)
        };
        let changes = stopped.jobs.iter().map(change).collect();
        self.audit.record_all(&tx, op, changes).await?;
        tx.commit().await?;
        announce(&self.kernel, &stopped);
        let events = stopped.ended().filter_map(|job| job.event_id).collect();
        self.turns.release(events).await;
        Ok(stopped)
    }

    /// Stops jobs that match and are not asked to stop yet, the oldest first, at most so many; gives how many, and how
    /// many are left.
    pub async fn cancel_matching(&self, op: &Op, filter: &Filter, limit: i32) -> Result<(u64, u64)> {
        let grant = access::allow(op, Action::CancelJob)?;
        let limit = u64::try_from(limit).ok().filter(|n| (1..=MOST).contains(n));
        let limit = limit.ok_or_else(|| {
            let message = "Between 1 and 1,000 jobs at a time.";
            Error::field(UserErrorCode::Invalid, "limit", message)
        })?;
        let mut stopped = 0;
        while stopped < limit {
            let next = (limit - stopped).min(TOGETHER);
            let ids = store::open_matching(&self.kernel.db, &grant, filter, next).await?;
            if ids.is_empty() {
                return Ok((stopped, 0));
            }
            // Those that ended meanwhile are not among the next.
            stopped += self.stop_together(op, ids).await?.jobs.len() as u64;
        }
        let left = store::count_open_matching(&self.kernel.db, &grant, filter).await?;
        Ok((stopped, left))
    }
}
