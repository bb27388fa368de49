//! Writing an accepted job.

use cronium_entity::enums::{Priority, Trigger};
use cronium_entity::job;
use sea_orm::sea_query::ValueType;
use sea_orm::{ActiveEnum as _, ConnectionTrait, EntityTrait as _, Value};
use uuid::Uuid;

use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Result, Timestamp};

use super::JobRow;

/// A job to accept: queued, with one execution; or skipped, with none.
#[derive(Debug)]
pub struct NewJob {
    pub id: JobId,
    pub execution: ExecutionId,
    pub owner: Uuid,
    pub actor: Uuid,
    /// The token that the actor came with.
    pub api_token: Option<Uuid>,
    pub event: Option<Uuid>,
    pub version: Uuid,
    pub title: String,
    pub priority: Priority,
    pub trigger: Trigger,
    pub retry_of: Option<Uuid>,
    pub input: Option<serde_json::Value>,
    pub at: Timestamp,
    /// The idempotency key and the hash of its request.
    pub key: Option<(String, Vec<u8>)>,
    /// Not before this moment.
    pub run_at: Option<Timestamp>,
    /// What it waits for, or why it is skipped.
    pub reason: Option<String>,
    /// The event whose runs take turns.
    pub gate: Option<Uuid>,
    /// Waits for its turn.
    pub held: bool,
    pub skipped: bool,
    pub max_starts: i32,
}

/// Writes jobs, their executions, their keys and the happenings in one statement, which without a transaction
/// around it is one trip and one commit. Gives the rows in no order; nothing is written of one whose key is taken. What is
/// to start later is queued at that moment: what was queued before goes before it.
pub async fn accept(db: &impl ConnectionTrait, new: &[NewJob]) -> Result<Vec<JobRow>> {
    let sql = "WITH new AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[],
                $8::text[], $9::smallint[], $10::text[], $11::uuid[], $12::jsonb[], $13::timestamptz[], $14::text[],
                $15::bytea[], $16::timestamptz[], $17::text[], $18::uuid[], $19::boolean[], $20::boolean[], $21::integer[])
                AS n(id, execution, owner, actor, api_token, event, version, title, priority, trigger, retry_of, input, at,
                    key, hash, run_at, reason, gate, held, skipped, max_starts)
        ), kept AS (
            INSERT INTO idempotency_keys (user_id, key, request_hash, job_id, created_at)
            SELECT actor, key, hash, id, at FROM new WHERE key IS NOT NULL
            ON CONFLICT DO NOTHING RETURNING job_id
        ), job AS (
            INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                retry_of, input, created_at, api_token_id, run_at, status_reason, held, finished_at)
            SELECT id, owner, actor, event, version, title, CASE WHEN skipped THEN 'SKIPPED' ELSE 'QUEUED' END, priority,
                trigger, retry_of, input, at, api_token, run_at, reason, held, CASE WHEN skipped THEN at END
            FROM new WHERE key IS NULL OR id IN (SELECT job_id FROM kept)
            RETURNING *
        ), execution AS (
            INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, due_at, held, gate, max_starts)
            SELECT new.execution, new.id, 1, job.status, new.priority, coalesce(new.run_at, new.at), new.run_at, new.held,
                new.gate, new.max_starts
            FROM job JOIN new ON new.id = job.id WHERE NOT new.skipped
        ), happening AS (
            INSERT INTO outbox (kind, payload, created_at)
            SELECT kind, jsonb_build_object('job', id, 'event', event_id, 'trigger', trigger, 'status', status), created_at
            FROM job, (VALUES ('job.created'), ('job.ended')) AS k(kind)
            WHERE kind = 'job.created' OR finished_at IS NOT NULL
        ) SELECT * FROM job";
    let key = |one: &NewJob| one.key.clone();
    let values = [
        column(new, |one| one.id.0),
        column(new, |one| one.execution.0),
        column(new, |one| one.owner),
        column(new, |one| one.actor),
        column(new, |one| one.api_token),
        column(new, |one| one.event),
        column(new, |one| one.version),
        column(new, |one| one.title.clone()),
        column(new, |one| one.priority.to_value()),
        column(new, |one| one.trigger.to_value()),
        column(new, |one| one.retry_of),
        column(new, |one| one.input.clone()),
        column(new, |one| one.at),
        column(new, |one| key(one).map(|(key, _)| key)),
        column(new, |one| key(one).map(|(_, hash)| hash)),
        column(new, |one| one.run_at),
        column(new, |one| one.reason.clone()),
        column(new, |one| one.gate),
        column(new, |one| one.held),
        column(new, |one| one.skipped),
        column(new, |one| one.max_starts),
    ];
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(job::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// One value of each row, as an array.
fn column<T: Into<Value> + ValueType>(rows: &[NewJob], value: impl Fn(&NewJob) -> T) -> Value {
    let values = rows.iter().map(|row| value(row).into()).collect();
    Value::Array(T::array_type(), Some(Box::new(values)))
}
