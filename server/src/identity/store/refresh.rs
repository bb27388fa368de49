//! Refresh tokens and the key of access tokens in the database.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, Statement};
use uuid::Uuid;

use crate::kernel::ids::SessionId;
use crate::kernel::{Kernel, Result, Timestamp};

use super::sessions::{Holder, holder};

/// A refresh token, with its session and user.
#[derive(Debug, FromQueryResult)]
pub struct Refresh {
    pub session_id: Uuid,
    pub used_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub user_id: Uuid,
    pub active: bool,
}

pub async fn insert(
    db: &impl ConnectionTrait,
    session: SessionId,
    hash: Vec<u8>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO refresh_tokens (token_hash, session_id, created_at) VALUES ($1, $2, $3)";
    let values = [hash.into(), session.0.into(), now.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    db.execute_raw(statement).await?;
    Ok(())
}

/// A refresh token, locked: of those who bring it at the same time, one is the first.
pub async fn lock(tx: &DatabaseTransaction, hash: Vec<u8>) -> Result<Option<Refresh>> {
    let sql = "SELECT t.session_id, t.used_at, s.expires_at, s.user_id, u.status = 'ACTIVE' AS active
               FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
               WHERE t.token_hash = $1 FOR UPDATE OF t";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [hash.into()]);
    Ok(Refresh::find_by_statement(statement).one(tx).await?)
}

pub async fn mark_used(db: &impl ConnectionTrait, hash: Vec<u8>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [hash.into(), now.into()]);
    db.execute_raw(statement).await?;
    Ok(())
}

/// The live session with this id, if its user is active: what an access token stands for.
pub async fn session(kernel: &Kernel, id: SessionId, now: Timestamp) -> Result<Option<Holder>> {
    let sql = "SELECT s.id, u.id, s.last_seen_at, u.role, r.permissions, NULL::text[], NULL::text[]
               FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN roles r ON r.id = u.role_id
               WHERE s.id = encode($1, 'hex')::uuid AND s.expires_at > $2 AND u.status = 'ACTIVE'";
    holder(kernel, sql, id.0.as_bytes(), now).await
}

/// The sealed key of access tokens: the given one, unless another server was first.
pub async fn key(kernel: &Kernel, fresh: Vec<u8>) -> Result<Vec<u8>> {
    let sql = "INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    sqlx::query(sql)
        .bind(KEY)
        .bind(fresh)
        .bind(kernel.now())
        .execute(&kernel.pool)
        .await?;
    let kept = sqlx::query_scalar("SELECT value FROM settings WHERE key = $1").bind(KEY);
    Ok(kept.fetch_one(&kernel.pool).await?)
}

/// Under which key it is kept.
pub const KEY: &str = "access-token-key";
