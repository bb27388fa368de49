//! Users in the database; sessions, API tokens and roles beside.

use cronium_entity::enums::{UserRole, UserStatus};
use cronium_entity::user;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, Func, LockType, Order};
use sea_orm::{
    ActiveEnum as _, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

pub mod factors;
pub mod links;
pub mod oidc;
pub mod refresh;
pub mod roles;
pub mod sessions;
pub mod tokens;

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

/// Whether an account may be used; it stays like that until the transaction ends.
pub async fn is_active(db: &impl ConnectionTrait, id: UserId) -> Result<bool> {
    let row = user::Entity::find_by_id(id.0)
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.is_some_and(|row| row.status == UserStatus::Active))
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

/// What a list of people is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub text: Option<String>,
    /// A built-in role.
    pub role: Option<UserRole>,
    /// A custom role.
    pub custom: Option<RoleId>,
    pub status: Option<UserStatus>,
}

/// The pattern of what contains a text, as it is.
fn containing(text: &str) -> String {
    format!(
        "%{}%",
        text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
    )
}

fn filtered(filter: &Filter) -> Select<user::Entity> {
    let mut query = user::Entity::find();
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        let like = containing(text);
        let name = Expr::col(user::Column::Name).ilike(like.clone());
        query = query.filter(
            Condition::any()
                .add(name)
                .add(Expr::col(user::Column::Email).ilike(like)),
        );
    }
    if let Some(role) = filter.role {
        query = query
            .filter(user::Column::Role.eq(role))
            .filter(user::Column::RoleId.is_null());
    }
    if let Some(role) = filter.custom {
        query = query.filter(user::Column::RoleId.eq(role.0));
    }
    if let Some(status) = filter.status {
        query = query.filter(user::Column::Status.eq(status));
    }
    query
}

pub async fn count_matching(db: &impl ConnectionTrait, filter: &Filter) -> Result<u64> {
    Ok(filtered(filter).count(db).await?)
}

/// A user's position in lists.
pub fn cursor(row: &Row) -> Cursor {
    position(row.created_at, row.id)
}

/// The position of what was made at a moment.
pub fn position(at: Timestamp, id: Uuid) -> Cursor {
    Cursor {
        key: at.timestamp_micros().to_string(),
        id,
    }
}

/// Narrows a query to what lies after and before the cursors, newest first, and limits it to a page.
fn paged<E: EntityTrait>(
    mut query: Select<E>,
    created_at: E::Column,
    id: E::Column,
    args: &PageArgs,
) -> Result<Select<E>> {
    for (cursor, later) in [(&args.after, false), (&args.before, true)] {
        let Some(cursor) = cursor else { continue };
        let micros = cursor
            .key
            .parse()
            .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
        let row = Expr::tuple([Expr::col(created_at), Expr::col(id)]);
        let position = Expr::tuple([Expr::val(from_micros(micros)), Expr::val(cursor.id)]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if args.backward { Order::Asc } else { Order::Desc };
    Ok(query
        .order_by(created_at, direction.clone())
        .order_by(id, direction)
        .limit(args.limit()))
}

/// Newest first.
pub async fn page(db: &impl ConnectionTrait, filter: &Filter, args: &PageArgs) -> Result<Page<Row>> {
    let query = paged(filtered(filter), user::Column::CreatedAt, user::Column::Id, args)?;
    Ok(args.page(query.all(db).await?))
}

/// Locks a user and all active administrators, in one order, so that two changes of them come one after the
/// other. Gives the user, and how many other active administrators there are.
pub async fn lock(db: &impl ConnectionTrait, id: UserId) -> Result<(Row, usize)> {
    let admin = Condition::all()
        .add(user::Column::Role.eq(UserRole::Admin))
        .add(user::Column::Status.eq(UserStatus::Active));
    let rows = user::Entity::find()
        .filter(Condition::any().add(admin).add(user::Column::Id.eq(id.0)))
        .order_by(user::Column::Id, Order::Asc)
        .lock_exclusive()
        .all(db)
        .await?;
    let is_admin = |row: &Row| row.role == UserRole::Admin && row.status == UserStatus::Active;
    let others = rows.iter().filter(|row| row.id != id.0 && is_admin(row)).count();
    let row = rows.into_iter().find(|row| row.id == id.0);
    Ok((row.ok_or(Error::NotFound("user"))?, others))
}

/// Saves name, role and state.
pub async fn save(db: &impl ConnectionTrait, row: &Row) -> Result<()> {
    let changed = user::ActiveModel {
        id: Set(row.id),
        name: Set(row.name.clone()),
        role: Set(row.role),
        role_id: Set(row.role_id),
        status: Set(row.status),
        updated_at: Set(row.updated_at),
        ..Default::default()
    };
    user::Entity::update(changed).exec(db).await?;
    Ok(())
}

/// The stored name of a state.
pub fn status_name(status: UserStatus) -> String {
    status.to_value()
}
