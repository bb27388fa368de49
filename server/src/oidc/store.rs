//! The answers that were taken.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::kernel::{Result, Timestamp};

/// Takes an answer by the hash of its state; false when it was taken before, on whatever server.
pub async fn take_state(db: &impl ConnectionTrait, hash: Vec<u8>, expires_at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO oidc_taken_states (state_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let values = [hash.into(), expires_at.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected() > 0)
}

/// Forgets states that would be too old anyway.
pub async fn forget_states(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM oidc_taken_states WHERE expires_at < $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [now.into()]);
    Ok(db.execute_raw(statement).await?.rows_affected())
}
