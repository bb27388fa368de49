//! Writing an accepted job.

use cronium_entity::enums::{Priority, Trigger};
use cronium_entity::job;
use sea_orm::{ActiveEnum as _, ConnectionTrait, EntityTrait as _};
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
    /// What its orchestrator must have, sorted; None: nothing.
    pub labels: Option<Vec<String>>,
}

/// Writes the job, its execution, its key and the happening in one statement, which without a transaction
/// around it is one trip and one commit. None, and nothing written, when the key is taken. What is to start later is
/// queued at that moment: what was queued before goes before it.
pub async fn accept(db: &impl ConnectionTrait, new: NewJob) -> Result<Option<JobRow>> {
    let sql = "WITH kept AS (
            INSERT INTO idempotency_keys (user_id, key, request_hash, job_id, created_at)
            SELECT $3, $13, $14, $1, $12 WHERE $13 IS NOT NULL
            ON CONFLICT DO NOTHING RETURNING key
        ), job AS (
            INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                retry_of, input, created_at, api_token_id, run_at, status_reason, held, finished_at)
            SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $20 THEN 'SKIPPED' ELSE 'QUEUED' END, $7, $8, $9, $10, $12, $15,
                $16, $17, $18, CASE WHEN $20 THEN $12 END
            WHERE $13 IS NULL OR EXISTS (SELECT FROM kept)
            RETURNING *
        ), execution AS (
            INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, due_at, held, gate, max_starts, labels)
            SELECT $11, id, 1, status, priority, coalesce(run_at, created_at), run_at, held, $19, $21, $22
            FROM job WHERE NOT $20
        ), happening AS (
            INSERT INTO outbox (kind, payload, created_at)
            SELECT kind, jsonb_build_object('job', id, 'event', event_id, 'trigger', trigger, 'status', status), created_at
            FROM job, (VALUES ('job.created'), ('job.ended')) AS k(kind) WHERE kind = 'job.created' OR $20
        ) SELECT * FROM job";
    let (key, hash) = new.key.unzip();
    let values = [
        new.id.0.into(),
        new.owner.into(),
        new.actor.into(),
        new.event.into(),
        new.version.into(),
        new.title.into(),
        new.priority.to_value().into(),
        new.trigger.to_value().into(),
        new.retry_of.into(),
        new.input.into(),
        new.execution.0.into(),
        new.at.into(),
        key.into(),
        hash.into(),
        new.api_token.into(),
        new.run_at.into(),
        new.reason.into(),
        new.held.into(),
        new.gate.into(),
        new.skipped.into(),
        new.max_starts.into(),
        new.labels.into(),
    ];
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(job::Entity::find().from_raw_sql(statement).one(db).await?)
}
