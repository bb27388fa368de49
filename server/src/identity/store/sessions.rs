//! Sessions in the database, and the one statement that a request's credentials cost.

use cronium_entity::enums::UserRole;
use cronium_entity::session::{self, Column, Entity};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _,
};
use uuid::Uuid;

use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Kernel, Result, Timestamp};

use super::{paged, position};

/// A session's row.
pub type SessionRow = session::Model;

/// What credentials stand for, as one statement finds it.
#[derive(Debug)]
pub struct Holder {
    /// The session or the token.
    pub id: Uuid,
    pub user: UserId,
    pub seen_at: Option<Timestamp>,
    pub role: UserRole,
    /// Permissions of the custom role, which then stands instead of `role`.
    pub custom: Option<Vec<String>>,
    /// Permissions and kinds that a token is limited to.
    pub scopes: Option<Vec<String>>,
    pub kinds: Option<Vec<String>>,
}

type Found = (
    Uuid,
    Uuid,
    Option<Timestamp>,
    String,
    Option<Vec<String>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
);

fn read(found: Found) -> Result<Holder> {
    let (id, user, seen_at, role, custom, scopes, kinds) = found;
    Ok(Holder {
        id,
        user: UserId(user),
        seen_at,
        role: UserRole::try_from_value(&role)?,
        custom,
        scopes,
        kinds,
    })
}

/// Runs a statement that gives the columns of a holder for a hash and a moment.
pub async fn holder(
    kernel: &Kernel,
    sql: &'static str,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<Holder>> {
    let found: Option<Found> = sqlx::query_as(sql)
        .bind(hash)
        .bind(now)
        .fetch_optional(&kernel.pool)
        .await?;
    found.map(read).transpose()
}

/// Those of these sessions and tokens that are live, if their users are active.
pub async fn live(kernel: &Kernel, ids: &[Uuid], now: Timestamp) -> Result<Vec<Holder>> {
    let sql = "SELECT s.id, u.id, s.last_seen_at, u.role, r.permissions, NULL::text[], NULL::text[]
               FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN roles r ON r.id = u.role_id
               WHERE s.id = ANY($1) AND s.expires_at > $2 AND u.status = 'ACTIVE'
               UNION ALL
               SELECT t.id, u.id, t.last_used_at, u.role, r.permissions, t.permissions, t.kinds
               FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN roles r ON r.id = u.role_id
               WHERE t.id = ANY($1) AND t.expires_at > $2 AND t.revoked_at IS NULL AND u.status = 'ACTIVE'";
    let found: Vec<Found> = sqlx::query_as(sql)
        .bind(ids)
        .bind(now)
        .fetch_all(&kernel.pool)
        .await?;
    found.into_iter().map(read).collect()
}

/// The live session with this hash, if its user is active.
pub async fn by_hash(kernel: &Kernel, hash: &[u8], now: Timestamp) -> Result<Option<Holder>> {
    let sql = "SELECT s.id, u.id, s.last_seen_at, u.role, r.permissions, NULL::text[], NULL::text[]
               FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN roles r ON r.id = u.role_id
               WHERE s.token_hash = $1 AND s.expires_at > $2 AND u.status = 'ACTIVE'";
    holder(kernel, sql, hash, now).await
}

/// Notes that a session is in use. A lost note is no harm.
pub async fn touch(kernel: &Kernel, id: Uuid, now: Timestamp) -> Result<()> {
    sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2")
        .bind(id)
        .bind(now)
        .execute(&kernel.relaxed)
        .await?;
    Ok(())
}

pub async fn insert(db: &impl ConnectionTrait, row: SessionRow) -> Result<()> {
    Entity::insert(session::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Removes a session; gives it when it was there.
pub async fn remove(db: &impl ConnectionTrait, id: SessionId) -> Result<Option<SessionRow>> {
    let found = Entity::find_by_id(id.0).one(db).await?;
    let removed = Entity::delete_by_id(id.0).exec(db).await?;
    Ok(found.filter(|_| removed.rows_affected > 0))
}

pub async fn by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
    now: Timestamp,
) -> Result<Vec<SessionRow>> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .filter(Column::ExpiresAt.gt(now))
        .all(db)
        .await?)
}

/// Ends every session of a user but one, or all.
pub async fn remove_of(db: &impl ConnectionTrait, user: UserId, keep: Option<SessionId>) -> Result<u64> {
    let mut query = Entity::delete_many().filter(Column::UserId.eq(user.0));
    if let Some(keep) = keep {
        query = query.filter(Column::Id.ne(keep.0));
    }
    Ok(query.exec(db).await?.rows_affected)
}

pub async fn remove_expired(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64> {
    let old = Entity::delete_many().filter(Column::ExpiresAt.lte(now));
    Ok(old.exec(db).await?.rows_affected)
}

/// A user's live sessions, newest first.
pub async fn page(
    db: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
    args: &PageArgs,
) -> Result<(Page<SessionRow>, u64)> {
    let all = Entity::find()
        .filter(Column::UserId.eq(user.0))
        .filter(Column::ExpiresAt.gt(now));
    let total = if args.counted {
        all.clone().count(db).await?
    } else {
        0
    };
    let rows = paged(all, Column::CreatedAt, Column::Id, args)?.all(db).await?;
    Ok((args.page(rows), total))
}

/// A session's position in lists.
pub fn cursor(row: &SessionRow) -> crate::kernel::paging::Cursor {
    position(row.created_at, row.id)
}
