//! Servers and their checks in the database.

pub mod errands;
pub mod runs;

use std::collections::BTreeMap;

use cronium_entity::enums::ServerStatus;
use cronium_entity::{server, server_check};
use cronium_protocol::host::HostFigures;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func, LockType, Order};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction,
    DbBackend, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select, Statement,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::ids::{ServerId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::storable::number;
use crate::kernel::{Error, Result, Timestamp};

use super::model::{Found, MAX_JUMPS};

/// A server's row.
pub type ServerRow = server::Model;
/// A check's row.
pub type CheckRow = server_check::Model;

/// What a list of servers is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub text: Option<String>,
    /// All of them.
    pub tags: Vec<String>,
    pub statuses: Vec<ServerStatus>,
    pub shared: Option<bool>,
    pub owner: Option<UserId>,
}

/// What those who watch servers would see changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    pub version: i32,
    pub status: ServerStatus,
    pub last_check: Option<Uuid>,
}

impl From<&ServerRow> for Face {
    fn from(row: &ServerRow) -> Self {
        Self {
            version: row.version,
            status: row.status,
            last_check: row.last_check_id,
        }
    }
}

fn of(viewer: UserId) -> Condition {
    Condition::any()
        .add(server::Column::OwnerId.eq(viewer.0))
        .add(server::Column::Shared.eq(true))
}

fn within(grant: &Grant) -> Condition {
    match grant.reach() {
        Reach::All => Condition::all(),
        Reach::Own(user) => Condition::all().add(server::Column::OwnerId.eq(user.0)),
        Reach::OwnAndShared(user) => of(user),
    }
}

fn filtered(grant: &Grant, filter: &Filter) -> Select<server::Entity> {
    let mut query = server::Entity::find().filter(within(grant));
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        let like = format!(
            "%{}%",
            text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
        );
        let name = Expr::col(server::Column::Name).ilike(like.clone());
        let host = Expr::col(server::Column::Host).ilike(like);
        query = query.filter(Condition::any().add(name).add(host));
    }
    if !filter.tags.is_empty() {
        query = query.filter(Expr::col(server::Column::Tags).contains(Expr::val(filter.tags.clone())));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(server::Column::Status.is_in(filter.statuses.iter().copied()));
    }
    if let Some(shared) = filter.shared {
        query = query.filter(server::Column::Shared.eq(shared));
    }
    if let Some(owner) = filter.owner {
        query = query.filter(server::Column::OwnerId.eq(owner.0));
    }
    query
}

pub async fn count(db: &impl ConnectionTrait, grant: &Grant, filter: &Filter) -> Result<u64> {
    Ok(filtered(grant, filter).count(db).await?)
}

/// A server's position in lists.
pub fn cursor(row: &ServerRow) -> Cursor {
    Cursor {
        key: row.name.clone(),
        id: row.id,
    }
}

/// By name, case ignored.
pub async fn page(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    args: &PageArgs,
) -> Result<Page<ServerRow>> {
    let key: Expr = Func::lower(Expr::col(server::Column::Name)).into();
    let mut query = filtered(grant, filter);
    for (cursor, later) in [(&args.after, true), (&args.before, false)] {
        let Some(cursor) = cursor else { continue };
        let row = Expr::tuple([key.clone(), Expr::col(server::Column::Id)]);
        let position = Expr::tuple([
            Func::lower(Expr::val(cursor.key.clone())).into(),
            Expr::val(cursor.id),
        ]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if args.backward { Order::Desc } else { Order::Asc };
    let rows = query
        .order_by(key, direction.clone())
        .order_by(server::Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

pub async fn get(db: &impl ConnectionTrait, grant: &Grant, id: ServerId) -> Result<ServerRow> {
    let query = server::Entity::find_by_id(id.0).filter(within(grant));
    query.one(db).await?.ok_or(Error::NotFound("server"))
}

/// Without asking whose it is: for what goes on by itself.
pub async fn find(db: &impl ConnectionTrait, id: ServerId) -> Result<Option<ServerRow>> {
    Ok(server::Entity::find_by_id(id.0).one(db).await?)
}

/// Those of the servers that the grant covers.
pub async fn seen(
    db: &impl ConnectionTrait,
    grant: &Grant,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<ServerRow>> {
    Ok(server::Entity::find()
        .filter(server::Column::Id.is_in(ids))
        .filter(within(grant))
        .all(db)
        .await?)
}

pub async fn by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<ServerRow>> {
    Ok(server::Entity::find()
        .filter(server::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// Those that the grant covers, as far as it matters for watching; so many at most.
pub async fn faces(db: &impl ConnectionTrait, grant: &Grant, most: u64) -> Result<BTreeMap<Uuid, Face>> {
    let rows: Vec<(Uuid, i32, ServerStatus, Option<Uuid>)> = server::Entity::find()
        .filter(within(grant))
        .order_by_asc(server::Column::Id)
        .limit(most)
        .select_only()
        .columns([
            server::Column::Id,
            server::Column::Version,
            server::Column::Status,
            server::Column::LastCheckId,
        ])
        .into_tuple()
        .all(db)
        .await?;
    let face = |(id, version, status, last_check)| {
        let face = Face {
            version,
            status,
            last_check,
        };
        (id, face)
    };
    Ok(rows.into_iter().map(face).collect())
}

/// A server and those that it is reached through, the nearest first; one more than there may be.
pub async fn way(db: &impl ConnectionTrait, id: Uuid) -> Result<Vec<ServerRow>> {
    let sql = "WITH RECURSIVE way AS (
             SELECT id, jump_server_id, 0 AS step FROM servers WHERE id = $1
             UNION ALL
             SELECT s.id, s.jump_server_id, way.step + 1 FROM servers s JOIN way ON s.id = way.jump_server_id
             WHERE way.step < $2
         ) SELECT s.* FROM way JOIN servers s ON s.id = way.id ORDER BY way.step";
    let values = [id.into(), (MAX_JUMPS as i32).into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(server::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// How many servers stand behind each other behind this one, up to one more than there may be.
pub async fn depth_behind(db: &impl ConnectionTrait, id: Uuid) -> Result<usize> {
    let sql = "WITH RECURSIVE behind AS (
             SELECT id, 0 AS step FROM servers WHERE id = $1
             UNION ALL
             SELECT s.id, behind.step + 1 FROM servers s JOIN behind ON s.jump_server_id = behind.id
             WHERE behind.step <= $2
         ) SELECT coalesce(max(step), 0) AS depth FROM behind";
    let values = [id.into(), (MAX_JUMPS as i32).into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let row = db.query_one_raw(statement).await?;
    let depth: i32 = match row {
        Some(row) => row.try_get("", "depth")?,
        None => 0,
    };
    Ok(usize::try_from(depth).unwrap_or_default())
}

/// How many are reached through this one, whoever they belong to.
pub async fn count_behind(db: &impl ConnectionTrait, id: ServerId) -> Result<u64> {
    let query = server::Entity::find().filter(server::Column::JumpServerId.eq(id.0));
    Ok(query.count(db).await?)
}

/// Those that are reached through these, by name; of each so many at most. `viewer`: own and shared ones; None: all.
pub async fn behind(
    db: &impl ConnectionTrait,
    ids: Vec<Uuid>,
    viewer: Option<Uuid>,
    each: i64,
) -> Result<Vec<ServerRow>> {
    let sql = "SELECT s.* FROM unnest($1::uuid[]) AS way(id) CROSS JOIN LATERAL (
             SELECT * FROM servers
             WHERE jump_server_id = way.id AND ($2::uuid IS NULL OR owner_id = $2 OR shared)
             ORDER BY lower(name), id LIMIT $3
         ) s";
    let values = [ids.into(), viewer.into(), each.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(server::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// How many somebody has.
pub async fn owned(db: &impl ConnectionTrait, owner: UserId) -> Result<u64> {
    let query = server::Entity::find().filter(server::Column::OwnerId.eq(owner.0));
    Ok(query.count(db).await?)
}

/// Whether another server of this person has the name, case ignored.
pub async fn is_taken(
    db: &impl ConnectionTrait,
    owner: UserId,
    name: &str,
    but: Option<Uuid>,
) -> Result<bool> {
    let lower: Expr = Func::lower(Expr::col(server::Column::Name)).into();
    let wanted: Expr = Func::lower(Expr::val(name)).into();
    let mut query = server::Entity::find()
        .filter(server::Column::OwnerId.eq(owner.0))
        .filter(lower.eq(wanted));
    if let Some(id) = but {
        query = query.filter(server::Column::Id.ne(id));
    }
    Ok(query.count(db).await? > 0)
}

async fn lock_name(tx: &DatabaseTransaction, name: String) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()]);
    tx.execute_raw(lock).await?;
    Ok(())
}

/// Lets nobody else name a server of this person until the transaction ends. Taken before rows are locked.
pub async fn lock_names(tx: &DatabaseTransaction, owner: UserId) -> Result<()> {
    lock_name(tx, format!("servers/{owner}")).await
}

/// Lets nobody else change which server is reached through which until the transaction ends. Taken before rows are
/// locked.
pub async fn lock_ways(tx: &DatabaseTransaction) -> Result<()> {
    lock_name(tx, "servers/ways".to_owned()).await
}

/// Locks the row until the transaction ends.
pub async fn lock(tx: &DatabaseTransaction, grant: &Grant, id: ServerId) -> Result<ServerRow> {
    let query = server::Entity::find_by_id(id.0)
        .filter(within(grant))
        .lock_exclusive();
    query.one(tx).await?.ok_or(Error::NotFound("server"))
}

/// The same without asking whose it is: for what goes on by itself.
pub async fn lock_any(tx: &DatabaseTransaction, id: ServerId) -> Result<Option<ServerRow>> {
    Ok(server::Entity::find_by_id(id.0).lock_exclusive().one(tx).await?)
}

/// Keeps the row from being removed until the transaction ends; false: it is gone.
pub async fn hold(tx: &DatabaseTransaction, id: ServerId) -> Result<bool> {
    let query = server::Entity::find_by_id(id.0).lock(LockType::KeyShare);
    Ok(query.one(tx).await?.is_some())
}

pub async fn insert(tx: &DatabaseTransaction, row: ServerRow) -> Result<()> {
    server::Entity::insert(server::ActiveModel::from(row))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

pub async fn save(tx: &DatabaseTransaction, row: ServerRow) -> Result<()> {
    server::Entity::update(server::ActiveModel::from(row).reset_all())
        .exec(tx)
        .await?;
    Ok(())
}

pub async fn delete(tx: &DatabaseTransaction, id: ServerId) -> Result<()> {
    server::Entity::delete_by_id(id.0).exec(tx).await?;
    Ok(())
}

/// Keeps the key that a server has shown, which somebody had confirmed.
pub async fn pin(tx: &DatabaseTransaction, id: ServerId, key: String) -> Result<()> {
    let changed = server::ActiveModel {
        id: Set(id.0),
        host_key: Set(Some(key)),
        ..Default::default()
    };
    server::Entity::update(changed).exec(tx).await?;
    Ok(())
}

/// How a server is after this check, which is kept.
pub async fn conclude(tx: &DatabaseTransaction, status: ServerStatus, check: CheckRow) -> Result<()> {
    let changed = server::ActiveModel {
        id: Set(check.server_id),
        status: Set(status),
        status_reason: Set(check.message.clone()),
        last_check_id: Set(Some(check.id)),
        ..Default::default()
    };
    insert_check(tx, check).await?;
    server::Entity::update(changed).exec(tx).await?;
    Ok(())
}

pub async fn insert_check(tx: &DatabaseTransaction, check: CheckRow) -> Result<()> {
    server_check::Entity::insert(server_check::ActiveModel::from(check))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// The row of what a check found.
pub fn check_row(id: Uuid, server: ServerId, at: Timestamp, found: &Found<HostFigures>) -> CheckRow {
    let trouble = found.as_ref().err();
    let figures = found.as_ref().cloned().unwrap_or_default();
    CheckRow {
        id,
        server_id: server.0,
        at,
        trouble: trouble.map(|trouble| trouble.kind),
        message: trouble.map(super::model::Trouble::message),
        latency_us: found.as_ref().ok().map(|figures| number(figures.latency_us)),
        system: short(figures.system),
        machine: short(figures.machine),
        processors: figures.processors.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
        // Neither Postgres' JSON nor GraphQL has other numbers.
        load_average: figures.load_average.filter(|load| load.is_finite()),
        memory_used: figures.memory_used.map(number),
        memory_total: figures.memory_total.map(number),
        disk_used: figures.disk_used.map(number),
        disk_total: figures.disk_total.map(number),
        runner_version: short(figures.runner_version),
    }
}

/// What a host says of itself, as one short line.
fn short(text: Option<String>) -> Option<String> {
    let text: String = crate::kernel::naming::plain(&text?)
        .trim()
        .chars()
        .take(120)
        .collect();
    (!text.is_empty()).then_some(text)
}

pub async fn checks_by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<CheckRow>> {
    Ok(server_check::Entity::find()
        .filter(server_check::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// A check's position in lists.
pub fn check_cursor(row: &CheckRow) -> Cursor {
    Cursor {
        key: String::new(),
        id: row.id,
    }
}

/// Checks of one server, newest first.
pub async fn checks(
    db: &impl ConnectionTrait,
    server: ServerId,
    args: &PageArgs,
) -> Result<(Page<CheckRow>, u64)> {
    let all = server_check::Entity::find().filter(server_check::Column::ServerId.eq(server.0));
    let total = if args.counted {
        all.clone().count(db).await?
    } else {
        0
    };
    let mut query = all;
    for (cursor, newer) in [(&args.after, false), (&args.before, true)] {
        let Some(cursor) = cursor else { continue };
        let column = server_check::Column::Id;
        query = query.filter(if newer {
            column.gt(cursor.id)
        } else {
            column.lt(cursor.id)
        });
    }
    let direction = if args.backward { Order::Asc } else { Order::Desc };
    let rows = query
        .order_by(server_check::Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok((args.page(rows), total))
}

/// What the audit log keeps of a server: never how to sign in.
pub fn audited(row: &ServerRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name,
        "address": row.host,
        "port": row.port,
        "username": row.login,
        "signIn": row.sign_in.to_value(),
        "authorizedKeysLine": row.public_key,
        "hostKeyFingerprint": row.host_key_fingerprint,
        "jumpServerId": row.jump_server_id,
        "tags": row.tags,
        "shared": row.shared,
        "checkIntervalSeconds": row.check_interval_secs,
        "version": row.version,
    })
}
