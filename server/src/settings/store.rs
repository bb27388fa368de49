//! Settings in the database: sealed values by their names.

use cronium_entity::setting::{ActiveModel, Entity, Model};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, QuerySelect as _, Statement,
};

use crate::kernel::Result;

pub async fn load(db: &impl ConnectionTrait, name: &str) -> Result<Option<Vec<u8>>> {
    let row = Entity::find_by_id(name).one(db).await?;
    Ok(row.map(|row| row.value))
}

/// Nobody else changes it until the transaction ends, also where there is no row yet.
pub async fn lock(tx: &DatabaseTransaction, name: &str) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7010))";
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        [name.into()],
    ))
    .await?;
    let row = Entity::find_by_id(name).lock_exclusive().one(tx).await?;
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

pub async fn remove(tx: &DatabaseTransaction, name: &str) -> Result<()> {
    Entity::delete_by_id(name).exec(tx).await?;
    Ok(())
}
