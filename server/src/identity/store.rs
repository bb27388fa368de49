//! Users and sessions in the database.

use cronium_entity::{session, user};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use crate::kernel::ids::UserId;
use crate::kernel::{Result, Timestamp};

/// A user as the slice knows it.
pub type Row = user::Model;

pub async fn count(db: &impl ConnectionTrait) -> Result<u64> {
    Ok(user::Entity::find().count(db).await?)
}

pub async fn by_email(db: &impl ConnectionTrait, email: &str) -> Result<Option<Row>> {
    let lowered = Expr::expr(Func::lower(Expr::col(user::Column::Email)));
    Ok(user::Entity::find()
        .filter(lowered.eq(email.to_lowercase()))
        .one(db)
        .await?)
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = UserId>) -> Result<Vec<Row>> {
    let ids = ids.into_iter().map(|id| id.0);
    Ok(user::Entity::find()
        .filter(user::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

pub async fn insert(db: &impl ConnectionTrait, row: Row) -> Result<()> {
    user::Entity::insert(user::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

pub async fn save_profile(
    db: &impl ConnectionTrait,
    id: UserId,
    name: &str,
    locale: &str,
    at: Timestamp,
) -> Result<()> {
    let changed = user::ActiveModel {
        id: Set(id.0),
        name: Set(name.to_owned()),
        locale: Set(locale.to_owned()),
        updated_at: Set(at),
        ..Default::default()
    };
    user::Entity::update(changed).exec(db).await?;
    Ok(())
}

pub async fn save_password(db: &impl ConnectionTrait, id: UserId, hash: String, at: Timestamp) -> Result<()> {
    let changed = user::ActiveModel {
        id: Set(id.0),
        password_hash: Set(hash),
        password_changed_at: Set(at),
        updated_at: Set(at),
        ..Default::default()
    };
    user::Entity::update(changed).exec(db).await?;
    Ok(())
}

pub async fn save_sign_in(db: &impl ConnectionTrait, id: UserId, at: Timestamp) -> Result<()> {
    let changed = user::ActiveModel {
        id: Set(id.0),
        last_sign_in_at: Set(Some(at)),
        ..Default::default()
    };
    user::Entity::update(changed).exec(db).await?;
    Ok(())
}

pub async fn insert_session(db: &impl ConnectionTrait, row: session::Model) -> Result<()> {
    session::Entity::insert(session::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The live session with this token hash, and its user.
pub async fn session(
    db: &impl ConnectionTrait,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<Option<(Uuid, Row)>> {
    let found = session::Entity::find()
        .filter(session::Column::TokenHash.eq(token_hash))
        .filter(session::Column::ExpiresAt.gt(now))
        .one(db)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let user = user::Entity::find_by_id(found.user_id).one(db).await?;
    Ok(user.map(|user| (found.id, user)))
}

pub async fn end_session(db: &impl ConnectionTrait, id: Uuid) -> Result<()> {
    session::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// Ends every session of a user but one: after a change of password.
pub async fn end_other_sessions(db: &impl ConnectionTrait, user: UserId, keep: Uuid) -> Result<()> {
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(user.0))
        .filter(session::Column::Id.ne(keep))
        .exec(db)
        .await?;
    Ok(())
}
