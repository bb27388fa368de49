//! Removing the logs of jobs that are older than their owner's quota keeps them. What is left of the job says so.

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, TransactionTrait as _};
use uuid::Uuid;

use crate::kernel::ids::UserId;
use crate::kernel::{Kernel, Result};
use crate::quotas::Quotas;

use super::store;

/// Executions whose logs are removed in one transaction.
const BATCH: i64 = 500;

/// Removes all logs that are too old; how many executions lost theirs. Idempotent, and goes on where it was stopped.
pub async fn drop_old(kernel: &Kernel, quotas: &Quotas) -> Result<u64> {
    // A transaction that the database's machine loses is made again, and none that came after it is kept.
    let db = SqlxPostgresConnector::from_sqlx_postgres_pool(kernel.relaxed.clone());
    let (mut after, mut dropped) = (UserId(Uuid::nil()), 0);
    while let Some((last, people)) = quotas.retention(after).await? {
        for (person, days) in people {
            dropped += drop_of(kernel, &db, person, days).await?;
        }
        after = last;
    }
    if dropped > 0 {
        tracing::info!(executions = dropped, "old logs are removed");
    }
    store::drop_empty_partitions(kernel).await?;
    Ok(dropped)
}

async fn drop_of(kernel: &Kernel, db: &DatabaseConnection, person: UserId, days: i64) -> Result<u64> {
    let now = kernel.now();
    let Some(until) = chrono::TimeDelta::try_days(days).and_then(|days| now.checked_sub_signed(days)) else {
        return Ok(0);
    };
    let mut dropped = 0;
    loop {
        let tx = db.begin().await?;
        let (looked_at, gone) = store::drop_logs(&tx, person, until, now, BATCH).await?;
        tx.commit().await?;
        dropped += gone;
        if looked_at < BATCH.unsigned_abs() {
            return Ok(dropped);
        }
    }
}
