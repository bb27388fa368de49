//! Links that prove an address, in the database.

use chrono::TimeDelta;
use cronium_entity::account_link::{self, Column, Entity};
use cronium_entity::enums::LinkKind;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::kernel::ids::{InviteId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Result, Timestamp};

use super::{containing, paged, position};

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

/// Invitations are shown for another thirty days, so that they can be sent again.
pub async fn remove_expired(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64> {
    let shown = Condition::all()
        .add(Column::Kind.eq(LinkKind::Invite))
        .add(Column::ExpiresAt.gt(now - TimeDelta::days(30)));
    let old = Entity::delete_many()
        .filter(Column::ExpiresAt.lte(now))
        .filter(shown.not());
    Ok(old.exec(db).await?.rows_affected)
}

/// Whether an invitation can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    Open,
    Used,
    Expired,
}

/// What a list of invitations is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct InviteFilter {
    pub text: Option<String>,
    pub state: Option<InviteState>,
}

fn invites() -> Select<Entity> {
    Entity::find().filter(Column::Kind.eq(LinkKind::Invite))
}

/// Invitations, newest first, and how many there are, if that was asked.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &InviteFilter,
    now: Timestamp,
    args: &PageArgs,
) -> Result<(Page<LinkRow>, u64)> {
    let mut all = invites();
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        let like = containing(text);
        let name = Expr::col(Column::Name).ilike(like.clone());
        let any = Condition::any()
            .add(name)
            .add(Expr::col(Column::Email).ilike(like));
        all = all.filter(any);
    }
    all = match filter.state {
        Some(InviteState::Used) => all.filter(Column::UsedAt.is_not_null()),
        Some(InviteState::Open) => all
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now)),
        Some(InviteState::Expired) => all
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.lte(now)),
        None => all,
    };
    let total = if args.counted {
        all.clone().count(db).await?
    } else {
        0
    };
    let rows = paged(all, Column::CreatedAt, Column::Id, args)?.all(db).await?;
    Ok((args.page(rows), total))
}

/// An invitation's position in lists.
pub fn cursor(row: &LinkRow) -> Cursor {
    position(row.created_at, row.id)
}

pub async fn invites_by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<LinkRow>> {
    Ok(invites().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// An invitation that nobody else uses or changes until the transaction ends.
pub async fn lock_invite(db: &impl ConnectionTrait, id: InviteId) -> Result<Option<LinkRow>> {
    let query = invites().filter(Column::Id.eq(id.0)).lock_exclusive();
    Ok(query.one(db).await?)
}

pub async fn remove_by_id(db: &impl ConnectionTrait, id: InviteId) -> Result<()> {
    Entity::delete_by_id(id.0).exec(db).await?;
    Ok(())
}

/// Gives an invitation another secret, writer and end.
pub async fn renew(db: &impl ConnectionTrait, row: &LinkRow) -> Result<()> {
    let changed = account_link::ActiveModel {
        id: Set(row.id),
        token_hash: Set(row.token_hash.clone()),
        created_by: Set(row.created_by),
        expires_at: Set(row.expires_at),
        ..Default::default()
    };
    Entity::update(changed).exec(db).await?;
    Ok(())
}

/// The newest invitation to an address that still works.
pub async fn invitation(db: &impl ConnectionTrait, email: &str, now: Timestamp) -> Result<Option<LinkRow>> {
    let lowered = Expr::expr(Func::lower(Expr::col(Column::Email)));
    let query = Entity::find()
        .filter(lowered.eq(email.to_lowercase()))
        .filter(Column::Kind.eq(LinkKind::Invite))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::CreatedAt);
    Ok(query.one(db).await?)
}
