//! API tokens in the database.

use cronium_entity::api_token::{self, Column, Entity};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Statement,
};
use uuid::Uuid;

use crate::kernel::ids::{ApiTokenId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Kernel, Result, Timestamp};

use super::sessions::{Holder, holder};
use super::{paged, position};

/// A token's row.
pub type TokenRow = api_token::Model;

/// The live token with this hash, if its user is active.
pub async fn by_hash(kernel: &Kernel, hash: &[u8], now: Timestamp) -> Result<Option<Holder>> {
    let sql = "SELECT t.id, u.id, t.last_used_at, u.role, r.permissions, t.permissions, t.kinds
               FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN roles r ON r.id = u.role_id
               WHERE t.token_hash = $1 AND t.expires_at > $2 AND t.revoked_at IS NULL AND u.status = 'ACTIVE'";
    holder(kernel, sql, hash, now).await
}

/// Notes that a token is in use. A lost note is no harm.
pub async fn touch(kernel: &Kernel, id: Uuid, now: Timestamp) -> Result<()> {
    sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)")
        .bind(id)
        .bind(now)
        .execute(&kernel.relaxed)
        .await?;
    Ok(())
}

pub async fn insert(db: &impl ConnectionTrait, row: TokenRow) -> Result<()> {
    Entity::insert(api_token::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Tokens of a user that still work.
pub async fn count_live(db: &impl ConnectionTrait, user: UserId, now: Timestamp) -> Result<u64> {
    let live = Entity::find()
        .filter(Column::UserId.eq(user.0))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now));
    Ok(live.count(db).await?)
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<TokenRow>> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// Revokes a token and all that were made with it, at any depth.
pub async fn revoke(db: &impl ConnectionTrait, id: ApiTokenId, now: Timestamp) -> Result<u64> {
    let sql = "WITH RECURSIVE made AS (
            SELECT id FROM api_tokens WHERE id = $1
            UNION SELECT t.id FROM api_tokens t JOIN made ON t.made_by = made.id
        ) UPDATE api_tokens SET revoked_at = $2 FROM made WHERE api_tokens.id = made.id AND revoked_at IS NULL";
    let statement =
        Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, [id.0.into(), now.into()]);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

/// Revokes all tokens of a user.
pub async fn revoke_of(db: &impl ConnectionTrait, user: UserId, now: Timestamp) -> Result<u64> {
    let all = Entity::update_many()
        .col_expr(Column::RevokedAt, sea_orm::sea_query::Expr::val(now))
        .filter(Column::UserId.eq(user.0))
        .filter(Column::RevokedAt.is_null());
    Ok(all.exec(db).await?.rows_affected)
}

/// A user's tokens, the dead ones too, newest first.
pub async fn page(db: &impl ConnectionTrait, user: UserId, args: &PageArgs) -> Result<(Page<TokenRow>, u64)> {
    let all = Entity::find().filter(Column::UserId.eq(user.0));
    let total = if args.counted {
        all.clone().count(db).await?
    } else {
        0
    };
    let rows = paged(all, Column::CreatedAt, Column::Id, args)?.all(db).await?;
    Ok((args.page(rows), total))
}

/// A token's position in lists.
pub fn cursor(row: &TokenRow) -> Cursor {
    position(row.created_at, row.id)
}
