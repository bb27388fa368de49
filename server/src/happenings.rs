//! Reactions across slices: what happened is written into the outbox with the change itself, and taken from
//! here. Each batch is deleted in the transaction that holds its effects, so each effect happens once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sqlx::types::Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::events::Events;
use crate::kernel::{Kernel, Result};

/// Happenings that are taken at a time.
const BATCH: i64 = 1000;
/// Those within this time are taken together.
const GATHER: Duration = Duration::from_millis(50);
/// A look stands behind the signal: another server may have written, or this one died before it reacted.
const LOOK: Duration = Duration::from_secs(10);

/// The payload of `job.created`.
#[derive(Debug, Deserialize)]
struct JobCreated {
    event: Option<Uuid>,
    trigger: String,
    /// Absent in what an earlier version wrote.
    status: Option<String>,
}

/// Reacts until the token is cancelled.
pub async fn react(kernel: Kernel, events: Events, stop: CancellationToken) {
    loop {
        let taken = match take(&kernel, &events).await {
            Ok(taken) => taken,
            Err(problem) => {
                tracing::warn!(
                    problem = problem.private_text(),
                    "the outbox waits; it is read again"
                );
                0
            }
        };
        if taken == BATCH as u64 {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = kernel.signals.happened() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Takes one batch; gives its size.
pub async fn take(kernel: &Kernel, events: &Events) -> Result<u64> {
    let some: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM outbox)")
        .fetch_one(&kernel.pool)
        .await?;
    if !some {
        return Ok(0);
    }
    let mut tx = kernel.pool.begin().await?;
    let taken: Vec<(String, Json<serde_json::Value>)> = sqlx::query_as(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING kind, payload",
    )
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    let mut runs: BTreeMap<Uuid, i64> = BTreeMap::new();
    for (kind, Json(payload)) in &taken {
        // An end has no reaction yet; it is taken so that the table stays small.
        if kind == "job.created"
            && let Ok(created) = JobCreated::deserialize(payload)
            && created.trigger != "TEST"
            && created.status.as_deref() != Some("SKIPPED")
            && let Some(event) = created.event
        {
            *runs.entry(event).or_default() += 1;
        }
    }
    if !runs.is_empty() {
        events.count_runs(&mut tx, &runs).await?;
    }
    tx.commit().await?;
    Ok(taken.len() as u64)
}
