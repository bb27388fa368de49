//! Chunks in the partitioned table: zstd of an encoded block, keyed by execution and first sequence.

use chrono::{Days, NaiveDate};
use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock};
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::ExecutionId;
use crate::kernel::{Error, Kernel, Result, Timestamp};

/// A log block is at most a frame: no chunk decompresses to more.
const MAX_BLOCK: usize = 8 << 20;

/// The partition of an execution: the day in its UUIDv7.
fn day(execution: ExecutionId) -> NaiveDate {
    let millis = (execution.0.as_u128() >> 80) as i64;
    from_micros(millis.saturating_mul(1000)).date_naive()
}

/// Which lines a block holds.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    first_seq: u64,
    pub last_seq: u64,
    from_us: i64,
    to_us: i64,
}

impl Span {
    pub fn of(block: &LogBlock) -> Self {
        let at = |line: Option<&Line>| line.map_or(0, |line| line.at_us);
        Self {
            first_seq: block.first_seq(),
            last_seq: block.last_seq(),
            from_us: at(block.lines.first()),
            to_us: at(block.lines.last()),
        }
    }
}

/// Stores an encoded block if it follows the last stored line and its claim is the present one; whether it
/// did. One statement, because a flood comes in blocks of a thousand lines. Not durable at once: what
/// [`settle`] has not reached may be lost in a crash of Postgres, so it must not be acknowledged before.
pub async fn append(kernel: &Kernel, claim: Claim, span: Span, block: &[u8]) -> Result<bool> {
    let body = zstd::bulk::compress(block, 3).map_err(Error::internal)?;
    let stored = sqlx::query(
        "WITH execution AS (
             UPDATE executions SET log_lines = $4
             WHERE id = $2 AND epoch = $8 AND log_lines = $3 - 1 AND status IN ('DISPATCHING', 'RUNNING')
             RETURNING id
         )
         INSERT INTO log_chunks (day, execution_id, first_seq, last_seq, from_at, to_at, body)
         SELECT $1, id, $3, $4, $5, $6, $7 FROM execution",
    )
    .bind(day(ExecutionId(claim.execution_id)))
    .bind(claim.execution_id)
    .bind(span.first_seq as i64)
    .bind(span.last_seq as i64)
    .bind(from_micros(span.from_us))
    .bind(from_micros(span.to_us))
    .bind(body)
    .bind(claim.epoch)
    .execute(&kernel.relaxed)
    .await?;
    Ok(stored.rows_affected() > 0)
}

/// Makes everything durable that was committed before: a commit that waits for the disk writes the log of all
/// earlier ones out with its own (PostgreSQL, "Asynchronous Commit"). Gives when Postgres was started: what was
/// committed before another start may be lost.
pub async fn settle(kernel: &Kernel) -> Result<Timestamp> {
    let sql = "SELECT pg_postmaster_start_time() FROM pg_logical_emit_message(true, 'cronium', '')";
    Ok(sqlx::query_scalar(sql).fetch_one(&kernel.pool).await?)
}

/// The last stored sequence number; 0 for none.
pub async fn last_seq(kernel: &Kernel, execution: ExecutionId) -> Result<u64> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(last_seq) FROM log_chunks WHERE day = $1 AND execution_id = $2")
            .bind(day(execution))
            .bind(execution.0)
            .fetch_one(&kernel.pool)
            .await?;
    Ok(last.unwrap_or_default().unsigned_abs())
}

/// What [`read`] gives at a time stays near this, however well the chunks are compressed.
const READ_BYTES: usize = 4 << 20;

/// Stored lines after a sequence number, at most some chunks of them: few enough to hold, in order.
pub async fn read(kernel: &Kernel, execution: ExecutionId, after: u64, chunks: i64) -> Result<Vec<Line>> {
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM log_chunks WHERE day = $1 AND execution_id = $2 AND last_seq > $3
         ORDER BY first_seq LIMIT $4",
    )
    .bind(day(execution))
    .bind(execution.0)
    .bind(after as i64)
    .bind(chunks)
    .fetch_all(&kernel.pool)
    .await?;
    let (mut lines, mut size) = (Vec::new(), 0);
    for body in bodies {
        if size > READ_BYTES {
            break;
        }
        let bytes = zstd::bulk::decompress(&body, MAX_BLOCK).map_err(Error::internal)?;
        size += bytes.len();
        let block = LogBlock::decode(&bytes).map_err(Error::internal)?;
        lines.extend(block.lines.into_iter().filter(|line| line.seq > after));
    }
    Ok(lines)
}

/// Whether the execution has ended, and how many lines it has.
pub async fn state(kernel: &Kernel, execution: ExecutionId) -> Result<(bool, u64)> {
    let row: Option<(bool, i64)> =
        sqlx::query_as("SELECT finished_at IS NOT NULL, log_lines FROM executions WHERE id = $1")
            .bind(execution.0)
            .fetch_optional(&kernel.pool)
            .await?;
    let (ended, lines) = row.ok_or(Error::NotFound("execution"))?;
    Ok((ended, lines.unsigned_abs()))
}

/// Whether nothing of the job will run any more.
pub async fn job_has_ended(kernel: &Kernel, job: Uuid) -> Result<bool> {
    let ended: Option<bool> = sqlx::query_scalar("SELECT finished_at IS NOT NULL FROM jobs WHERE id = $1")
        .bind(job)
        .fetch_optional(&kernel.pool)
        .await?;
    Ok(ended.unwrap_or(true))
}

/// Executions of a job, oldest attempt first.
pub async fn executions(kernel: &Kernel, job: Uuid) -> Result<Vec<ExecutionId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM executions WHERE job_id = $1 ORDER BY attempt")
        .bind(job)
        .fetch_all(&kernel.pool)
        .await?;
    Ok(ids.into_iter().map(ExecutionId).collect())
}

/// Partitions for today and the week ahead; what comes later lands in the default one.
pub async fn make_partitions(kernel: &Kernel) -> Result<()> {
    let today = kernel.now().date_naive();
    for ahead in 0..8 {
        let Some((from, to)) = today
            .checked_add_days(Days::new(ahead))
            .and_then(|d| Some((d, d.succ_opt()?)))
        else {
            continue;
        };
        let name = format!("log_chunks_{}", from.format("%Y%m%d"));
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {name} PARTITION OF log_chunks FOR VALUES FROM ('{from}') TO ('{to}');
             ALTER TABLE {name} ALTER COLUMN body SET STORAGE EXTERNAL"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&kernel.pool)
            .await?;
    }
    Ok(())
}
