//! Leases: renewing, adopting after a restart, and sweeping what nobody holds. All by the database's clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cronium_protocol::agent::{AdoptReply, Adopted, Claim};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::kernel::Result;
use crate::kernel::ids::{ExecutionId, JobId, UserId};

use super::super::model::{
    self,
    retry::{Cause, Past},
};
use super::super::store::{self, Sum};
use super::again::{self, Ending, Next};
use super::{LEASE, Queue};

/// How long after its lease a started execution waits to be adopted again.
const ADOPTION: Duration = Duration::from_secs(60);
const CUT_OFF: &str =
    "Contact with the orchestrator is lost; the script may go on. Waiting to find it again.";
/// So often work is given out whose orchestrator then leaves without a word, before it is held to be the cause.
const MAX_ABANDONED: i32 = 5;
const ABANDONED: &str = "It was given out five times, and each time the orchestrator was gone before the script \
                         started. Look at the orchestrator's log and at the size of the event, then run it again.";
const LOST: &str = "Contact with the orchestrator was lost after the script had started, and was not regained. \
                    It may have finished: look at what it does before you run it again.";

/// An execution whose lease is over.
#[derive(Debug, sqlx::FromRow)]
struct Expired {
    id: Uuid,
    job_id: Uuid,
    starts: i32,
    cancel_requested: bool,
    /// The time for adoption is over too.
    over: bool,
    dispatches: i32,
    attempt: i32,
    max_starts: i32,
    gate: Option<Uuid>,
    /// Its job has other slots: their sum is what becomes of it.
    several: bool,
}

/// An execution that its orchestrator has found again.
#[derive(Debug, sqlx::FromRow)]
struct Found {
    id: Uuid,
    epoch: i32,
    starts: i32,
    job_id: Uuid,
    /// The epoch that it was asked for with.
    asked: i32,
    /// Where it is, and whose job that is; None: on no server.
    server_id: Option<Uuid>,
    owner_id: Option<Uuid>,
}

impl Found {
    fn host(&self) -> Option<(UserId, Uuid)> {
        Some((UserId(self.owner_id?), self.server_id?))
    }
}

impl Expired {
    /// What another attempt may follow.
    fn ending(&self, status: &str) -> Option<Ending> {
        let cause = match status {
            "LOST" => Cause::Lost,
            "FAILED" => Cause::Infrastructure,
            _ => return None,
        };
        Some(Ending {
            execution: self.id,
            cause,
            past: Past {
                attempt: self.attempt,
                starts: self.starts,
                max_starts: self.max_starts,
                cancel_requested: self.cancel_requested,
            },
        })
    }
}

impl Queue {
    /// Renews what this orchestrator still holds; gives back what it lost.
    pub async fn renew(&self, orchestrator: Uuid, claims: &[Claim]) -> Result<Vec<Claim>> {
        let held: Vec<(Uuid, i32, Uuid, bool)> = sqlx::query_as(
            "WITH wanted AS (
                 SELECT e.id, e.status_reason = $5 AS was_cut_off
                 FROM executions e JOIN unnest($1::uuid[], $2::int[]) AS c(id, epoch)
                     ON e.id = c.id AND e.epoch = c.epoch
                 WHERE e.orchestrator_id = $3 AND e.status IN ('DISPATCHING', 'RUNNING')
                 ORDER BY e.id FOR UPDATE OF e
             )
             UPDATE executions e SET lease_until = now() + make_interval(secs => $4),
                 status_reason = nullif(status_reason, $5)
             FROM wanted WHERE e.id = wanted.id
             RETURNING e.id, e.epoch, e.job_id, coalesce(was_cut_off, false)",
        )
        .bind(claims.iter().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(orchestrator)
        .bind(LEASE.as_secs_f64())
        .bind(CUT_OFF)
        .fetch_all(&self.kernel.relaxed)
        .await?;
        let back: Vec<Uuid> = held.iter().filter(|row| row.3).map(|row| row.2).collect();
        if !back.is_empty() {
            sqlx::query("UPDATE jobs SET status_reason = NULL WHERE id = ANY($1) AND status_reason = $2")
                .bind(&back)
                .bind(CUT_OFF)
                .execute(&self.kernel.relaxed)
                .await?;
        }
        for job in back {
            self.kernel.signals.job_changed(JobId(job), false);
        }
        let held: HashSet<(Uuid, i32)> = held.into_iter().map(|(id, epoch, ..)| (id, epoch)).collect();
        let lost = |c: &&Claim| !held.contains(&(c.execution_id, c.epoch));
        Ok(claims.iter().filter(lost).copied().collect())
    }

    /// A restarted orchestrator found these: those that are still its own go on under a new epoch. A question that
    /// comes again has the same answer: the first may have been lost, or may have been acted on already. Those on a
    /// server are told how to get there, as long as it may be used.
    pub async fn adopt(&self, orchestrator: Uuid, claims: Vec<Claim>) -> Result<Vec<AdoptReply>> {
        let found: Vec<Found> = sqlx::query_as(
            "WITH wanted AS (
                 SELECT e.id, c.epoch AS asked, CASE WHEN e.server_id IS NOT NULL
                     THEN (SELECT owner_id FROM jobs WHERE id = e.job_id) END AS owner_id
                 FROM executions e JOIN unnest($1::uuid[], $2::int[]) AS c(id, epoch) ON e.id = c.id
                 WHERE c.epoch BETWEEN e.claim_epoch AND e.epoch AND e.orchestrator_id = $3
                   AND e.status IN ('DISPATCHING', 'RUNNING')
                 ORDER BY e.id FOR UPDATE OF e
             ), adopted AS (
                 UPDATE executions e SET epoch = epoch + CASE WHEN asked = epoch THEN 1 ELSE 0 END,
                     lease_until = now() + make_interval(secs => $4), status_reason = nullif(status_reason, $5)
                 FROM wanted WHERE e.id = wanted.id
                 RETURNING e.id, e.epoch, e.starts, e.job_id, wanted.asked, e.server_id, wanted.owner_id
             ), told AS (
                 UPDATE jobs j SET status_reason = NULL FROM adopted
                 WHERE j.id = adopted.job_id AND j.status_reason = $5
             ) SELECT * FROM adopted",
        )
        .bind(claims.iter().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(orchestrator)
        .bind(LEASE.as_secs_f64())
        .bind(CUT_OFF)
        .fetch_all(&self.kernel.pool)
        .await?;
        let hosts: Vec<_> = found.iter().filter_map(Found::host).collect();
        let hosts = self.servers.orders(&hosts).await?;
        let mut adopted: HashMap<Claim, Adopted> = HashMap::new();
        for one in found {
            self.kernel.signals.job_changed(JobId(one.job_id), false);
            let claim = Claim {
                execution_id: one.id,
                epoch: one.epoch,
            };
            let order = one
                .host()
                .and_then(|host| hosts.get(&host)?.as_ref().ok().cloned());
            let go_on = Adopted {
                claim,
                last_seq: self.logs.last_seq(ExecutionId(one.id)).await?,
                started: one.starts > 0,
                host: order,
            };
            adopted.insert(
                Claim {
                    epoch: one.asked,
                    ..claim
                },
                go_on,
            );
        }
        let reply = |claim: Claim| AdoptReply {
            claim,
            go_on: adopted.remove(&claim),
        };
        Ok(claims.into_iter().map(reply).collect())
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
        let claim = |(execution_id, epoch)| Claim { execution_id, epoch };
        Ok(rows.into_iter().map(claim).collect())
    }

    /// Gives back what no orchestrator holds any more, and says of what has started that it is cut off.
    /// Idempotent; runs on a timer and at the start.
    pub async fn sweep(&self) -> Result<u64> {
        let expired: Vec<Expired> = sqlx::query_as(
            "SELECT id, job_id, starts, cancel_requested, lease_until < now() - make_interval(secs => $1) AS over,
                 dispatches, attempt, max_starts, gate, CASE WHEN server_id IS NULL THEN false
                     ELSE (SELECT slots > 1 FROM jobs WHERE jobs.id = executions.job_id) END AS several
             FROM executions
             WHERE status IN ('DISPATCHING', 'RUNNING') AND lease_until < now()
               AND (starts = 0 OR lease_until < now() - make_interval(secs => $1)
                    OR status_reason IS DISTINCT FROM $2)
             ORDER BY id LIMIT 500",
        )
        .bind(ADOPTION.as_secs_f64())
        .bind(CUT_OFF)
        .fetch_all(&self.kernel.pool)
        .await?;
        for row in &expired {
            let early = model::cancelled_early(row.attempt);
            let (status, reason) = match (row.starts, row.cancel_requested, row.over) {
                (0, true, _) => ("CANCELLED", Some(early.as_str())),
                (0, false, _) if row.dispatches >= MAX_ABANDONED => ("FAILED", Some(ABANDONED)),
                (0, false, _) => ("QUEUED", None),
                (_, _, true) => ("LOST", Some(LOST)),
                _ => ("RUNNING", Some(CUT_OFF)),
            };
            if self.let_go(row, status, reason).await? {
                tracing::warn!(execution = %row.id, status, "a lease ended without its orchestrator");
                self.kernel.signals.job_changed(JobId(row.job_id), false);
                if status == "QUEUED" {
                    self.kernel.signals.work_queued();
                }
            }
        }
        Ok(expired.len() as u64)
    }

    /// Moves one execution whose lease is over; false when it was renewed or moved meanwhile.
    async fn let_go(&self, row: &Expired, status: &str, reason: Option<&str>) -> Result<bool> {
        let now = self.kernel.now();
        let ended = matches!(status, "CANCELLED" | "FAILED" | "LOST").then_some(now);
        let receipt = row.cancel_requested.then(|| match status {
            "LOST" => model::not_needed(true),
            _ => model::nothing_had_started(None),
        });
        let mut tx = self.kernel.pool.begin().await?;
        let moved = sqlx::query(
            "UPDATE executions SET status = $2, status_reason = $3, finished_at = $4, cancel_receipt = $6,
                 lease_until = CASE WHEN $2 = 'RUNNING' THEN lease_until END,
                 orchestrator_id = CASE WHEN $2 = 'QUEUED' THEN NULL ELSE orchestrator_id END
             WHERE id = (SELECT id FROM executions WHERE id = $1 FOR UPDATE SKIP LOCKED)
               AND status IN ('DISPATCHING', 'RUNNING') AND lease_until < now()
               AND (starts = 0) = ($2 IN ('QUEUED', 'CANCELLED', 'FAILED')) AND cancel_requested = $5",
        )
        .bind(row.id)
        .bind(status)
        .bind(reason)
        .bind(ended)
        .bind(row.cancel_requested)
        .bind(receipt.as_ref().filter(|_| ended.is_some()))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        let next = match row.ending(status) {
            Some(ending) => again::following(&self.kernel, &mut tx, &[ending])
                .await?
                .remove(&row.id),
            None => None,
        };
        let goes_on = if row.several {
            self.sum_up(&mut tx, row, next.as_ref(), status).await?
        } else {
            let over = ended.filter(|_| next.is_none());
            let job_reason = match &next {
                Some(next) => Some(next.reason(reason)),
                None => reason.map(str::to_owned),
            };
            sqlx::query(
                "UPDATE jobs SET status = $2, status_reason = $3, finished_at = $4,
                     started_at = CASE WHEN $2 <> 'QUEUED' THEN started_at END,
                     condition = CASE WHEN $2 <> 'QUEUED' THEN condition END,
                     cancel_receipt = CASE WHEN $4 IS NULL OR $5::jsonb IS NULL THEN cancel_receipt
                         ELSE $5::jsonb || coalesce(cancel_receipt, '{}') END
                 WHERE id = $1",
            )
            .bind(row.job_id)
            .bind(if next.is_some() { "QUEUED" } else { status })
            .bind(job_reason)
            .bind(over)
            .bind(receipt)
            .execute(&mut *tx)
            .await?;
            again::store(&self.kernel, &mut tx, &next.iter().collect::<Vec<_>>()).await?;
            if over.is_some() {
                self.happened(&mut tx, &[row.job_id], status).await?;
            }
            over.is_none()
        };
        tx.commit().await?;
        if ended.is_some() {
            self.logs.ended(ExecutionId(row.id));
        }
        if row.several {
            // Another slot may have waited for this one.
            self.kernel.signals.work_queued();
        }
        again::announce(&self.kernel, next.iter());
        if !goes_on {
            self.kernel.signals.outbox_filled();
            self.turns.release(row.gate.into_iter().collect()).await;
        }
        Ok(true)
    }

    /// Writes what becomes of a job of several slots when one of them has moved; whether the job goes on.
    async fn sum_up(
        &self,
        tx: &mut PgConnection,
        row: &Expired,
        next: Option<&Next>,
        status: &str,
    ) -> Result<bool> {
        if status == "RUNNING" {
            return Ok(true);
        }
        store::hold(tx, &[row.job_id]).await?;
        again::store(&self.kernel, tx, &next.into_iter().collect::<Vec<_>>()).await?;
        let sums = store::sum_up(tx, &[row.job_id], self.kernel.now()).await?;
        Ok(!sums.iter().any(Sum::is_over))
    }
}
