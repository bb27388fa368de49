//! Attempts that follow an end: whether there is one, when, and its row, in the transaction of the end.

use std::collections::HashMap;

use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::events::{Overlap, Policy, RetryPolicy};
use crate::kernel::{Kernel, Result, Timestamp};

use super::super::model::retry::{Cause, Past, again};
use super::super::model::spoken;

/// An execution that ends, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    pub execution: Uuid,
    pub cause: Cause,
    pub past: Past,
}

/// The attempt that follows an execution.
#[derive(Debug, Clone, Serialize)]
pub struct Next {
    id: Uuid,
    after: Uuid,
    /// None: at once.
    pub due_at: Option<Timestamp>,
    max_starts: i32,
    #[serde(skip)]
    said: String,
}

impl Next {
    /// What the job is told: why the last attempt was not its end.
    pub fn reason(&self, why: Option<&str>) -> String {
        format!("{}: {}", self.said, why.unwrap_or("no reason is known"))
    }
}

/// What follows from these ends, by execution; only events that say something of it are looked at further.
pub async fn following(
    kernel: &Kernel,
    tx: &mut PgConnection,
    ends: &[Ending],
) -> Result<HashMap<Uuid, Next>> {
    if ends.is_empty() {
        return Ok(HashMap::new());
    }
    let policies: Vec<(Uuid, Option<Json<Value>>, bool)> = sqlx::query_as(
        "SELECT e.id, v.retry, v.idempotent
         FROM executions e JOIN jobs j ON j.id = e.job_id JOIN event_versions v ON v.id = j.event_version_id
         WHERE e.id = ANY($1) AND (v.retry IS NOT NULL OR v.idempotent)",
    )
    .bind(ends.iter().map(|end| end.execution).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let policies: HashMap<Uuid, Policy> = policies
        .into_iter()
        .map(|(id, retry, idempotent)| {
            let policy = Policy {
                // What another version wrote and this one can't read repeats nothing.
                retry: retry
                    .and_then(|Json(kept)| RetryPolicy::deserialize(kept).ok())
                    .unwrap_or_default(),
                overlap: Overlap::Allow,
                max_concurrent: None,
                idempotent,
            };
            (id, policy)
        })
        .collect();
    let now = kernel.now();
    let next = |end: &Ending| {
        let policy = policies.get(&end.execution)?;
        let again = again(end.cause, end.past, policy)?;
        let wait = if again.jitter {
            kernel.entropy.up_to(again.within)
        } else {
            again.within
        };
        let due_at = (!wait.is_zero()).then_some(now + wait);
        let attempt = end.past.attempt;
        let said = match (end.cause, due_at) {
            (Cause::Lost, _) => {
                format!("Attempt {attempt} was lost and is started again, as the event allows")
            }
            (_, None) => format!(
                "Attempt {attempt} of {} failed and is tried again",
                policy.retry.attempts
            ),
            (_, Some(at)) => format!(
                "Attempt {attempt} of {} failed and is tried again at {}",
                policy.retry.attempts,
                spoken(at)
            ),
        };
        let next = Next {
            id: kernel.id(),
            after: end.execution,
            due_at,
            max_starts: again.max_starts,
            said,
        };
        Some((end.execution, next))
    };
    Ok(ends.iter().filter_map(next).collect())
}

/// Writes the attempts that follow. What is to wait is queued at its moment.
pub async fn store(kernel: &Kernel, tx: &mut PgConnection, next: &[&Next]) -> Result<()> {
    if next.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO executions (id, job_id, slot, attempt, status, priority, queued_at, due_at, gate, max_starts,
             labels, server_id, server_name)
         SELECT n.id, e.job_id, e.slot, e.attempt + 1, 'QUEUED', e.priority, coalesce(n.due_at, $2), n.due_at, e.gate,
             n.max_starts, e.labels, e.server_id, e.server_name
         FROM jsonb_to_recordset($1) AS n(id uuid, after uuid, due_at timestamptz, max_starts integer)
         JOIN executions e ON e.id = n.after",
    )
    .bind(Json(next))
    .bind(kernel.now())
    .execute(tx)
    .await?;
    Ok(())
}

/// After the commit: whoever gives work out hears of it.
pub fn announce<'a>(kernel: &Kernel, next: impl Iterator<Item = &'a Next>) {
    let (mut now, mut later) = (false, false);
    for one in next {
        now |= one.due_at.is_none();
        later |= one.due_at.is_some();
    }
    if now {
        kernel.signals.work_queued();
    }
    if later {
        kernel.signals.something_waits();
    }
}
