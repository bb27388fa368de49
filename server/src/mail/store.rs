//! Mail that waits, in the database.

use cronium_entity::mail::{ActiveModel, Column, Entity, Model};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::kernel::{Result, Timestamp};

/// A mail's row.
pub type Row = Model;

pub async fn insert(db: &impl ConnectionTrait, row: Row) -> Result<()> {
    Entity::insert(ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The next mail that is due and that no other server is sending.
pub async fn due(tx: &DatabaseTransaction, now: Timestamp) -> Result<Option<Row>> {
    let query = Entity::find()
        .filter(Column::NextAttemptAt.lte(now))
        .order_by_asc(Column::NextAttemptAt)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    Ok(query.one(tx).await?)
}

pub async fn remove(db: &impl ConnectionTrait, id: Uuid) -> Result<()> {
    Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

pub async fn postpone(db: &impl ConnectionTrait, row: &Row, next: Timestamp) -> Result<()> {
    let changed = ActiveModel {
        id: Set(row.id),
        attempts: Set(row.attempts + 1),
        next_attempt_at: Set(next),
        ..Default::default()
    };
    Entity::update(changed).exec(db).await?;
    Ok(())
}
