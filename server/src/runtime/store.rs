//! Executions that run, as far as their calls go, and the results of calls that may be repeated.

use cronium_protocol::agent::Claim;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, Statement};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::kernel::{Error, Kernel, Result, Timestamp};

use super::token::Claims;

/// An execution that runs: proof that its calls may be answered.
#[derive(Debug, Clone, FromRow)]
pub struct Running {
    pub id: Uuid,
    pub epoch: i32,
    pub attempt: i32,
    pub job_id: Uuid,
    pub number: i64,
    pub owner_id: Uuid,
    pub event_id: Option<Uuid>,
    pub title: String,
    pub trigger: String,
    pub created_at: Timestamp,
}

const RUNNING: &str =
    "SELECT e.id, e.epoch, e.attempt, e.job_id, j.number, j.owner_id, j.event_id, j.title, j.trigger,
        j.created_at
    FROM executions e JOIN jobs j ON j.id = e.job_id
    WHERE e.id = $1 AND e.status = 'RUNNING' AND e.finished_at IS NULL";

/// By the claim under which an orchestrator runs it.
pub async fn by_claim(kernel: &Kernel, orchestrator: Uuid, claim: Claim) -> Result<Option<Running>> {
    let sql = format!("{RUNNING} AND e.epoch = $2 AND e.orchestrator_id = $3");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(claim.execution_id)
        .bind(claim.epoch)
        .bind(orchestrator)
        .fetch_optional(&kernel.pool)
        .await?)
}

/// By what its token says.
pub async fn by_token(kernel: &Kernel, claims: Claims) -> Result<Option<Running>> {
    let sql = format!("{RUNNING} AND e.claim_epoch = $2");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(claims.sub)
        .bind(claims.claim)
        .fetch_optional(&kernel.pool)
        .await?)
}

pub async fn input(kernel: &Kernel, job: Uuid) -> Result<Option<Value>> {
    let found: Option<Option<Value>> = sqlx::query_scalar("SELECT input FROM jobs WHERE id = $1")
        .bind(job)
        .fetch_optional(&kernel.pool)
        .await?;
    Ok(found.flatten())
}

/// Of the execution, and of its job where that has no others beside it. False: it is another's by now, or over.
pub async fn set_condition(tx: &DatabaseTransaction, running: &Running, value: bool) -> Result<bool> {
    let sql = "WITH set AS (
                   UPDATE executions SET condition = $3
                   WHERE id = $1 AND epoch = $2 AND finished_at IS NULL RETURNING job_id
               ), told AS (
                   UPDATE jobs SET condition = $3 FROM set WHERE jobs.id = set.job_id AND jobs.slots = 1
               ) SELECT job_id FROM set";
    let values = [running.id.into(), running.epoch.into(), value.into()];
    let done = tx
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    Ok(done.is_some())
}

/// A call that may come again: by the channel, which repeats what was not answered.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    pub id: Uuid,
    pub number: i64,
    /// Calls up to this number never come again.
    pub settled: i64,
}

/// Notes that a call is being done; what it came to when it was done already. One that is being done elsewhere at
/// this moment is waited for.
pub async fn begin(tx: &DatabaseTransaction, execution: Uuid, ticket: Ticket) -> Result<Option<Value>> {
    let sql = "WITH settled AS (DELETE FROM runtime_calls WHERE execution_id = $1 AND number <= $4)
               INSERT INTO runtime_calls (execution_id, call_id, number, settled) VALUES ($1, $2, $3, $4)
               ON CONFLICT (execution_id, call_id) DO NOTHING";
    let values = [
        execution.into(),
        ticket.id.into(),
        ticket.number.into(),
        ticket.settled.into(),
    ];
    let new = tx
        .execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    if new.rows_affected() > 0 {
        return Ok(None);
    }
    let sql = "SELECT result FROM runtime_calls WHERE execution_id = $1 AND call_id = $2";
    let values = [execution.into(), ticket.id.into()];
    let found = tx
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    let found = found.ok_or_else(|| Error::internal("a call was settled before it was answered"))?;
    let result: Option<Value> = found.try_get("", "result")?;
    result
        .map(Some)
        .ok_or_else(|| Error::internal("a call that was done has no result"))
}

/// Keeps what a call came to, with what it did. Fails for a call that is settled: it was done and forgotten, and comes
/// late. The call that settled it, or one that settled that one, is still known.
pub async fn keep(tx: &DatabaseTransaction, execution: Uuid, ticket: Ticket, result: &Value) -> Result<()> {
    let sql = "UPDATE runtime_calls SET result = $3 WHERE execution_id = $1 AND call_id = $2
                   AND NOT EXISTS (SELECT FROM runtime_calls WHERE execution_id = $1 AND settled >= $4)";
    let values = [
        execution.into(),
        ticket.id.into(),
        result.clone().into(),
        ticket.number.into(),
    ];
    let kept = tx
        .execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    if kept.rows_affected() == 0 {
        return Err(Error::internal("a call came again after it was settled"));
    }
    Ok(())
}

/// Forgets the calls of executions that are over.
pub async fn forget(kernel: &Kernel) -> Result<()> {
    for table in ["runtime_calls", "runtime_changes"] {
        let sql = format!(
            "DELETE FROM {table} c USING executions e WHERE e.id = c.execution_id AND e.finished_at IS NOT NULL"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&kernel.pool)
            .await?;
    }
    Ok(())
}
