//! Writing an accepted job.

use cronium_entity::enums::{Priority, Trigger};
use cronium_entity::job;
use sea_orm::{ActiveEnum as _, ConnectionTrait, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::events::ServerName;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Result, Timestamp};

use super::JobRow;

/// The first attempt of a slot.
#[derive(Debug)]
pub struct NewExecution {
    pub id: ExecutionId,
    /// None: it runs in a container, or is a request.
    pub server: Option<ServerName>,
    /// What it is told while it waits for another slot; None: it does not wait.
    pub waits: Option<String>,
}

/// A job to accept: queued, or skipped.
#[derive(Debug)]
pub struct NewJob {
    pub id: JobId,
    /// One for each slot. Of what is skipped only those on servers are written, which say where it was to run.
    pub executions: Vec<NewExecution>,
    /// So many slots at a time; None: all at once.
    pub max_parallel: Option<i32>,
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

/// Writes jobs, their executions, their keys and the happenings in one statement, which without a transaction
/// around it is one trip and one commit. Gives the rows in no order; nothing is written of one whose key is taken. What is
/// to start later is queued at that moment: what was queued before goes before it.
pub async fn accept(db: &impl ConnectionTrait, new: &[NewJob]) -> Result<Vec<JobRow>> {
    let sql = "WITH new AS (
            SELECT * FROM jsonb_to_recordset($1) AS n(id uuid, owner uuid, actor uuid, api_token uuid, event uuid,
                version uuid, title text, priority smallint, trigger text, retry_of uuid, input jsonb, at timestamptz,
                key text, hash bytea, run_at timestamptz, reason text, gate uuid, held boolean, skipped boolean,
                max_starts integer, labels text[], slots integer, max_parallel integer, executions jsonb)
        ), kept AS (
            INSERT INTO idempotency_keys (user_id, key, request_hash, job_id, created_at)
            SELECT actor, key, hash, id, at FROM new WHERE key IS NOT NULL
            ON CONFLICT DO NOTHING RETURNING job_id
        ), job AS (
            INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                retry_of, input, created_at, api_token_id, run_at, status_reason, held, finished_at, slots,
                max_parallel)
            SELECT id, owner, actor, event, version, title, CASE WHEN skipped THEN 'SKIPPED' ELSE 'QUEUED' END,
                priority, trigger, retry_of, input, at, api_token, run_at, reason, held,
                CASE WHEN skipped THEN at END, slots, max_parallel
            FROM new WHERE key IS NULL OR id IN (SELECT job_id FROM kept)
            RETURNING *
        ), execution AS (
            INSERT INTO executions (id, job_id, slot, attempt, status, priority, queued_at, due_at, held, waits, gate,
                max_starts, labels, server_id, server_name, status_reason, finished_at)
            SELECT x.id, new.id, x.slot, 1, job.status, new.priority, coalesce(new.run_at, new.at),
                CASE WHEN x.waits IS NULL THEN new.run_at END, new.held OR x.waits IS NOT NULL, x.waits IS NOT NULL,
                new.gate, new.max_starts, new.labels, x.server, x.name,
                CASE WHEN new.skipped THEN new.reason ELSE x.waits END, CASE WHEN new.skipped THEN new.at END
            FROM job JOIN new ON new.id = job.id CROSS JOIN LATERAL
                jsonb_to_recordset(new.executions) AS x(id uuid, slot integer, server uuid, name text, waits text)
            WHERE NOT new.skipped OR x.server IS NOT NULL
        ), happening AS (
            INSERT INTO outbox (kind, payload, created_at)
            SELECT kind, jsonb_build_object('job', id, 'event', event_id, 'trigger', trigger, 'status', status), created_at
            FROM job, (VALUES ('job.created'), ('job.ended')) AS k(kind)
            WHERE kind = 'job.created' OR finished_at IS NOT NULL
        ) SELECT * FROM job";
    let rows = Value::Array(new.iter().map(row).collect());
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, [rows.into()]);
    Ok(job::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// In one document, because an array of a parameter has no place for what is not there.
fn row(new: &NewJob) -> Value {
    let (key, hash) = new.key.as_ref().map(|(key, hash)| (key, hash)).unzip();
    let hash = hash.map(|hash| {
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        // The hexadecimal form of PostgreSQL, "Binary Data Types".
        format!("\\x{digits}")
    });
    let execution = |(slot, one): (usize, &NewExecution)| {
        let server = one.server.as_ref();
        let (server, name) = server.map(|server| (server.id, &server.name)).unzip();
        let waits = one.waits.as_ref().filter(|_| !new.skipped);
        json!({ "id": one.id.0, "slot": slot, "server": server, "name": name, "waits": waits })
    };
    let executions: Vec<Value> = new.executions.iter().enumerate().map(execution).collect();
    json!({
        "id": new.id.0, "owner": new.owner, "actor": new.actor,
        "api_token": new.api_token, "event": new.event, "version": new.version, "title": new.title,
        "priority": new.priority.to_value(), "trigger": new.trigger.to_value(), "retry_of": new.retry_of,
        "input": new.input, "at": new.at, "key": key, "hash": hash, "run_at": new.run_at, "reason": new.reason,
        "gate": new.gate, "held": new.held, "skipped": new.skipped, "max_starts": new.max_starts,
        "labels": new.labels, "slots": executions.len(), "max_parallel": new.max_parallel,
        "executions": executions,
    })
}
