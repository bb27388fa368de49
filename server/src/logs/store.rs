//! Chunks in the partitioned table: zstd of an encoded block, keyed by execution and first sequence.

use chrono::{Days, NaiveDate, NaiveTime};
use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionTrait as _,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::{ExecutionId, UserId};
use crate::kernel::{Error, Kernel, Result, Timestamp};

/// A log block is at most a frame: no chunk decompresses to more.
const MAX_BLOCK: usize = 8 << 20;

/// The partition of an execution: the day in its UUIDv7.
fn day(execution: ExecutionId) -> NaiveDate {
    let millis = (execution.0.as_u128() >> 80) as i64;
    from_micros(millis.saturating_mul(1000)).date_naive()
}

fn partition(day: NaiveDate) -> String {
    format!("log_chunks_{}", day.format("%Y%m%d"))
}

/// Who reads or writes logs right now goes first: what needs this is done an hour later then.
const LOCK_PARTITIONS: &str =
    "SET LOCAL lock_timeout = '1s'; LOCK TABLE log_chunks IN ACCESS EXCLUSIVE MODE;";

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

/// An encoded block as it is stored.
pub fn packed(block: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(block, 3).map_err(Error::internal)
}

/// The lines of a stored block.
pub fn unpacked(body: &[u8]) -> Result<LogBlock> {
    let bytes = zstd::bulk::decompress(body, MAX_BLOCK).map_err(Error::internal)?;
    LogBlock::decode(&bytes).map_err(Error::internal)
}

/// Stores a packed block if it follows the last stored line and its claim is the present one; whether it
/// did. One statement, because a flood comes in blocks of a thousand lines. Not durable at once: what
/// [`settle`] has not reached may be lost in a crash of Postgres, so it must not be acknowledged before.
pub async fn append(kernel: &Kernel, claim: Claim, span: Span, body: &[u8]) -> Result<bool> {
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

/// Whether the execution has ended, and how many lines it has: none, when its log was removed.
pub async fn state(kernel: &Kernel, execution: ExecutionId) -> Result<(bool, u64)> {
    let row: Option<(bool, i64)> = sqlx::query_as(
        "SELECT finished_at IS NOT NULL, CASE WHEN log_dropped_at IS NULL THEN log_lines ELSE 0 END
             FROM executions WHERE id = $1",
    )
    .bind(execution.0)
    .fetch_optional(&kernel.pool)
    .await?;
    let (ended, lines) = row.ok_or(Error::NotFound("execution"))?;
    Ok((ended, lines.unsigned_abs()))
}

/// A job, as far as its log goes.
#[derive(Debug, FromRow)]
pub struct JobState {
    /// Nothing of it will run any more.
    pub ended: bool,
    pub slots: i32,
}

/// What is not there has ended.
pub async fn job_state(kernel: &Kernel, job: Uuid) -> Result<JobState> {
    let sql = "SELECT finished_at IS NOT NULL AS ended, slots FROM jobs WHERE id = $1";
    let found = sqlx::query_as(sql).bind(job).fetch_optional(&kernel.pool).await?;
    Ok(found.unwrap_or(JobState {
        ended: true,
        slots: 1,
    }))
}

/// An execution among those of its job.
#[derive(Debug, FromRow)]
pub struct Part {
    id: Uuid,
    pub slot: i32,
    pub attempt: i32,
    /// Somebody has it, or had it.
    pub begun: bool,
    pub ended: bool,
    /// 0, when its log was removed.
    pub lines: i64,
}

impl Part {
    pub fn execution(&self) -> ExecutionId {
        ExecutionId(self.id)
    }
}

/// All executions of a job by slots, oldest attempt first.
pub async fn parts(kernel: &Kernel, job: Uuid) -> Result<Vec<Part>> {
    let sql = "SELECT id, slot, attempt, status <> 'QUEUED' OR log_lines > 0 AS begun, finished_at IS NOT NULL AS ended,
                   CASE WHEN log_dropped_at IS NULL THEN log_lines ELSE 0 END AS lines
               FROM executions WHERE job_id = $1 ORDER BY slot, attempt";
    Ok(sqlx::query_as(sql).bind(job).fetch_all(&kernel.pool).await?)
}

/// Executions of a job with one slot, oldest attempt first.
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
        let name = partition(from);
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

/// Days with a partition before another day, oldest first.
pub async fn days_before(kernel: &Kernel, day: NaiveDate) -> Result<Vec<NaiveDate>> {
    let days = sqlx::query_scalar(
        "SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'log_chunks'::regclass AND c.relname ~ '^log_chunks_[0-9]{8}$'
           AND right(c.relname, 8) < to_char($1, 'YYYYMMDD') ORDER BY day",
    );
    Ok(days.bind(day).fetch_all(&kernel.pool).await?)
}

/// First id of an execution of a day, and of the next.
fn ids_of(day: NaiveDate) -> [Uuid; 2] {
    [day, day + Days::new(1)].map(|day| {
        let midnight = day.and_time(NaiveTime::MIN).and_utc();
        Uuid::from_u128(u128::from(midnight.timestamp_millis().unsigned_abs()) << 80)
    })
}

/// Whether a job that has not ended has an execution of that day.
pub async fn is_at_work(db: &DatabaseConnection, day: NaiveDate) -> Result<bool> {
    let [from, to] = ids_of(day);
    let sql = "SELECT EXISTS (SELECT FROM jobs j JOIN executions e ON e.job_id = j.id
               WHERE j.finished_at IS NULL AND e.id >= $1 AND e.id < $2) AS at_work";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [from.into(), to.into()]);
    let row = db.query_one_raw(statement).await?;
    Ok(row.map_or(Ok(true), |row| row.try_get("", "at_work"))?)
}

/// Notes that the logs of all executions of a day are gone; of how many that was news.
pub async fn mark_day(db: &DatabaseConnection, day: NaiveDate, now: Timestamp) -> Result<u64> {
    let [from, to] = ids_of(day);
    let sql = "UPDATE executions SET log_dropped_at = $3
               WHERE id >= $1 AND id < $2 AND log_lines > 0 AND log_dropped_at IS NULL";
    let values = [from.into(), to.into(), now.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

/// Removes all lines of a day.
pub async fn drop_partition(db: &DatabaseConnection, day: NaiveDate) -> Result<()> {
    let tx = db.begin().await?;
    // Another server may have been first.
    let sql = format!("{LOCK_PARTITIONS} DROP TABLE IF EXISTS {}", partition(day));
    tx.execute_unprepared(&sql).await?;
    Ok(tx.commit().await?)
}

/// Removes the logs of a person's next jobs of before a moment, at most so many, and notes how far it came. Jobs
/// that have not ended are passed by another time. Gives how many executions lost theirs.
pub async fn drop_logs(
    tx: &DatabaseTransaction,
    person: UserId,
    until: Timestamp,
    now: Timestamp,
    most: i64,
) -> Result<u64> {
    // The end of the stretch: the moment, or the oldest job that still runs. A full batch may have left some of its last
    // job, so that one is looked at again.
    let sql = "WITH stretch AS (
            SELECT COALESCE((SELECT swept_to FROM log_retention WHERE user_id = $1 FOR UPDATE), '-infinity') AS low,
                   LEAST($2, (SELECT min(created_at) FROM jobs WHERE owner_id = $1 AND finished_at IS NULL)) AS high
        ), old AS (
            SELECT e.id, j.created_at FROM stretch, jobs j JOIN executions e ON e.job_id = j.id
            WHERE j.owner_id = $1 AND j.created_at >= low AND j.created_at < high
              AND e.log_lines > 0 AND e.log_dropped_at IS NULL
            ORDER BY j.created_at, j.id LIMIT $3
        ), marked AS (
            UPDATE executions SET log_dropped_at = $4
            WHERE id IN (SELECT id FROM old) AND log_dropped_at IS NULL RETURNING id
        ), swept AS (
            INSERT INTO log_retention (user_id, swept_to)
            SELECT $1, CASE WHEN count(*) < $3 THEN (SELECT high FROM stretch) - interval '1 microsecond'
                ELSE max(created_at) END FROM old
            ON CONFLICT (user_id) DO UPDATE SET swept_to = EXCLUDED.swept_to
            WHERE log_retention.swept_to IS DISTINCT FROM EXCLUDED.swept_to
        ) SELECT array(SELECT id FROM marked) AS gone";
    let values = [person.0.into(), until.into(), most.into(), now.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let Some(row) = tx.query_one_raw(statement).await? else {
        return Ok(0);
    };
    let gone: Vec<Uuid> = row.try_get("", "gone")?;
    if gone.is_empty() {
        return Ok(0);
    }
    let days: Vec<NaiveDate> = gone.iter().map(|id| day(ExecutionId(*id))).collect();
    let count = gone.len() as u64;
    let sql = "DELETE FROM log_chunks USING unnest($1::date[], $2::uuid[]) AS x(day, id)
               WHERE log_chunks.day = x.day AND execution_id = x.id";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [days.into(), gone.into()]);
    tx.execute_raw(statement).await?;
    Ok(count)
}

/// Partitions of days that are over and hold nothing are dropped: a late line of such a day lands in the
/// default partition.
pub async fn drop_empty_partitions(kernel: &Kernel) -> Result<()> {
    let yesterday = kernel.now().date_naive() - Days::new(1);
    for day in days_before(kernel, yesterday).await? {
        let name = partition(day);
        let sql = format!(
            "{LOCK_PARTITIONS} DO $$ BEGIN IF NOT EXISTS (SELECT FROM {name}) THEN DROP TABLE {name}; END IF; END $$"
        );
        let mut tx = kernel.pool.begin().await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(())
}
