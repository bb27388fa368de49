//! The end of an execution: fenced, durable, once.

use cronium_protocol::agent::{Claim, Outcome, OutcomeKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kernel::Result;
use crate::kernel::clock::from_micros;
use crate::kernel::ids::JobId;

use super::Queue;

/// So often an execution is tried on targets that can't be prepared.
const MAX_DISPATCHES: i32 = 3;

impl Queue {
    /// Stores an end. A stale or repeated one changes nothing and is no error: its sender may forget it.
    pub async fn finish(&self, claim: Claim, outcome: &Outcome) -> Result<()> {
        let exit = outcome.exit.as_ref();
        let output: Option<Value> = exit
            .and_then(|e| e.output.as_deref())
            .and_then(|text| serde_json::from_str(text).ok());
        let at = |us: Option<i64>| us.map(from_micros);
        let mut tx = self.kernel.pool.begin().await?;
        let row: Option<(Uuid, i32, i32, bool)> = sqlx::query_as(
            "SELECT job_id, starts, dispatches, cancel_requested FROM executions
             WHERE id = $1 AND epoch = $2 AND status IN ('DISPATCHING', 'RUNNING') FOR UPDATE",
        )
        .bind(claim.execution_id)
        .bind(claim.epoch)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((job, starts, dispatches, cancelled)) = row else {
            return Ok(());
        };
        let again = outcome.kind == OutcomeKind::NotStarted
            && starts == 0
            && !cancelled
            && dispatches < MAX_DISPATCHES;
        if again {
            sqlx::query(
                "UPDATE executions SET status = 'QUEUED', status_reason = $2, lease_until = NULL, orchestrator_id = NULL
                 WHERE id = $1",
            )
            .bind(claim.execution_id)
            .bind(&outcome.reason)
            .execute(&mut *tx)
            .await?;
            sqlx::query("UPDATE jobs SET status = 'QUEUED', status_reason = $2 WHERE id = $1")
                .bind(job)
                .bind(&outcome.reason)
                .execute(&mut *tx)
                .await?;
        } else {
            let status = match outcome.kind {
                OutcomeKind::Succeeded => "SUCCEEDED",
                OutcomeKind::TimedOut => "TIMED_OUT",
                OutcomeKind::Cancelled => "CANCELLED",
                OutcomeKind::NotStarted if cancelled => "CANCELLED",
                OutcomeKind::Failed | OutcomeKind::NotStarted => "FAILED",
                OutcomeKind::Lost => "LOST",
            };
            let finished = from_micros(outcome.finished_at_us);
            sqlx::query(
                "UPDATE executions SET status = $2, status_reason = $3, exit_code = $4, cpu_us = $5,
                     peak_memory_bytes = $6, output = $7, image_digest = $8, setup_at = coalesce($9, setup_at),
                     started_at = coalesce($10, started_at), ended_at = coalesce($11, ended_at), finished_at = $12,
                     log_truncated = $13, lease_until = NULL
                 WHERE id = $1",
            )
            .bind(claim.execution_id)
            .bind(status)
            .bind(&outcome.reason)
            .bind(exit.and_then(|e| e.code))
            .bind(outcome.usage.as_ref().map(|u| u.cpu_us as i64))
            .bind(outcome.usage.as_ref().map(|u| u.peak_memory_bytes as i64))
            .bind(&output)
            .bind(&outcome.image_digest)
            .bind(at(outcome.setup_at_us))
            .bind(at(outcome.started_at_us))
            .bind(at(outcome.ended_at_us))
            .bind(finished)
            .bind(exit.is_some_and(|e| e.log_truncated))
            .execute(&mut *tx)
            .await?;
            let receipt = outcome.cancel.as_ref().filter(|_| cancelled).map(|c| {
                json!({ "signalSent": c.signal_sent, "escalated": c.escalated, "processGone": c.process_gone })
            });
            sqlx::query(
                "UPDATE jobs SET status = $2, status_reason = $3, output = $4,
                     started_at = coalesce($5, started_at), finished_at = $6,
                     cancel_receipt = coalesce($7, cancel_receipt) WHERE id = $1",
            )
            .bind(job)
            .bind(status)
            .bind(&outcome.reason)
            .bind(&output)
            .bind(at(outcome.started_at_us))
            .bind(finished)
            .bind(receipt)
            .execute(&mut *tx)
            .await?;
            sqlx::query("INSERT INTO outbox (kind, payload, created_at) VALUES ('job.ended', $1, $2)")
                .bind(json!({ "job": job, "status": status }))
                .bind(self.kernel.now())
                .execute(&mut *tx)
                .await?;
            metrics::counter!("cronium_executions_ended_total", "status" => status).increment(1);
        }
        tx.commit().await?;
        self.kernel.signals.job_changed(JobId(job), false);
        self.logs
            .ended(crate::kernel::ids::ExecutionId(claim.execution_id));
        if again {
            self.kernel.signals.work_queued();
        }
        Ok(())
    }
}
