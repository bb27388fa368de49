//! Removing the logs of jobs that are older than their owner's quota keeps them, a whole day (UTC) at a time. What is left
//! of the job says so. A day that nobody keeps any more goes with its partition; of one that somebody still keeps, the
//! logs of the others are removed one by one.

use chrono::{Days, NaiveDate, NaiveTime};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, TransactionTrait as _};
use uuid::Uuid;

use crate::kernel::ids::UserId;
use crate::kernel::{Kernel, Result};
use crate::quotas::Quotas;

use super::store;

/// Executions whose logs are removed in one transaction, where not all of a day go.
const BATCH: i64 = 500;

/// Removes all logs that are too old; how many executions lost theirs. Idempotent, and goes on where it was stopped.
pub async fn drop_old(kernel: &Kernel, quotas: &Quotas) -> Result<u64> {
    // A transaction that the database's machine loses is made again, and none that came after it is kept.
    let db = SqlxPostgresConnector::from_sqlx_postgres_pool(kernel.relaxed.clone());
    let mut dropped = 0;
    if quotas.removes_logs().await? {
        dropped += drop_days(kernel, &db, quotas).await?;
        let mut after = UserId(Uuid::nil());
        while let Some((last, people)) = quotas.retention(after).await? {
            for (person, days) in people {
                if let Some(days) = days {
                    dropped += drop_of(kernel, &db, person, days).await?;
                }
            }
            after = last;
        }
    }
    if dropped > 0 {
        tracing::info!(executions = dropped, "old logs are removed");
    }
    store::drop_empty_partitions(kernel).await?;
    Ok(dropped)
}

/// The first day of which logs are kept that are kept for so many days.
fn first_kept(kernel: &Kernel, days: i64) -> Option<NaiveDate> {
    let days = Days::new(u64::try_from(days).ok()?);
    kernel.now().date_naive().checked_sub_days(days)
}

async fn drop_days(kernel: &Kernel, db: &DatabaseConnection, quotas: &Quotas) -> Result<u64> {
    let mut dropped = 0;
    // Asked before each day: what is dropped whole is dropped for good, and a limit may have been lifted.
    let mut done = None;
    while let Some(days) = quotas.longest_retention().await? {
        let Some(first_kept) = first_kept(kernel, days) else {
            break;
        };
        let old = store::days_before(kernel, first_kept).await?;
        let Some(day) = old.into_iter().find(|day| done < Some(*day)) else {
            break;
        };
        done = Some(day);
        if !store::is_at_work(db, day).await? {
            dropped += store::mark_day(db, day, kernel.now()).await?;
            // Whoever reads or writes logs right now keeps it for another hour: no log of it is shown any more.
            if let Err(error) = store::drop_partition(db, day).await {
                tracing::warn!(error = error.private_text(), %day, "a day of old logs can't be dropped yet");
            }
        }
    }
    Ok(dropped)
}

async fn drop_of(kernel: &Kernel, db: &DatabaseConnection, person: UserId, days: i64) -> Result<u64> {
    let Some(first_kept) = first_kept(kernel, days) else {
        return Ok(0);
    };
    let until = first_kept.and_time(NaiveTime::MIN).and_utc();
    let mut dropped = 0;
    loop {
        let tx = db.begin().await?;
        let gone = store::drop_logs(&tx, person, until, kernel.now(), BATCH).await?;
        tx.commit().await?;
        dropped += gone;
        if gone < BATCH.unsigned_abs() {
            return Ok(dropped);
        }
    }
}
