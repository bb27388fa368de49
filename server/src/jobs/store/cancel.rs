//! Jobs that are stopped, many in a statement.

use cronium_entity::enums::JobStatus;
use cronium_entity::job;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, FromQueryResult, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::access::Grant;
use crate::jobs::model;
use crate::kernel::{Result, Timestamp};

use super::{Filter, JobRow, filtered};

const OPEN: [JobStatus; 3] = [JobStatus::Queued, JobStatus::Dispatching, JobStatus::Running];

/// Jobs that have not ended, and those of their executions that somebody has.
#[derive(Debug)]
pub struct Locked {
    pub jobs: Vec<Open>,
    pub claimed: Vec<OpenExecution>,
}

#[derive(Debug, FromQueryResult)]
pub struct Open {
    pub id: Uuid,
    pub status: JobStatus,
    pub slots: i32,
}

#[derive(Debug, FromQueryResult)]
pub struct OpenExecution {
    pub id: Uuid,
    pub job_id: Uuid,
    status: JobStatus,
}

fn statement(sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// Locks those that have not ended, in the order that the queue locks them: executions first, but for slots that wait
/// for others, which whoever holds their job may change.
pub async fn lock_open(tx: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Locked> {
    let sql = "SELECT id, job_id, status FROM executions
               WHERE job_id = ANY($1) AND finished_at IS NULL AND NOT waits ORDER BY id FOR UPDATE";
    let executions = OpenExecution::find_by_statement(statement(sql, [ids.clone().into()]));
    let mut claimed = executions.all(tx).await?;
    claimed.retain(|row| row.status != JobStatus::Queued);
    let sql = "SELECT id, status, slots FROM jobs WHERE id = ANY($1) AND finished_at IS NULL ORDER BY id FOR UPDATE";
    let jobs = Open::find_by_statement(statement(sql, [ids.into()]))
        .all(tx)
        .await?;
    Ok(Locked { jobs, claimed })
}

async fn changed(
    tx: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<Vec<JobRow>> {
    let rows = job::Entity::find().from_raw_sql(statement(sql, values));
    Ok(rows.all(tx).await?)
}

/// What ends executions of jobs ($1) that nobody has: when ($2), why ($3), and what that took ($4).
const CANCELLED: &str =
    "status = 'CANCELLED', cancel_requested = true, held = false, waits = false, due_at = NULL,
    finished_at = $2, cancel_receipt = $4, status_reason = coalesce($3, CASE WHEN attempt > 1
        THEN 'Cancelled before attempt ' || attempt || ' started' ELSE 'Cancelled before it started' END)";

/// Ends jobs that nobody runs.
pub async fn cancel_at_once(
    tx: &impl ConnectionTrait,
    ids: Vec<Uuid>,
    by: Option<Uuid>,
    note: Option<&str>,
    at: Timestamp,
) -> Result<Vec<JobRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH ended AS (
            UPDATE executions SET {CANCELLED}
            WHERE job_id = ANY($1) AND finished_at IS NULL RETURNING job_id, status_reason
        ), happening AS (
            INSERT INTO outbox (kind, payload, created_at)
            SELECT 'job.ended', jsonb_build_object('job', id, 'status', 'CANCELLED'), $2 FROM unnest($1) AS id
        )
        UPDATE jobs SET status = 'CANCELLED', held = false, finished_at = $2,
            cancel_requested_at = coalesce(cancel_requested_at, $2),
            cancel_requested_by = coalesce(cancel_requested_by, $5), cancel_receipt = $4,
            status_reason = coalesce((SELECT status_reason FROM ended WHERE job_id = jobs.id LIMIT 1), $3)
        WHERE id = ANY($1) RETURNING *"
    );
    let receipt = model::nothing_had_started(note);
    let values = [ids.into(), at.into(), note.into(), receipt.into(), by.into()];
    changed(tx, &sql, values).await
}

/// Ends those slots of jobs that nobody has. Whoever asks holds the jobs and has asked all their slots to stop, which
/// holds those too.
pub async fn end_unclaimed(
    tx: &impl ConnectionTrait,
    jobs: Vec<Uuid>,
    note: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let sql = format!("UPDATE executions SET {CANCELLED} WHERE job_id = ANY($1) AND status = 'QUEUED'");
    let receipt = model::nothing_had_started(note);
    let values = [jobs.into(), at.into(), note.into(), receipt.into()];
    tx.execute_raw(statement(&sql, values)).await?;
    Ok(())
}

/// Notes for their orchestrators that jobs are to stop.
pub async fn ask_to_stop(
    tx: &impl ConnectionTrait,
    ids: Vec<Uuid>,
    by: Option<Uuid>,
    note: Option<&str>,
    at: Timestamp,
) -> Result<Vec<JobRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "WITH asked AS (
            UPDATE executions SET cancel_requested = true WHERE job_id = ANY($1) AND finished_at IS NULL
        )
        UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, $3),
            cancel_requested_by = coalesce(cancel_requested_by, $2), cancel_receipt = coalesce(cancel_receipt, $4)
        WHERE id = ANY($1) RETURNING *";
    let receipt = note.map(|note| serde_json::json!({ "note": note }));
    let values = [ids.into(), by.into(), at.into(), receipt.into()];
    changed(tx, sql, values).await
}

/// Executions of jobs that were asked to stop and that somebody has.
pub async fn asked_to_stop(tx: &impl ConnectionTrait, jobs: Vec<Uuid>) -> Result<Vec<OpenExecution>> {
    let sql = "SELECT id, job_id, status FROM executions
               WHERE job_id = ANY($1) AND cancel_requested AND status IN ('DISPATCHING', 'RUNNING') ORDER BY id";
    let found = OpenExecution::find_by_statement(statement(sql, [jobs.into()]));
    Ok(found.all(tx).await?)
}

/// Those that match, have not ended, are not asked to stop, and may be stopped.
fn open(grant: &Grant, filter: &Filter) -> Select<job::Entity> {
    filtered(grant, filter)
        .filter(job::Column::Status.is_in(OPEN))
        .filter(job::Column::CancelRequestedAt.is_null())
}

/// The oldest of them, at most so many.
pub async fn open_matching(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    most: u64,
) -> Result<Vec<Uuid>> {
    let query = open(grant, filter).select_only().column(job::Column::Id);
    let query = query
        .order_by_asc(job::Column::CreatedAt)
        .order_by_asc(job::Column::Id);
    Ok(query.limit(most).into_tuple().all(db).await?)
}

pub async fn count_open_matching(db: &impl ConnectionTrait, grant: &Grant, filter: &Filter) -> Result<u64> {
    Ok(open(grant, filter).count(db).await?)
}
