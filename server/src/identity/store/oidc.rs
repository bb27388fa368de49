//! Links to OIDC providers in the database.

use cronium_entity::oidc_link::{self, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, Statement,
};
use uuid::Uuid;

use crate::kernel::ids::{OidcLinkId, UserId};
use crate::kernel::{Result, Timestamp};

/// A link's row.
pub type OidcLinkRow = oidc_link::Model;

/// Whoever comes with this account at the provider, or this address, comes one after the other until the
/// transaction ends.
pub async fn serialise(tx: &DatabaseTransaction, account: &str, email: &str) -> Result<()> {
    // In one order for all, so that nobody waits for somebody who waits for them.
    for key in [
        format!("oidc account {account}"),
        format!("oidc address {}", email.to_lowercase()),
    ] {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7015))";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [key.into()]);
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, issuer: &str, subject: &str) -> Result<Option<OidcLinkRow>> {
    let query = Entity::find()
        .filter(Column::Issuer.eq(issuer))
        .filter(Column::Subject.eq(subject));
    Ok(query.one(db).await?)
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: &[OidcLinkId]) -> Result<Vec<OidcLinkRow>> {
    let query = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.0)));
    Ok(query.all(db).await?)
}

/// The links of users, oldest first.
pub async fn of_users(db: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<OidcLinkRow>> {
    let query = Entity::find()
        .filter(Column::UserId.is_in(users.iter().map(|id| id.0)))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id);
    Ok(query.all(db).await?)
}

pub async fn insert(db: &impl ConnectionTrait, row: OidcLinkRow) -> Result<()> {
    Entity::insert(oidc_link::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Notes a use, and what the provider said at it.
pub async fn used(db: &impl ConnectionTrait, id: Uuid, email: &str, at: Timestamp) -> Result<()> {
    let changed = oidc_link::ActiveModel {
        id: Set(id),
        email: Set(email.to_owned()),
        last_used_at: Set(at),
        ..Default::default()
    };
    Entity::update(changed).exec(db).await?;
    Ok(())
}

pub async fn remove(db: &impl ConnectionTrait, id: OidcLinkId) -> Result<bool> {
    Ok(Entity::delete_by_id(id.0).exec(db).await?.rows_affected > 0)
}
