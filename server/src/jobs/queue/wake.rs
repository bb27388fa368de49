//! Wake-ups: after a commit, coalesced, one Apalis task says "there is work". It carries nothing; a lost
//! one costs some seconds, because whoever waits for it also looks by itself.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kernel::{Kernel, Result};

use super::lanes::READY;

/// Apalis' queue of wake-ups.
const QUEUE: &str = "cronium-wake";
/// Channel that tells of a new wake-up.
const CHANNEL: &str = "cronium_wake";
/// A look stands behind the signal: for what another server queued, or this one before it died.
const LOOK: Duration = Duration::from_secs(10);
/// Signals within this time after a wake-up become one more.
const GATHER: Duration = Duration::from_millis(4);
/// Connected orchestrators hear at once and take what there is: a task is pushed for what is left by then, so that it
/// is not in the way of the very start that it asks for.
const LEFT: Duration = Duration::from_millis(25);

/// Makes Apalis' schema. Its own trigger notifies inside the pusher's transaction, which takes a global
/// lock at commit: it is removed, and we notify after the commit.
pub async fn setup(kernel: &Kernel) -> Result<()> {
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS pgcrypto")
        .execute(&kernel.pool)
        .await?;
    apalis_postgres::PostgresStorage::setup(&kernel.pool)
        .await
        .map_err(crate::kernel::Error::internal)?;
    sqlx::raw_sql("DROP TRIGGER IF EXISTS notify_workers ON apalis.jobs")
        .execute(&kernel.pool)
        .await?;
    Ok(())
}

/// Wakes orchestrators until the token is cancelled: those that are connected at once, all others by a wake-up for work
/// that is still there a little later. One is pushed when none is pending; ended ones are removed on the way.
pub async fn wake_orchestrators(kernel: Kernel, stop: CancellationToken) {
    let (mut told, mut look_at) = (false, Instant::now() + LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = kernel.signals.work() => {
                kernel.signals.wake_agents();
                if !std::mem::replace(&mut told, true) {
                    look_at = Instant::now() + LEFT;
                }
                tokio::time::sleep(GATHER).await;
            }
            () = tokio::time::sleep_until(look_at) => {
                match push(&kernel).await {
                    Ok(true) if !told => kernel.signals.wake_agents(),
                    Ok(_) => {}
                    Err(problem) => {
                        tracing::warn!(problem = problem.private_text(), "a wake-up was not pushed");
                    }
                }
                (told, look_at) = (false, Instant::now() + LOOK);
            }
        }
    }
}

/// Whether there was work without a wake-up.
async fn push(kernel: &Kernel) -> Result<bool> {
    let pushed = sqlx::query(sqlx::AssertSqlSafe(format!(
        "WITH gone AS (
             DELETE FROM apalis.jobs WHERE job_type = $1 AND status IN ('Done', 'Failed', 'Killed')
         )
         INSERT INTO apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, priority, metadata)
         SELECT $2, $1, 'null'::bytea, 'Pending', 0, 1, now(), 0, ''::hstore
         WHERE (EXISTS (SELECT 1 FROM executions WHERE {READY} AND labels IS NULL)
                OR EXISTS (SELECT 1 FROM executions WHERE {READY} AND labels IS NOT NULL))
           AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE job_type = $1 AND status = 'Pending')"
    )))
    .bind(QUEUE)
    .bind(crockford(kernel.entropy.uuid_v7(kernel.now())))
    .execute(&kernel.pool)
    .await?;
    let some = pushed.rows_affected() > 0;
    if some {
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(CHANNEL)
            .execute(&kernel.pool)
            .await?;
    }
    Ok(some)
}

/// The ULID spelling of 128 bits: Apalis reads its ids so.
fn crockford(id: uuid::Uuid) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = id.as_u128();
    (0..26)
        .rev()
        .map(|i| char::from(ALPHABET[((bits >> (i * 5)) & 31) as usize]))
        .collect()
}
