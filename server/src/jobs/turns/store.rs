//! Waiting work in the database. Locks are taken in this order everywhere: the turns of an event, executions, jobs,
//! and then slots that wait for others of their job. A job stands in line with its first slot, which waits for no other
//! one; its slots go together, but for those that do.

use cronium_entity::enums::Overlap;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use crate::events::Policy;
use crate::kernel::{Kernel, Result, Timestamp};

/// Keeps these locks apart from others of the database.
const TURNS: i64 = 7003;
/// Work that is looked at together.
pub const BATCH: i64 = 200;
/// Active runs that are looked at: a limit can't be larger, but an event without one may have been.
const MOST_ACTIVE: i64 = 2000;

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// Until the transaction ends nobody else decides about the turns of this event. Not the event's row: jobs outlive it.
pub async fn lock(tx: &DatabaseTransaction, event: Uuid) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, $2))";
    tx.execute_raw(statement(sql, [event.into(), TURNS.into()]))
        .await?;
    Ok(())
}

/// A job of the event that has a place.
#[derive(Debug, FromQueryResult)]
pub struct Active {
    pub id: Uuid,
    pub stopping: bool,
}

/// Oldest first. Those from before the event had a policy too, but no test runs, and none whose moment is to come:
/// one that was planned without a policy runs beside others then.
pub async fn active(tx: &DatabaseTransaction, event: Uuid, owner: Uuid) -> Result<Vec<Active>> {
    let sql = "SELECT j.id, j.cancel_requested_at IS NOT NULL AS stopping FROM jobs j
               WHERE j.id IN (
                   SELECT id FROM jobs
                   WHERE owner_id = $2 AND event_id = $1 AND NOT held AND finished_at IS NULL AND trigger <> 'TEST'
                     AND NOT EXISTS (SELECT FROM executions e
                         WHERE e.job_id = jobs.id AND e.due_at IS NOT NULL AND e.attempt = 1)
                   UNION
                   SELECT job_id FROM executions WHERE gate = $1 AND NOT held AND finished_at IS NULL)
               ORDER BY j.created_at, j.id LIMIT $3";
    let found = Active::find_by_statement(statement(sql, [event.into(), owner.into(), MOST_ACTIVE.into()]));
    Ok(found.all(tx).await?)
}

/// Work that waits, and what its version says of it.
#[derive(Debug, FromQueryResult)]
pub struct Waiting {
    pub job: Uuid,
    pub owner: Uuid,
    pub actor: Option<Uuid>,
    overlap: Overlap,
    max_concurrent: Option<i32>,
}

impl Waiting {
    pub fn policy(&self) -> Policy {
        Policy {
            overlap: self.overlap,
            max_concurrent: self.max_concurrent,
            ..Policy::default()
        }
    }
}

/// In the words of the indexes.
pub const RANK: &str = "((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes')";

/// Of a few executions that were chosen first, so that it costs the same however many wait.
async fn waiting(
    tx: &DatabaseTransaction,
    chosen: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Waiting>> {
    let sql = format!(
        "SELECT j.id AS job, j.owner_id AS owner, j.actor_id AS actor, v.overlap, v.max_concurrent
         FROM (SELECT id, job_id, {RANK} AS rank FROM executions
             WHERE gate = $1 AND held AND slot = 0 AND status = 'QUEUED' AND {chosen}) e
         JOIN jobs j ON j.id = e.job_id JOIN event_versions v ON v.id = j.event_version_id ORDER BY e.rank, e.id"
    );
    Ok(Waiting::find_by_statement(statement(&sql, values))
        .all(tx)
        .await?)
}

/// Those in line, in the order of their turns.
pub async fn in_line(tx: &DatabaseTransaction, event: Uuid) -> Result<Vec<Waiting>> {
    let chosen = format!("due_at IS NULL ORDER BY {RANK}, id LIMIT $2");
    waiting(tx, &chosen, [event.into(), BATCH.into()]).await
}

/// The first whose moment has come and whose turn is to be decided.
pub async fn due(tx: &DatabaseTransaction, event: Uuid, now: Timestamp) -> Result<Option<Waiting>> {
    let chosen = "due_at <= $2 ORDER BY due_at, id LIMIT 1";
    Ok(waiting(tx, chosen, [event.into(), now.into()]).await?.pop())
}

#[derive(Debug, FromQueryResult)]
struct Id {
    id: Uuid,
}

async fn ids(
    tx: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Uuid>> {
    let rows = Id::find_by_statement(statement(sql, values)).all(tx).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Slots of jobs that wait for their turn, locked in their order.
const IN_LINE: &str = "SELECT id FROM executions
    WHERE job_id = ANY($1) AND held AND NOT waits AND status = 'QUEUED' ORDER BY id FOR UPDATE";

/// Gives places: these jobs can be claimed now. Gives those that still waited.
pub async fn give_places(tx: &DatabaseTransaction, jobs: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let sql = format!(
        "WITH wanted AS ({IN_LINE}), freed AS (
             UPDATE executions e SET held = false, due_at = NULL FROM wanted WHERE e.id = wanted.id RETURNING e.job_id
         )
         UPDATE jobs SET held = false, status_reason = NULL FROM freed WHERE jobs.id = freed.job_id RETURNING jobs.id"
    );
    ids(tx, &sql, [jobs.into()]).await
}

/// Puts a job in line whose moment has come.
pub async fn put_in_line(tx: &DatabaseTransaction, job: Uuid, reason: String) -> Result<Vec<Uuid>> {
    let sql = format!(
        "WITH wanted AS ({IN_LINE}), moved AS (
             UPDATE executions e SET due_at = NULL FROM wanted WHERE e.id = wanted.id RETURNING e.job_id
         )
         UPDATE jobs SET status_reason = $2 FROM moved WHERE jobs.id = moved.job_id RETURNING jobs.id"
    );
    ids(tx, &sql, [vec![job].into(), reason.into()]).await
}

/// Ends a job whose moment has come without running it.
pub async fn skip(tx: &DatabaseTransaction, job: Uuid, reason: &str, at: Timestamp) -> Result<Vec<Uuid>> {
    let skipped = "status = 'SKIPPED', status_reason = $2, finished_at = $3, held = false, waits = false,
        due_at = NULL";
    let sql = format!(
        "WITH wanted AS ({IN_LINE}), ended AS (
             UPDATE executions e SET {skipped} FROM wanted WHERE e.id = wanted.id RETURNING e.job_id
         ), over AS (
             UPDATE jobs SET status = 'SKIPPED', status_reason = $2, finished_at = $3, held = false
             FROM ended WHERE jobs.id = ended.job_id RETURNING jobs.id
         ), rest AS (
             UPDATE executions e SET {skipped} FROM over WHERE e.job_id = over.id AND e.waits
         ), happening AS (
             INSERT INTO outbox (kind, payload, created_at)
             SELECT 'job.ended', jsonb_build_object('job', id, 'status', 'SKIPPED'), $3 FROM over
         ) SELECT id FROM over"
    );
    ids(tx, &sql, [vec![job].into(), reason.into(), at.into()]).await
}

/// Those of the events in whose line somebody waits.
pub async fn with_a_line(kernel: &Kernel, events: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let sql = "SELECT e.id FROM unnest($1::uuid[]) AS e(id) WHERE EXISTS (
                   SELECT FROM executions
                   WHERE gate = e.id AND held AND slot = 0 AND due_at IS NULL AND status = 'QUEUED')";
    ids(&kernel.db, sql, [events.into()]).await
}

/// All events in whose line somebody waits: from one to the next, however many wait for each.
pub async fn lines(kernel: &Kernel) -> Result<Vec<Uuid>> {
    let waits = "gate IS NOT NULL AND held AND slot = 0 AND due_at IS NULL AND status = 'QUEUED'";
    let sql = format!(
        "WITH RECURSIVE line AS (
             (SELECT gate AS id FROM executions WHERE {waits} ORDER BY gate LIMIT 1)
             UNION ALL
             SELECT (SELECT gate FROM executions WHERE {waits} AND gate > line.id ORDER BY gate LIMIT 1) FROM line
             WHERE line.id IS NOT NULL
         ) SELECT id FROM line WHERE id IS NOT NULL"
    );
    ids(&kernel.db, &sql, []).await
}

/// Events with work whose moment has come and whose turn is to be decided.
pub async fn due_turns(kernel: &Kernel, now: Timestamp) -> Result<Vec<Uuid>> {
    let sql = "SELECT DISTINCT gate AS id FROM executions
               WHERE status = 'QUEUED' AND due_at <= $1 AND held AND slot = 0";
    ids(&kernel.db, sql, [now.into()]).await
}

/// Lets work go whose moment has come: the jobs of a batch of executions, each as often as it has some. Not durable at
/// once: what is lost is due again.
pub async fn let_go(kernel: &Kernel, now: Timestamp) -> Result<Vec<Uuid>> {
    let sql = "WITH due AS (
                   SELECT id FROM executions WHERE status = 'QUEUED' AND due_at <= $1 AND NOT held
                   ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
               ), freed AS (
                   UPDATE executions e SET due_at = NULL FROM due WHERE e.id = due.id RETURNING e.job_id
               ), held AS (
                   -- Others may let other slots of the same jobs go.
                   SELECT id FROM jobs WHERE id IN (SELECT job_id FROM freed)
                       AND slots > 1 AND status_reason IS NOT NULL ORDER BY id FOR NO KEY UPDATE
               ), told AS (
                   UPDATE jobs SET status_reason = NULL FROM freed LEFT JOIN held ON held.id = freed.job_id
                   WHERE jobs.id = freed.job_id AND (jobs.slots = 1 OR held.id IS NOT NULL)
               ) SELECT job_id FROM freed";
    Ok(sqlx::query_scalar(sql)
        .bind(now)
        .bind(BATCH)
        .fetch_all(&kernel.relaxed)
        .await?)
}

/// The next moment that something waits for, and whether anything waits for its turn.
pub async fn ahead(kernel: &Kernel) -> Result<(Option<Timestamp>, bool)> {
    let sql = "SELECT (SELECT min(due_at) FROM executions WHERE status = 'QUEUED' AND due_at IS NOT NULL),
                      EXISTS (SELECT FROM executions WHERE status = 'QUEUED' AND due_at IS NULL AND held AND slot = 0)";
    Ok(sqlx::query_as(sql).fetch_one(&kernel.pool).await?)
}
