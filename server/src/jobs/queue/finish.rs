//! The ends of executions: fenced, durable, once; many in one transaction.

use std::collections::{HashMap, HashSet};

use cronium_protocol::agent::{Claim, Outcome, OutcomeKind};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Result, Timestamp, storable};

use super::super::model::{
    self,
    retry::{Cause, Past},
};
use super::super::store::{self, Sum};
use super::Queue;
use super::again::{self, Ending, Next};

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
    attempt: i32,
    max_starts: i32,
    gate: Option<Uuid>,
    /// A start was granted to the claim that reports.
    granted: bool,
    /// Its job has other slots: their sum is what becomes of it.
    several: bool,
}

impl Held {
    /// Starts that were made use of: what was granted and reported not to have been used does not count.
    fn starts_after(&self, outcome: &Outcome) -> i32 {
        self.starts - i32::from(self.gives_back(outcome))
    }

    fn gives_back(&self, outcome: &Outcome) -> bool {
        outcome.unstarted && self.granted
    }

    fn ending(&self, outcome: &Outcome, cause: Cause) -> Ending {
        Ending {
            execution: self.id,
            cause,
            past: Past {
                attempt: self.attempt,
                starts: self.starts_after(outcome),
                max_starts: self.max_starts,
                cancel_requested: self.cancel_requested,
            },
        }
    }
}

/// The new values of an execution's row and of its job's, as one record of a statement.
#[derive(Debug, Serialize)]
struct End<'a> {
    id: Uuid,
    job_id: Uuid,
    status: &'static str,
    reason: Option<String>,
    /// The job's, when another attempt follows: it goes back to the queue.
    job_reason: Option<String>,
    job_status: &'static str,
    exit_code: Option<i32>,
    cpu_us: Option<i64>,
    peak_memory_bytes: Option<i64>,
    output: Option<Value>,
    image_digest: Option<&'a str>,
    setup_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    log_truncated: bool,
    /// The last line that its runner had numbered.
    last_seq: i64,
    receipt: Option<Value>,
    /// A start that was granted and not used.
    unused: bool,
    several: bool,
}

impl<'a> End<'a> {
    /// `tries`: so often it is given out, where it can't be started.
    fn new(held: &Held, outcome: &'a Outcome, tries: i32) -> Self {
        let exit = outcome.exit.as_ref();
        let at = |us: Option<i64>| us.map(from_micros);
        let again = outcome.kind == OutcomeKind::NotStarted
            && held.starts_after(outcome) == 0
            && !held.cancel_requested
            && held.dispatches < tries;
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
        let early =
            outcome.kind == OutcomeKind::Cancelled && outcome.cancel.as_ref().is_some_and(|c| !c.signal_sent);
        let reason = if early {
            Some(model::cancelled_early(held.attempt))
        } else {
            outcome.reason.as_deref().map(storable::text)
        };
        let reason = [reason, unkept]
            .into_iter()
            .flatten()
            .reduce(|a, b| format!("{a}. {b}"));
        let receipt = held.cancel_requested.then(|| match &outcome.cancel {
            Some(c) => {
                json!({ "signalSent": c.signal_sent, "escalated": c.escalated, "processGone": c.process_gone })
            }
            None if outcome.kind == OutcomeKind::NotStarted => model::nothing_had_started(None),
            None => model::not_needed(outcome.kind == OutcomeKind::Lost),
        });
        Self {
            id: held.id,
            job_id: held.job_id,
            status,
            job_reason: reason.clone(),
            job_status: status,
            reason,
            exit_code: exit.and_then(|e| e.code),
            cpu_us: outcome.usage.as_ref().map(|u| storable::number(u.cpu_us)),
            peak_memory_bytes: outcome
                .usage
                .as_ref()
                .map(|u| storable::number(u.peak_memory_bytes)),
            output: output.and_then(std::result::Result::ok).map(storable::json),
            image_digest: outcome.image_digest.as_deref(),
            setup_at: at(outcome.setup_at_us),
            started_at: at(outcome.started_at_us),
            ended_at: at(outcome.ended_at_us),
            finished_at: (!again).then(|| from_micros(outcome.finished_at_us)),
            log_truncated: exit.is_some_and(|e| e.log_truncated),
            last_seq: storable::number(outcome.last_seq),
            receipt,
            unused: held.gives_back(outcome),
            several: held.several,
        }
    }
}

impl End<'_> {
    /// The job goes on with another attempt.
    fn followed_by(&mut self, next: &Next) {
        self.job_reason = Some(next.reason(self.reason.as_deref()));
        self.job_status = "QUEUED";
    }
}

impl Queue {
    /// Stores ends. A stale or repeated one changes nothing and is no error: its sender may forget it.
    pub async fn finish(&self, orchestrator: Uuid, ends: &[(Claim, Box<Outcome>)]) -> Result<()> {
        let outcomes = ends.iter().map(|(claim, outcome)| (*claim, outcome.as_ref()));
        self.end(orchestrator, outcomes.collect(), MAX_DISPATCHES).await
    }

    /// Ends what an orchestrator has claimed and is not given, because nobody could start it as it is.
    pub(super) async fn refuse(&self, orchestrator: Uuid, refused: &[(Claim, String)]) -> Result<()> {
        let at = self.kernel.now().timestamp_micros();
        let outcome = |reason: &String| Outcome {
            kind: OutcomeKind::NotStarted,
            reason: Some(reason.clone()),
            exit: None,
            usage: None,
            image_digest: None,
            cancel: None,
            setup_at_us: None,
            started_at_us: None,
            ended_at_us: None,
            finished_at_us: at,
            last_seq: 0,
            unstarted: true,
        };
        let outcomes: Vec<(Claim, Outcome)> = refused
            .iter()
            .map(|(claim, reason)| (*claim, outcome(reason)))
            .collect();
        let outcomes = outcomes.iter().map(|(claim, outcome)| (*claim, outcome));
        self.end(orchestrator, outcomes.collect(), 0).await?;
        // There may be more than was asked for and not given.
        self.kernel.signals.work_queued();
        Ok(())
    }

    async fn end(&self, orchestrator: Uuid, outcomes: HashMap<Claim, &Outcome>, tries: i32) -> Result<()> {
        let mut tx = self.kernel.pool.begin().await?;
        let held: Vec<Held> = sqlx::query_as(
            "SELECT e.id, e.epoch, e.job_id, e.starts, e.dispatches, e.cancel_requested, e.attempt, e.max_starts, e.gate,
                 coalesce(e.starts > 0 AND e.start_epoch >= e.claim_epoch, false) AS granted,
                 CASE WHEN e.server_id IS NULL THEN false
                     ELSE (SELECT slots > 1 FROM jobs WHERE jobs.id = e.job_id) END AS several
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
        let mut ends: Vec<End<'_>> = Vec::with_capacity(held.len());
        let mut endings = Vec::new();
        for held in &held {
            let claim = Claim {
                execution_id: held.id,
                epoch: held.epoch,
            };
            let Some(outcome) = outcomes.get(&claim) else {
                continue;
            };
            let end = End::new(held, outcome, tries);
            if end.status != "QUEUED"
                && let Some(cause) = Cause::of(outcome)
            {
                endings.push(held.ending(outcome, cause));
            }
            ends.push(end);
        }
        if ends.is_empty() {
            return Ok(());
        }
        let next = again::following(&self.kernel, &mut tx, &endings).await?;
        for end in &mut ends {
            if let Some(next) = next.get(&end.id) {
                end.followed_by(next);
            }
        }
        let now = self.kernel.now();
        write(&mut tx, &ends, now).await?;
        let several: HashSet<Uuid> = ends.iter().filter(|e| e.several).map(|e| e.job_id).collect();
        let several: Vec<Uuid> = several.into_iter().collect();
        store::hold(&mut tx, &several).await?;
        again::store(&self.kernel, &mut tx, &next.values().collect::<Vec<_>>()).await?;
        let sums = store::sum_up(&mut tx, &several, now).await?;
        for status in ["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "LOST"] {
            let ended = ends.iter().filter(|e| e.status == status).count();
            if ended > 0 {
                metrics::counter!("cronium_executions_ended_total", "status" => status)
                    .increment(ended as u64);
            }
        }
        tx.commit().await?;
        for end in &ends {
            tracing::info!(job_id = %end.job_id, execution_id = %end.id, status = end.status, "an execution ended");
            self.kernel.signals.job_changed(JobId(end.job_id), false);
            self.logs.ended(ExecutionId(end.id));
        }
        if ends.iter().any(|end| end.status == "QUEUED") || sums.iter().any(Sum::goes_on) {
            self.kernel.signals.work_queued();
        }
        again::announce(&self.kernel, next.values());
        let alone = ends.iter().filter(|e| !e.several && e.job_status != "QUEUED");
        let over = sums.iter().filter(|sum| sum.is_over());
        let over: HashSet<Uuid> = alone.map(|e| e.job_id).chain(over.map(|sum| sum.id)).collect();
        let free = held.iter().filter(|held| over.contains(&held.job_id));
        let gates: HashSet<Uuid> = free.filter_map(|held| held.gate).collect();
        self.turns.release(gates.into_iter().collect()).await;
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

/// Writes the ends and, but for jobs of several slots, what becomes of the jobs: one statement.
async fn write(tx: &mut PgConnection, ends: &[End<'_>], at: Timestamp) -> Result<()> {
    sqlx::query(
        "WITH n AS (
             SELECT * FROM jsonb_to_recordset($1) AS n(
                 id uuid, job_id uuid, status text, reason text, job_status text, job_reason text, exit_code integer, cpu_us bigint,
                 peak_memory_bytes bigint, output jsonb, image_digest text, setup_at timestamptz,
                 started_at timestamptz, ended_at timestamptz, finished_at timestamptz, log_truncated boolean,
                 last_seq bigint, receipt jsonb, unused boolean, several boolean)
         ), ended AS (
             UPDATE executions e
             SET status = n.status, status_reason = n.reason, exit_code = n.exit_code, cpu_us = n.cpu_us,
                 peak_memory_bytes = n.peak_memory_bytes, output = n.output, image_digest = n.image_digest,
                 setup_at = coalesce(n.setup_at, e.setup_at), starts = e.starts - n.unused::int,
                 started_at = CASE WHEN NOT n.unused THEN coalesce(n.started_at, e.started_at) END,
                 ended_at = coalesce(n.ended_at, e.ended_at), finished_at = n.finished_at,
                 -- Lines that died with the runner that had them to send are missing too.
                 log_truncated = n.log_truncated OR e.log_lines < n.last_seq, lease_until = NULL,
                 cancel_receipt = n.receipt,
                 orchestrator_id = CASE WHEN n.status = 'QUEUED' THEN NULL ELSE e.orchestrator_id END
             FROM n WHERE e.id = n.id
         ), happened AS (
             INSERT INTO outbox (kind, payload, created_at)
             SELECT 'job.ended', jsonb_build_object('job', job_id, 'status', job_status), $2
             FROM n WHERE job_status <> 'QUEUED' AND NOT several
         )
         UPDATE jobs j
         SET status = n.job_status,
             status_reason = CASE WHEN n.status = 'CANCELLED'
                 THEN coalesce(j.cancel_receipt ->> 'note', n.job_reason) ELSE n.job_reason END,
             -- What an attempt said counts for the job when it is the last.
             output = CASE WHEN n.job_status <> 'QUEUED' THEN n.output END,
             condition = CASE WHEN n.job_status <> 'QUEUED' THEN j.condition END,
             started_at = CASE WHEN n.job_status <> 'QUEUED' AND NOT n.unused THEN coalesce(n.started_at, j.started_at) END,
             finished_at = CASE WHEN n.job_status <> 'QUEUED' THEN n.finished_at END,
             -- Why it was asked to stop stays; what was done is added.
             cancel_receipt = CASE WHEN n.receipt IS NULL THEN j.cancel_receipt
                 ELSE n.receipt || coalesce(j.cancel_receipt, '{}') END
         FROM n WHERE j.id = n.job_id AND NOT n.several",
    )
    .bind(sqlx::types::Json(ends))
    .bind(at)
    .execute(tx)
    .await?;
    Ok(())
}
