//! Links that prove an address, in the database.

use cronium_entity::account_link::{self, Column, Entity};
use cronium_entity::enums::LinkKind;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Statement,
};

use crate::kernel::ids::UserId;
use crate::kernel::{Result, Timestamp};

/// A link's row.
pub type LinkRow = account_link::Model;

pub async fn insert(db: &impl ConnectionTrait, row: LinkRow) -> Result<()> {
    Entity::insert(account_link::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// A link that still works.
pub async fn by_hash(db: &impl ConnectionTrait, hash: &[u8], now: Timestamp) -> Result<Option<LinkRow>> {
    let query = Entity::find()
        .filter(Column::TokenHash.eq(hash))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now));
    Ok(query.one(db).await?)
}

/// Uses a link up: the first of those who try at the same time gets it.
pub async fn take(db: &impl ConnectionTrait, hash: &[u8], now: Timestamp) -> Result<Option<LinkRow>> {
    let sql = "UPDATE account_links SET used_at = $2
               WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING *";
    let values = [hash.to_vec().into(), now.into()];
    let statement = Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(Entity::find().from_raw_sql(statement).one(db).await?)
}

/// How many links of a kind went to an address since a moment.
pub async fn count_since(
    db: &impl ConnectionTrait,
    email: &str,
    kind: LinkKind,
    since: Timestamp,
) -> Result<u64> {
    let lowered = Expr::expr(Func::lower(Expr::col(Column::Email)));
    let query = Entity::find()
        .filter(lowered.eq(email.to_lowercase()))
        .filter(Column::Kind.eq(kind))
        .filter(Column::CreatedAt.gt(since));
    Ok(query.count(db).await?)
}

/// Removes the links of a kind to an address: a newer one replaces them, or they did their work.
pub async fn remove(db: &impl ConnectionTrait, email: &str, kind: LinkKind) -> Result<()> {
    let lowered = Expr::expr(Func::lower(Expr::col(Column::Email)));
    let old = Entity::delete_many()
        .filter(lowered.eq(email.to_lowercase()))
        .filter(Column::Kind.eq(kind));
    old.exec(db).await?;
    Ok(())
}

/// Removes the links of a user.
pub async fn remove_of(db: &impl ConnectionTrait, user: UserId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user.0))
        .exec(db)
        .await?;
    Ok(())
}

pub async fn remove_expired(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64> {
    let old = Entity::delete_many().filter(Column::ExpiresAt.lte(now));
    Ok(old.exec(db).await?.rows_affected)
}
