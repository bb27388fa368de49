//! Errands in the database: what orchestrators are to find out. Who has taken one, and until when, is said by the
//! database's clock.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, Statement, Value};
use serde_json::Value as Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::kernel::ids::ServerId;
use crate::kernel::{Kernel, Result, Timestamp};

/// An errand that somebody has just taken.
#[derive(FromRow)]
pub struct Taken {
    pub id: Uuid,
    /// A check of this one.
    pub server_id: Option<Uuid>,
    /// Otherwise, what is asked.
    pub sealed: Option<Vec<u8>>,
}

/// How far an errand is.
#[derive(FromRow)]
pub struct Progress {
    pub taken: bool,
    pub report: Option<Json>,
}

/// A server whose check is due, and the seconds between its checks.
#[derive(Debug, FromRow)]
pub struct Due {
    pub id: Uuid,
    pub check_interval_secs: i32,
}

/// Somebody waits for this.
pub async fn ask(pool: &PgPool, id: Uuid, sealed: &[u8]) -> Result<()> {
    sqlx::query("INSERT INTO server_errands (id, sealed) VALUES ($1, $2)")
        .bind(id)
        .bind(sealed)
        .execute(pool)
        .await?;
    Ok(())
}

/// How many errands somebody waits for that have not come back.
pub async fn asked(pool: &PgPool) -> Result<i64> {
    let sql = "SELECT count(*) FROM server_errands WHERE sealed IS NOT NULL AND done_at IS NULL";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// A check of this server is wanted: the one that is under way already, or this one. None: there is no such server.
pub async fn ask_check(pool: &PgPool, id: Uuid, server: ServerId) -> Result<Option<Uuid>> {
    let sql = "INSERT INTO server_errands (id, server_id) SELECT $1, id FROM servers WHERE id = $2
        ON CONFLICT (server_id) DO UPDATE SET server_id = excluded.server_id RETURNING id";
    let found = sqlx::query_scalar(sql).bind(id).bind(server.0);
    Ok(found.fetch_optional(pool).await?)
}

/// Gives out errands: those first for which somebody waits, then the oldest. One that was taken and not answered in time
/// is given out again; one that nobody waits for any more is not.
pub async fn take(pool: &PgPool, orchestrator: Uuid, room: i64, lease_secs: f64) -> Result<Vec<Taken>> {
    let sql = "WITH wanted AS (
             SELECT id FROM server_errands
             WHERE done_at IS NULL AND (taken_until IS NULL OR taken_until < now())
               AND (sealed IS NULL OR wanted_at > now() - interval '2 minutes')
             ORDER BY (sealed IS NULL), wanted_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )
         UPDATE server_errands e SET taken_by = $1, taken_until = now() + make_interval(secs => $3)
         FROM wanted WHERE e.id = wanted.id RETURNING e.id, e.server_id, e.sealed";
    Ok(sqlx::query_as(sql)
        .bind(orchestrator)
        .bind(room)
        .bind(lease_secs)
        .fetch_all(pool)
        .await?)
}

/// The server of an errand that this orchestrator has taken, Some(None) for one that somebody waits for. None: it is not
/// its errand, or was answered.
pub async fn taken_by(pool: &PgPool, id: Uuid, orchestrator: Uuid) -> Result<Option<Option<Uuid>>> {
    let sql = "SELECT server_id FROM server_errands WHERE id = $1 AND taken_by = $2 AND done_at IS NULL";
    let found = sqlx::query_scalar(sql).bind(id).bind(orchestrator);
    Ok(found.fetch_optional(pool).await?)
}

/// Keeps what came of an errand that somebody waits for, and forgets what was asked. False: it is not this
/// orchestrator's, or was answered.
pub async fn report(pool: &PgPool, id: Uuid, orchestrator: Uuid, report: Json) -> Result<bool> {
    let sql = "UPDATE server_errands SET report = $3, done_at = now(), sealed = NULL
        WHERE id = $1 AND taken_by = $2 AND done_at IS NULL AND server_id IS NULL";
    let done = sqlx::query(sql)
        .bind(id)
        .bind(orchestrator)
        .bind(report)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// None: it is over.
pub async fn progress(pool: &PgPool, id: Uuid) -> Result<Option<Progress>> {
    let sql = "SELECT taken_by IS NOT NULL AS taken, report FROM server_errands WHERE id = $1";
    Ok(sqlx::query_as(sql).bind(id).fetch_optional(pool).await?)
}

/// Nobody waits for it any more.
pub async fn forget(pool: &PgPool, id: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM server_errands WHERE id = $1")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}

/// Removes what somebody waited for once.
pub async fn forget_old(pool: &PgPool) -> Result<u64> {
    let sql =
        "DELETE FROM server_errands WHERE server_id IS NULL AND wanted_at < now() - interval '5 minutes'";
    Ok(sqlx::query(sql).execute(pool).await?.rows_affected())
}

/// Checks that nobody takes: those that wait for longer than this, and those whose taker has been gone for as long. With
/// their servers.
pub async fn left(pool: &PgPool, secs: f64, most: i64) -> Result<Vec<(Uuid, Uuid)>> {
    let sql = "SELECT id, server_id FROM server_errands WHERE server_id IS NOT NULL AND done_at IS NULL
        AND coalesce(taken_until, wanted_at) < now() - make_interval(secs => $1) ORDER BY wanted_at LIMIT $2";
    Ok(sqlx::query_as(sql).bind(secs).bind(most).fetch_all(pool).await?)
}

/// Moves servers whose check is due on to their next one, and wants their checks; gives how many were due. `next` says
/// when a server comes again. Another server that does the same at this moment passes over the same rows.
pub async fn want_due(
    kernel: &Kernel,
    now: Timestamp,
    most: i64,
    next: impl Fn(i32) -> Option<Timestamp>,
) -> Result<usize> {
    let mut tx = kernel.pool.begin().await?;
    let due: Vec<Due> = sqlx::query_as(
        "SELECT id, check_interval_secs FROM servers WHERE next_check_at <= $1
         ORDER BY next_check_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind(now)
    .bind(most)
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let servers: Vec<Uuid> = due.iter().map(|one| one.id).collect();
    let ids: Vec<Uuid> = due.iter().map(|_| kernel.id()).collect();
    let times: Vec<Option<Timestamp>> = due.iter().map(|one| next(one.check_interval_secs)).collect();
    sqlx::query(
        "INSERT INTO server_errands (id, server_id)
         SELECT w.id, w.server_id FROM unnest($1::uuid[], $2::uuid[]) AS w(id, server_id)
             JOIN servers s ON s.id = w.server_id
         WHERE s.host_key_fingerprint IS NOT NULL ON CONFLICT (server_id) DO NOTHING",
    )
    .bind(&ids)
    .bind(&servers)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE servers s SET next_check_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n(id, at)
         WHERE s.id = n.id",
    )
    .bind(&servers)
    .bind(&times)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(due.len())
}

/// Removes checks that are older than this, but for the last one of each server; so many at most.
pub async fn drop_checks(pool: &PgPool, before: Timestamp, most: i64) -> Result<u64> {
    let sql = "DELETE FROM server_checks WHERE id IN (
             SELECT c.id FROM server_checks c
             WHERE c.at < $1 AND NOT EXISTS (SELECT FROM servers s WHERE s.id = c.server_id AND s.last_check_id = c.id)
             LIMIT $2)";
    let done = sqlx::query(sql).bind(before).bind(most).execute(pool).await?;
    Ok(done.rows_affected())
}

async fn run(tx: &DatabaseTransaction, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(tx.execute_raw(statement).await?.rows_affected())
}

/// Removes a check's errand, after its server was locked. With an orchestrator: only what that one has taken. False: it
/// is over, or somebody else's.
pub async fn close(tx: &DatabaseTransaction, id: Uuid, by: Option<Uuid>) -> Result<bool> {
    let sql = "DELETE FROM server_errands WHERE id = $1 AND ($2::uuid IS NULL OR taken_by = $2)";
    Ok(run(tx, sql, [id.into(), by.into()]).await? > 0)
}

/// Lets a check be given out once more, for its second part; after its server was locked. False as for `close`.
pub async fn reopen(tx: &DatabaseTransaction, id: Uuid, by: Option<Uuid>) -> Result<bool> {
    let sql = "UPDATE server_errands SET taken_by = NULL, taken_until = NULL, wanted_at = now()
        WHERE id = $1 AND ($2::uuid IS NULL OR taken_by = $2)";
    Ok(run(tx, sql, [id.into(), by.into()]).await? > 0)
}

/// The check that is under way says nothing of what the server has become.
pub async fn close_of(tx: &DatabaseTransaction, server: ServerId) -> Result<()> {
    let sql = "DELETE FROM server_errands WHERE server_id = $1";
    run(tx, sql, [server.0.into()]).await.map(drop)
}
