//! Terminals in the database: their rows, who may see which, and their ends.

pub mod channel;
pub mod looks;
pub mod pieces;
pub mod typing;

use cronium_entity::enums::TerminalStatus;
use cronium_entity::server;
use cronium_entity::terminal::{self, Column, Entity};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::error::is_passing;
use crate::kernel::ids::{ServerId, TerminalId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

use super::model::Ending;
use super::sight::Sight;

/// A terminal's row.
pub type TerminalRow = terminal::Model;

/// What a list of terminals is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub open: Option<bool>,
    pub server: Option<ServerId>,
    /// Only the viewer's own.
    pub mine: bool,
}

/// What the viewer has opened, or their token.
fn own(sight: &Sight) -> Condition {
    let own = Condition::all().add(Column::OwnerId.eq(sight.viewer()));
    match sight.token() {
        Some(token) => own.add(Column::ApiTokenId.eq(token)),
        None => own,
    }
}

fn within(sight: &Sight) -> Condition {
    let mut seen = Condition::any().add(own(sight));
    if sight.all_servers() {
        seen = seen.add(Column::ServerId.is_not_null());
    } else if sight.own_and_shared_servers() {
        let usable = Condition::any()
            .add(server::Column::OwnerId.eq(sight.viewer()))
            .add(server::Column::Shared.eq(true));
        let usable = Query::select()
            .column(server::Column::Id)
            .from(server::Entity)
            .cond_where(usable)
            .to_owned();
        seen = seen.add(Column::ServerId.in_subquery(usable));
    }
    if sight.containers() {
        seen = seen.add(Column::ExecutionId.is_not_null());
    }
    seen
}

fn filtered(sight: &Sight, filter: &Filter) -> Select<Entity> {
    let mut query = Entity::find().filter(within(sight));
    match filter.open {
        Some(true) => query = query.filter(Column::Status.ne(TerminalStatus::Ended)),
        Some(false) => query = query.filter(Column::Status.eq(TerminalStatus::Ended)),
        None => {}
    }
    if let Some(server) = filter.server {
        query = query.filter(Column::ServerId.eq(server.0));
    }
    if filter.mine {
        query = query.filter(own(sight));
    }
    query
}

pub async fn count(db: &impl ConnectionTrait, sight: &Sight, filter: &Filter) -> Result<u64> {
    Ok(filtered(sight, filter).count(db).await?)
}

/// A terminal's position in lists.
pub fn cursor(row: &TerminalRow) -> Cursor {
    Cursor {
        key: row.created_at.timestamp_micros().to_string(),
        id: row.id,
    }
}

/// Newest first.
pub async fn page(
    db: &impl ConnectionTrait,
    sight: &Sight,
    filter: &Filter,
    args: &PageArgs,
) -> Result<Page<TerminalRow>> {
    let mut query = filtered(sight, filter);
    for (cursor, later) in [(&args.after, false), (&args.before, true)] {
        let Some(cursor) = cursor else { continue };
        let micros = cursor
            .key
            .parse()
            .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        let position = Expr::tuple([Expr::val(from_micros(micros)), Expr::val(cursor.id)]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if args.backward { Order::Asc } else { Order::Desc };
    let rows = query
        .order_by(Column::CreatedAt, direction.clone())
        .order_by(Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

pub async fn get(db: &impl ConnectionTrait, sight: &Sight, id: TerminalId) -> Result<TerminalRow> {
    let query = Entity::find_by_id(id.0).filter(within(sight));
    query.one(db).await?.ok_or(Error::NotFound("terminal"))
}

/// Those of the terminals that are in sight.
pub async fn seen(
    db: &impl ConnectionTrait,
    sight: &Sight,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<TerminalRow>> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .filter(within(sight))
        .all(db)
        .await?)
}

/// Lets nobody else open one until the transaction ends, so that the limits hold.
pub async fn lock_openings(tx: &DatabaseTransaction) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('terminals', 0))";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    Ok(())
}

/// How many are open: of this person, and of everybody.
pub async fn open(tx: &DatabaseTransaction, owner: Uuid) -> Result<(i64, i64)> {
    let sql = "SELECT count(*) FILTER (WHERE owner_id = $1) AS own, count(*) AS everybody
               FROM terminals WHERE status <> 'ENDED'";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [owner.into()]);
    let Some(row) = tx.query_one_raw(statement).await? else {
        return Ok((0, 0));
    };
    Ok((row.try_get("", "own")?, row.try_get("", "everybody")?))
}

/// A new one; from when it waits is said by the database's clock.
pub async fn insert(tx: &DatabaseTransaction, row: TerminalRow) -> Result<()> {
    let new = terminal::ActiveModel {
        contact_at: NotSet,
        ..row.into()
    };
    Entity::insert(new).exec_without_returning(tx).await?;
    Ok(())
}

/// Ends it and forgets what was not typed. `by`: only where this orchestrator has it. None: it has ended already.
pub async fn end(
    tx: &DatabaseTransaction,
    id: Uuid,
    by: Option<Uuid>,
    ending: &Ending,
    now: Timestamp,
) -> Result<Option<TerminalRow>> {
    let sql = "UPDATE terminals SET status = 'ENDED', status_reason = $3, exit_code = $4, ended_at = $5
         WHERE id = $1 AND status <> 'ENDED' AND ($2::uuid IS NULL OR orchestrator_id = $2) RETURNING *";
    let values = [
        id.into(),
        by.into(),
        ending.reason.as_str().into(),
        ending.exit_code.into(),
        now.into(),
    ];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let ended = Entity::find().from_raw_sql(statement).one(tx).await?;
    if ended.is_some() {
        // By itself, because it has to see what was typed while the row was waited for. Nothing is typed after that.
        let sql = "DELETE FROM terminal_input WHERE terminal_id = $1";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
        tx.execute_raw(statement).await?;
    }
    Ok(ended)
}

/// What another statement was in the way of is no fault of what was said: as where the database is away, it may be said
/// again.
pub fn passing(problem: Error) -> Error {
    match problem {
        Error::Internal(source) if is_passing(&*source) => Error::Unavailable(source),
        other => other,
    }
}
