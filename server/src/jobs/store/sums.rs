//! Sums of jobs on several servers: a job's row says what its slots have come to. Whoever changes how a slot stands
//! writes the sum in the same transaction, while it holds the job's row: so the last of two that end at the same moment
//! sees both. A slot that waits for another one is locked by nobody but who holds its job.

use cronium_entity::enums::JobStatus;
use cronium_entity::job;
use sea_orm::{ActiveEnum as _, ConnectionTrait, DbBackend, EntityTrait as _, FromQueryResult, Statement};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::jobs::model::is_final;
use crate::jobs::model::slots::{self, Slot};
use crate::kernel::{Error, Result, Timestamp};

use super::JobRow;

const LOCK: &str = "SELECT id FROM jobs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

const READ: &str = "SELECT e.job_id, e.slot, e.id, e.status, e.waits, e.server_name, e.status_reason, e.started_at,
        e.finished_at, e.cancel_receipt, j.max_parallel, j.cancel_requested_at IS NOT NULL AS cancel_requested,
        j.cancel_receipt ->> 'note' AS note
    FROM executions e JOIN jobs j ON j.id = e.job_id
    WHERE e.job_id = ANY($1) ORDER BY e.job_id, e.slot, e.attempt";

const WRITE: &str = "WITH n AS (
        SELECT * FROM jsonb_to_recordset($1) AS n(id uuid, status text, reason text, started_at timestamptz,
            finished_at timestamptz, receipt jsonb)
    ), freed AS (
        UPDATE executions SET held = false, waits = false, status_reason = NULL WHERE id = ANY($2) AND waits
    ), happened AS (
        INSERT INTO outbox (kind, payload, created_at)
        SELECT 'job.ended', jsonb_build_object('job', id, 'status', status), $3 FROM n WHERE finished_at IS NOT NULL
    )
    UPDATE jobs j SET status = n.status, status_reason = n.reason, started_at = n.started_at,
        finished_at = n.finished_at, held = j.held AND n.finished_at IS NULL,
        cancel_receipt = coalesce(n.receipt, j.cancel_receipt)
    FROM n WHERE j.id = n.id RETURNING j.*";

/// An attempt, and what the row of its job says.
#[derive(Debug, FromRow, FromQueryResult)]
struct Attempt {
    job_id: Uuid,
    slot: i32,
    id: Uuid,
    status: String,
    waits: bool,
    server_name: Option<String>,
    status_reason: Option<String>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    cancel_receipt: Option<Value>,
    max_parallel: Option<i32>,
    cancel_requested: bool,
    note: Option<String>,
}

/// What a job has come to.
#[derive(Debug, Serialize)]
pub struct Sum {
    pub id: Uuid,
    status: String,
    reason: Option<String>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    receipt: Option<Value>,
    /// Executions that waited for another one and may go now.
    #[serde(skip)]
    freed: Vec<Uuid>,
}

impl Sum {
    /// Of the attempts of one job, by slots, oldest first.
    fn of(attempts: &[Attempt]) -> Result<Option<Self>> {
        let Some(job) = attempts.first() else {
            return Ok(None);
        };
        let (mut all, mut last) = (Vec::new(), Vec::new());
        for of_slot in attempts.chunk_by(|one, next| one.slot == next.slot) {
            let Some(newest) = of_slot.last() else { continue };
            all.push(Slot {
                name: newest.server_name.clone().unwrap_or_default(),
                status: JobStatus::try_from_value(&newest.status)?,
                reason: newest.status_reason.clone(),
                begun: of_slot
                    .iter()
                    .any(|one| one.started_at.is_some() || one.finished_at.is_some()),
                waits: newest.waits,
                receipt: newest.cancel_receipt.clone(),
            });
            last.push(newest);
        }
        let status = slots::status(&all);
        let over = is_final(status);
        // Why it was to stop, where that was not a person's wish.
        let note = job.note.as_deref();
        let reason = match status {
            JobStatus::Cancelled if note.is_some() => note.map(str::to_owned),
            _ if over => slots::reason(&all),
            _ => None,
        };
        let go = slots::free(&all, job.max_parallel);
        Ok(Some(Self {
            id: job.job_id,
            status: status.to_value(),
            reason,
            started_at: attempts.iter().filter_map(|one| one.started_at).min(),
            finished_at: last
                .iter()
                .filter_map(|one| one.finished_at)
                .max()
                .filter(|_| over),
            receipt: (over && job.cancel_requested).then(|| slots::receipt(&all, note)),
            freed: last
                .iter()
                .filter(|one| one.waits)
                .take(go)
                .map(|one| one.id)
                .collect(),
        }))
    }

    /// Nothing of it will run any more.
    pub fn is_over(&self) -> bool {
        self.finished_at.is_some()
    }

    /// Some of it can be claimed that could not before.
    pub fn goes_on(&self) -> bool {
        !self.freed.is_empty()
    }
}

fn sums(attempts: Vec<Attempt>) -> Result<Vec<Sum>> {
    let of_jobs = attempts.chunk_by(|one, next| one.job_id == next.job_id);
    of_jobs.filter_map(|of_job| Sum::of(of_job).transpose()).collect()
}

fn freed(sums: &[Sum]) -> Vec<Uuid> {
    sums.iter().flat_map(|sum| sum.freed.iter().copied()).collect()
}

/// Holds jobs until the transaction ends, after their executions: then their sum can be written. Keys of theirs may be
/// used meanwhile, by attempts that follow.
pub async fn hold(tx: &mut PgConnection, jobs: &[Uuid]) -> Result<()> {
    if !jobs.is_empty() {
        sqlx::query(LOCK).bind(jobs).execute(tx).await?;
    }
    Ok(())
}

/// Writes what jobs that are held have come to, lets the slots go that may, and notes which jobs have ended.
pub async fn sum_up(tx: &mut PgConnection, jobs: &[Uuid], at: Timestamp) -> Result<Vec<Sum>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let attempts = sqlx::query_as(READ).bind(jobs).fetch_all(&mut *tx).await?;
    let sums = sums(attempts)?;
    let write = sqlx::query(WRITE).bind(Json(&sums)).bind(freed(&sums)).bind(at);
    write.execute(tx).await?;
    Ok(sums)
}

/// The same for who is to give the rows to somebody.
pub async fn summed_up(tx: &impl ConnectionTrait, jobs: &[Uuid], at: Timestamp) -> Result<Vec<JobRow>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let statement = |sql: &str, values: Vec<sea_orm::Value>| {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    };
    let read = statement(READ, vec![jobs.to_vec().into()]);
    let sums = sums(Attempt::find_by_statement(read).all(tx).await?)?;
    let told = serde_json::to_value(&sums).map_err(Error::internal)?;
    let write = statement(WRITE, vec![told.into(), freed(&sums).into(), at.into()]);
    Ok(job::Entity::find().from_raw_sql(write).all(tx).await?)
}
