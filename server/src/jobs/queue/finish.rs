//! The ends of executions: fenced, durable, once; many in one transaction.

use std::collections::HashMap;

use cronium_protocol::agent::{Claim, Outcome, OutcomeKind};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Result, Timestamp, storable};

use super::Queue;

/// So often an execution is tried on targets that can't be prepared.
const MAX_DISPATCHES: i32 = 3;

const UNKEPT: &str =
    "The result was not kept: it is nested more than 127 deep, or has a number that is too large";

/// What an execution's row says before its end.
#[derive(Debug, sqlx::FromRow)]
struct Held {
    id: Uuid,
    epoch: i32,
    job_id: Uuid,
    starts: i32,
    dispatches: i32,
    cancel_requested: bool,
}

/// The new values of an execution's row and of its job's, as one record of a statement.
#[derive(Debug, Serialize)]
struct End<'a> {
    id: Uuid,
    job_id: Uuid,
    status: &'static str,
    reason: Option<String>,
    exit_code: Option<i32>,
    cpu_us: Option<u64>,
    peak_memory_bytes: Option<u64>,
    output: Option<Value>,
    image_digest: Option<&'a str>,
    setup_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    log_truncated: bool,
    receipt: Option<Value>,
}

impl<'a> End<'a> {
    fn new(held: &Held, outcome: &'a Outcome) -> Self {
        let exit = outcome.exit.as_ref();
        let at = |us: Option<i64>| us.map(from_micros);
        let again = outcome.kind == OutcomeKind::NotStarted
            && held.starts == 0
            && !held.cancel_requested
            && held.dispatches < MAX_DISPATCHES;
        let status = match outcome.kind {
            _ if again => "QUEUED",
            OutcomeKind::Succeeded => "SUCCEEDED",
            OutcomeKind::TimedOut => "TIMED_OUT",
            OutcomeKind::Cancelled => "CANCELLED",
            OutcomeKind::NotStarted if held.cancel_requested => "CANCELLED",
            OutcomeKind::Failed | OutcomeKind::NotStarted => "FAILED",
            OutcomeKind::Lost => "LOST",
        };
        let output = exit.and_then(|e| e.output.as_deref()).map(serde_json::from_str);
        // The runner reads it without building it: depth and size of numbers show here only.
        let unkept = matches!(output, Some(Err(_))).then(|| UNKEPT.to_owned());
        let reason = outcome.reason.as_deref().map(storable::text);
        let reason = [reason, unkept]
            .into_iter()
            .flatten()
            .reduce(|a, b| format!("{a}. {b}"));
        let receipt = outcome.cancel.as_ref().filter(|_| held.cancel_requested).map(|c| {
            json!({ "signalSent": c.signal_sent, "escalated": c.escalated, "processGone": c.process_gone })
        });
        Self {
            id: held.id,
            job_id: held.job_id,
            status,
            reason,
            exit_code: exit.and_then(|e| e.code),
            cpu_us: outcome.usage.as_ref().map(|u| u.cpu_us),
            peak_memory_bytes: outcome.usage.as_ref().map(|u| u.peak_memory_bytes),
            output: output.and_then(std::result::Result::ok).map(storable::json),
            image_digest: outcome.image_digest.as_deref(),
            setup_at: at(outcome.setup_at_us),
            started_at: at(outcome.started_at_us),
            ended_at: at(outcome.ended_at_us),
            finished_at: (!again).then(|| from_micros(outcome.finished_at_us)),
            log_truncated: exit.is_some_and(|e| e.log_truncated),
            receipt,
        }
    }
}

impl Queue {
    /// Stores ends. A stale or repeated one changes nothing and is no error: its sender may forget it.
    pub async fn finish(&self, orchestrator: Uuid, ends: &[(Claim, Box<Outcome>)]) -> Result<()> {
        let outcomes: HashMap<Claim, &Outcome> = ends.iter().map(|(c, o)| (*c, o.as_ref())).collect();
        let mut tx = self.kernel.pool.begin().await?;
        let held: Vec<Held> = sqlx::query_as(
            "SELECT e.id, e.epoch, e.job_id, e.starts, e.dispatches, e.cancel_requested
             FROM executions e JOIN unnest($1::uuid[], $2::int[]) AS c(id, epoch)
                 ON e.id = c.id AND e.epoch = c.epoch
             WHERE e.orchestrator_id = $3 AND e.status IN ('DISPATCHING', 'RUNNING')
             ORDER BY e.id FOR UPDATE OF e",
        )
        .bind(outcomes.keys().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(outcomes.keys().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(orchestrator)
        .fetch_all(&mut *tx)
        .await?;
        let end = |held: &Held| {
            let claim = Claim {
                execution_id: held.id,
                epoch: held.epoch,
            };
            outcomes.get(&claim).map(|outcome| End::new(held, outcome))
        };
        let ends: Vec<End<'_>> = held.iter().filter_map(end).collect();
        if ends.is_empty() {
            return Ok(());
        }
        store(&mut tx, &ends).await?;
        for status in ["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "LOST"] {
            let jobs: Vec<Uuid> = ends
                .iter()
                .filter(|e| e.status == status)
                .map(|e| e.job_id)
                .collect();
            if !jobs.is_empty() {
                self.happened(&mut tx, &jobs, status).await?;
                metrics::counter!("cronium_executions_ended_total", "status" => status)
                    .increment(jobs.len() as u64);
            }
        }
        tx.commit().await?;
        for end in &ends {
            tracing::info!(job_id = %end.job_id, execution_id = %end.id, status = end.status, "an execution ended");
            self.kernel.signals.job_changed(JobId(end.job_id), false);
            self.logs.ended(ExecutionId(end.id));
        }
        if ends.iter().any(|end| end.status == "QUEUED") {
            self.kernel.signals.work_queued();
        }
        Ok(())
    }

    /// Writes that jobs have ended into the outbox.
    pub(super) async fn happened(&self, tx: &mut PgConnection, jobs: &[Uuid], status: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO outbox (kind, payload, created_at)
             SELECT 'job.ended', jsonb_build_object('job', job, 'status', $2), $3 FROM unnest($1::uuid[]) AS job",
        )
        .bind(jobs)
        .bind(status)
        .bind(self.kernel.now())
        .execute(tx)
        .await?;
        Ok(())
    }
}

async fn store(tx: &mut PgConnection, ends: &[End<'_>]) -> Result<()> {
    sqlx::query(
        "WITH n AS (
             SELECT * FROM jsonb_to_recordset($1) AS n(
                 id uuid, job_id uuid, status text, reason text, exit_code integer, cpu_us bigint,
                 peak_memory_bytes bigint, output jsonb, image_digest text, setup_at timestamptz,
                 started_at timestamptz, ended_at timestamptz, finished_at timestamptz, log_truncated boolean,
                 receipt jsonb)
         ), ended AS (
             UPDATE executions e
             SET status = n.status, status_reason = n.reason, exit_code = n.exit_code, cpu_us = n.cpu_us,
                 peak_memory_bytes = n.peak_memory_bytes, output = n.output, image_digest = n.image_digest,
                 setup_at = coalesce(n.setup_at, e.setup_at), started_at = coalesce(n.started_at, e.started_at),
                 ended_at = coalesce(n.ended_at, e.ended_at), finished_at = n.finished_at,
                 log_truncated = n.log_truncated, lease_until = NULL,
                 orchestrator_id = CASE WHEN n.status = 'QUEUED' THEN NULL ELSE e.orchestrator_id END
             FROM n WHERE e.id = n.id
         )
         UPDATE jobs j
         SET status = n.status, status_reason = n.reason, output = n.output,
             started_at = coalesce(n.started_at, j.started_at), finished_at = n.finished_at,
             cancel_receipt = coalesce(n.receipt, j.cancel_receipt)
         FROM n WHERE j.id = n.job_id",
    )
    .bind(sqlx::types::Json(ends))
    .execute(tx)
    .await?;
    Ok(())
}
