//! The queue: claims with lease and epoch, fenced writes, ends, sweeps. The rows are the truth; all times
//! of leases are the database's.

mod claim;
mod finish;
mod payload;
mod wake;

use std::time::Duration;

use cronium_protocol::agent::{AdoptReply, Adopted, Claim, Phase};
use uuid::Uuid;

use crate::events::Events;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Kernel, Result};
use crate::logs::Logs;

pub use payload::Signer;
pub use wake::{setup as setup_apalis, wake_orchestrators};

/// How long a claim holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often leases are renewed and swept.
pub const RENEW: Duration = Duration::from_secs(5);
/// How long after its lease a started execution waits to be adopted again.
const ADOPTION: Duration = Duration::from_secs(60);

/// Hands work out and takes its ends.
#[derive(Clone, Debug)]
pub struct Queue {
    kernel: Kernel,
    events: Events,
    logs: Logs,
    signer: Signer,
}

impl Queue {
    pub fn new(kernel: Kernel, events: Events, logs: Logs, signer: Signer) -> Self {
        Self {
            kernel,
            events,
            logs,
            signer,
        }
    }

    pub fn verify_key(&self) -> [u8; 32] {
        self.signer.verify_key()
    }

    /// Renews what this orchestrator still holds; gives back what it lost.
    pub async fn renew(&self, orchestrator: Uuid, claims: &[Claim]) -> Result<Vec<Claim>> {
        let mut tx = self.kernel.pool.begin().await?;
        sqlx::query("SET LOCAL synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
        let held: Vec<(Uuid, i32)> = sqlx::query_as(
            "UPDATE executions e SET lease_until = now() + make_interval(secs => $4)
             FROM unnest($1::uuid[], $2::int[]) AS c(id, epoch)
             WHERE e.id = c.id AND e.epoch = c.epoch AND e.orchestrator_id = $3
               AND e.status IN ('DISPATCHING', 'RUNNING')
             RETURNING e.id, e.epoch",
        )
        .bind(claims.iter().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(orchestrator)
        .bind(LEASE.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let lost = |c: &&Claim| !held.contains(&(c.execution_id, c.epoch));
        Ok(claims.iter().filter(lost).copied().collect())
    }

    /// Permission to start user code: one compare-and-set, durable before it is given.
    pub async fn grant_start(&self, claim: Claim) -> Result<bool> {
        let mut tx = self.kernel.pool.begin().await?;
        let granted: Option<Uuid> = sqlx::query_scalar(
            "UPDATE executions SET starts = starts + CASE WHEN start_epoch = epoch THEN 0 ELSE 1 END, start_epoch = epoch,
                 status = 'RUNNING', started_at = $3
             WHERE id = $1 AND epoch = $2 AND status IN ('DISPATCHING', 'RUNNING') AND NOT cancel_requested
               AND (starts < max_starts OR start_epoch = epoch) AND lease_until > now()
             RETURNING job_id",
        )
        .bind(claim.execution_id)
        .bind(claim.epoch)
        .bind(self.kernel.now())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(job) = granted else { return Ok(false) };
        sqlx::query("UPDATE jobs SET status = 'RUNNING', started_at = $2 WHERE id = $1")
            .bind(job)
            .bind(self.kernel.now())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.kernel.signals.job_changed(JobId(job), false);
        Ok(true)
    }

    /// Notes when a phase began.
    pub async fn phase(&self, claim: Claim, phase: Phase, at_us: i64) -> Result<()> {
        let at = crate::kernel::clock::from_micros(at_us);
        let sql = match phase {
            Phase::Setup => {
                "UPDATE executions SET setup_at = $3 WHERE id = $1 AND epoch = $2 AND finished_at IS NULL RETURNING job_id"
            }
            Phase::Started => {
                "UPDATE executions SET started_at = $3 WHERE id = $1 AND epoch = $2 AND finished_at IS NULL RETURNING job_id"
            }
            Phase::Ended => {
                "UPDATE executions SET ended_at = $3 WHERE id = $1 AND epoch = $2 AND finished_at IS NULL RETURNING job_id"
            }
        };
        let mut tx = self.kernel.pool.begin().await?;
        sqlx::query("SET LOCAL synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
        let query = sqlx::query_scalar::<_, Uuid>(sql)
            .bind(claim.execution_id)
            .bind(claim.epoch)
            .bind(at);
        let job = query.fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        if let Some(job) = job {
            self.kernel.signals.job_changed(JobId(job), false);
        }
        Ok(())
    }

    /// A restarted orchestrator found these: those that are still its own go on under a new epoch.
    pub async fn adopt(&self, orchestrator: Uuid, claims: Vec<Claim>) -> Result<Vec<AdoptReply>> {
        let mut replies = Vec::with_capacity(claims.len());
        for claim in claims {
            let row: Option<(i32, i32)> = sqlx::query_as(
                "UPDATE executions SET epoch = epoch + 1, lease_until = now() + make_interval(secs => $4)
                 WHERE id = $1 AND epoch = $2 AND orchestrator_id = $3 AND status IN ('DISPATCHING', 'RUNNING')
                 RETURNING epoch, starts",
            )
            .bind(claim.execution_id)
            .bind(claim.epoch)
            .bind(orchestrator)
            .bind(LEASE.as_secs_f64())
            .fetch_optional(&self.kernel.pool)
            .await?;
            let go_on = match row {
                Some((epoch, starts)) => {
                    let last_seq = self.logs.last_seq(ExecutionId(claim.execution_id)).await?;
                    let claim = Claim { epoch, ..claim };
                    Some(Adopted {
                        claim,
                        last_seq,
                        started: starts > 0,
                    })
                }
                None => None,
            };
            replies.push(AdoptReply { claim, go_on });
        }
        Ok(replies)
    }

    /// Executions of this orchestrator that somebody wants to stop.
    pub async fn cancels(&self, orchestrator: Uuid) -> Result<Vec<Claim>> {
        let rows: Vec<(Uuid, i32)> = sqlx::query_as(
            "SELECT id, epoch FROM executions
             WHERE orchestrator_id = $1 AND cancel_requested AND status IN ('DISPATCHING', 'RUNNING')",
        )
        .bind(orchestrator)
        .fetch_all(&self.kernel.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(execution_id, epoch)| Claim { execution_id, epoch })
            .collect())
    }

    /// Gives back what no orchestrator holds any more. Idempotent; runs on a timer and at the start.
    pub async fn sweep(&self) -> Result<u64> {
        let mut tx = self.kernel.pool.begin().await?;
        let expired: Vec<(Uuid, Uuid, i32, bool)> = sqlx::query_as(
            "SELECT id, job_id, starts, cancel_requested FROM executions
             WHERE status IN ('DISPATCHING', 'RUNNING')
               AND (lease_until < now() AND starts = 0 OR lease_until < now() - make_interval(secs => $1))
             ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED",
        )
        .bind(ADOPTION.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
        let now = self.kernel.now();
        for (id, job, starts, cancelled) in &expired {
            let (status, reason) = match (*starts, *cancelled) {
                (0, true) => ("CANCELLED", Some("Cancelled before it started")),
                (0, false) => ("QUEUED", None),
                _ => (
                    "LOST",
                    Some(
                        "Contact with the orchestrator was lost after the script had started, and was not regained. \
                     It may have finished: look at what it does before you run it again.",
                    ),
                ),
            };
            let ended = (status != "QUEUED").then_some(now);
            sqlx::query(
                "UPDATE executions SET status = $2, status_reason = $3, finished_at = $4, lease_until = NULL,
                 orchestrator_id = CASE WHEN $2 = 'QUEUED' THEN NULL ELSE orchestrator_id END WHERE id = $1",
            )
            .bind(id)
            .bind(status)
            .bind(reason)
            .bind(ended)
            .execute(&mut *tx)
            .await?;
            sqlx::query("UPDATE jobs SET status = $2, status_reason = $3, finished_at = $4 WHERE id = $1")
                .bind(job)
                .bind(status)
                .bind(reason)
                .bind(ended)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        for (id, job, ..) in &expired {
            tracing::warn!(execution = %id, "a lease ended without its orchestrator");
            self.kernel.signals.job_changed(JobId(*job), false);
        }
        if !expired.is_empty() {
            self.kernel.signals.work_queued();
        }
        Ok(expired.len() as u64)
    }
}
