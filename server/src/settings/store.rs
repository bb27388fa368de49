//! Settings in the database: one sealed value.

use cronium_entity::setting::{ActiveModel, Entity, Model};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait as _, QuerySelect as _};

use crate::kernel::Result;

/// Under which key they are kept.
pub const KEY: &str = "general";

pub async fn load(db: &impl ConnectionTrait) -> Result<Option<Vec<u8>>> {
    let row = Entity::find_by_id(KEY).one(db).await?;
    Ok(row.map(|row| row.value))
}

/// Nobody else changes them until the transaction ends.
pub async fn lock(tx: &DatabaseTransaction) -> Result<Option<Vec<u8>>> {
    tx.execute_unprepared("SELECT pg_advisory_xact_lock(7010)")
        .await?;
    let row = Entity::find_by_id(KEY).lock_exclusive().one(tx).await?;
    Ok(row.map(|row| row.value))
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
