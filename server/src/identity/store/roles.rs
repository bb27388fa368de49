//! Custom roles in the database, and who has which role.

use cronium_entity::enums::UserRole;
use cronium_entity::role::{self, Column, Entity};
use cronium_entity::user;
use sea_orm::sea_query::{Expr, Func, LockType};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, SqlErr,
};
use uuid::Uuid;

use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::RoleId;
use crate::kernel::{Error, Result};

/// A custom role's row.
pub type RoleRow = role::Model;

/// All custom roles, by name.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<RoleRow>> {
    let name = Expr::expr(Func::lower(Expr::col(Column::Name)));
    Ok(Entity::find().order_by_asc(name).all(db).await?)
}

pub async fn count(db: &impl ConnectionTrait) -> Result<u64> {
    Ok(Entity::find().count(db).await?)
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<RoleRow>> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// A role that stays there until the transaction ends.
pub async fn keep(db: &impl ConnectionTrait, id: RoleId) -> Result<Option<RoleRow>> {
    let query = Entity::find_by_id(id.0).lock(LockType::KeyShare);
    Ok(query.one(db).await?)
}

/// A role that nobody else changes or gives until the transaction ends.
pub async fn lock(db: &impl ConnectionTrait, id: RoleId) -> Result<Option<RoleRow>> {
    Ok(Entity::find_by_id(id.0).lock_exclusive().one(db).await?)
}

/// A name that another role has is a mistake of the caller; case does not matter.
fn mistake(e: DbErr) -> Error {
    match e.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::field(UserErrorCode::Taken, "name", "Another role has this name.")
        }
        _ => e.into(),
    }
}

pub async fn insert(db: &impl ConnectionTrait, row: RoleRow) -> Result<()> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(db)
        .await
        .map_err(mistake)?;
    Ok(())
}

pub async fn save(db: &impl ConnectionTrait, row: RoleRow) -> Result<()> {
    Entity::update(row.into_active_model().reset_all())
        .exec(db)
        .await
        .map_err(mistake)?;
    Ok(())
}

pub async fn delete(db: &impl ConnectionTrait, id: RoleId) -> Result<()> {
    Entity::delete_by_id(id.0).exec(db).await?;
    Ok(())
}

/// How many people have each custom role, and each built-in one.
pub async fn members(db: &impl ConnectionTrait) -> Result<Vec<(Option<Uuid>, UserRole, i64)>> {
    let query = user::Entity::find()
        .select_only()
        .columns([user::Column::RoleId, user::Column::Role])
        .column_as(user::Column::Id.count(), "members")
        .group_by(user::Column::RoleId)
        .group_by(user::Column::Role);
    Ok(query.into_tuple().all(db).await?)
}

/// How many people have this custom role.
pub async fn members_of(db: &impl ConnectionTrait, id: RoleId) -> Result<u64> {
    Ok(user::Entity::find()
        .filter(user::Column::RoleId.eq(id.0))
        .count(db)
        .await?)
}
