//! The provider's settings, as one sealed value, and the answers that were taken.

use cronium_entity::setting::{ActiveModel, Entity, Model};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, Statement};

use crate::kernel::{Result, Timestamp};

/// Under which key the settings are kept.
pub const KEY: &str = "oidc";

pub async fn load(db: &impl ConnectionTrait) -> Result<Option<Vec<u8>>> {
    let row = Entity::find_by_id(KEY).one(db).await?;
    Ok(row.map(|row| row.value))
}

/// Nobody else changes them until the transaction ends.
pub async fn lock(tx: &DatabaseTransaction) -> Result<Option<Vec<u8>>> {
    tx.execute_unprepared("SELECT pg_advisory_xact_lock(7015)")
        .await?;
    load(tx).await
}

pub async fn save(tx: &DatabaseTransaction, row: Model) -> Result<()> {
    use cronium_entity::setting::Column::{Key, UpdatedAt, Value};
    let conflict = OnConflict::column(Key)
        .update_columns([Value, UpdatedAt])
        .to_owned();
    Entity::insert(ActiveModel::from(row))
        .on_conflict(conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

pub async fn remove(tx: &DatabaseTransaction) -> Result<()> {
    Entity::delete_by_id(KEY).exec(tx).await?;
    Ok(())
}

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
