//! Entries and the end of the chain in the database.

use cronium_entity::audit_entry::{self, Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, FromQueryResult,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    Statement,
};
use uuid::Uuid;

use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

use super::action::{AuditAction, AuditOutcome, stored};
use super::model::{Link, Record, hash};

/// An entry's row.
pub type Row = audit_entry::Model;

/// What the log is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub actor: Option<Uuid>,
    pub target: Option<Uuid>,
    pub token: Option<Uuid>,
    pub actions: Vec<AuditAction>,
    pub outcome: Option<AuditOutcome>,
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// Where the chain begins and ends.
#[derive(Debug, FromQueryResult)]
pub struct Head {
    pub genesis: Vec<u8>,
    pub seq: i64,
    pub hash: Vec<u8>,
    pub seal: Option<Vec<u8>>,
    /// The last row that is there.
    pub last: i64,
}

pub async fn head(db: &impl ConnectionTrait) -> Result<Head> {
    let sql = "SELECT genesis, seq, hash, seal, coalesce((SELECT max(seq) FROM audit_entries), 0) AS last FROM audit_head";
    let statement = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let head = Head::find_by_statement(statement).one(db).await?;
    head.ok_or_else(|| Error::internal("the audit log has no head"))
}

#[derive(FromQueryResult)]
struct End {
    seq: i64,
    hash: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Email {
    id: Uuid,
    email: String,
}

/// Appends entries at the end of the chain, which is locked until the transaction ends. The actors' addresses
/// are put in as they are now. `seal` seals the hash of the last one.
pub async fn append(
    tx: &DatabaseTransaction,
    records: Vec<Record>,
    seal: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
) -> Result<()> {
    let postgres = sea_orm::DbBackend::Postgres;
    let actors: Vec<Uuid> = records.iter().filter_map(|r| r.actor_id).collect();
    let emails = if actors.is_empty() {
        Vec::new()
    } else {
        let sql = "SELECT id, email FROM users WHERE id = ANY($1)";
        let statement = Statement::from_sql_and_values(postgres, sql, [actors.into()]);
        Email::find_by_statement(statement).all(tx).await?
    };
    let sql = "SELECT seq, hash FROM audit_head FOR UPDATE";
    let end = End::find_by_statement(Statement::from_string(postgres, sql))
        .one(tx)
        .await?;
    let mut end = end.ok_or_else(|| Error::internal("the audit log has no head"))?;
    let mut rows = Vec::with_capacity(records.len());
    for mut record in records {
        let email = emails.iter().find(|known| Some(known.id) == record.actor_id);
        record.actor_email = email.map(|known| known.email.clone());
        let seq = end.seq + 1;
        let hash = hash(seq, &end.hash, &record);
        let prev_hash = std::mem::replace(&mut end.hash, hash.clone());
        end.seq = seq;
        rows.push(row(seq, prev_hash, hash, record).into_active_model());
    }
    Entity::insert_many(rows).exec_without_returning(tx).await?;
    let sql = "UPDATE audit_head SET seq = $1, hash = $2, seal = $3";
    let seal = seal(&end.hash)?;
    let values = [end.seq.into(), end.hash.into(), seal.into()];
    let moved = Statement::from_sql_and_values(postgres, sql, values);
    tx.execute_raw(moved).await?;
    Ok(())
}

fn row(seq: i64, prev_hash: Vec<u8>, hash: Vec<u8>, record: Record) -> Row {
    Row {
        seq,
        id: record.id,
        at: record.at,
        actor_id: record.actor_id,
        actor_email: record.actor_email,
        session_id: record.session_id,
        api_token_id: record.api_token_id,
        address: record.address,
        action: record.action,
        outcome: record.outcome,
        target_kind: record.target_kind,
        target_id: record.target_id,
        target_name: record.target_name,
        before: record.before,
        after: record.after,
        prev_hash,
        hash,
    }
}

fn link(row: Row) -> Link {
    Link {
        seq: row.seq,
        prev_hash: row.prev_hash,
        hash: row.hash,
        record: Record {
            id: row.id,
            at: row.at,
            actor_id: row.actor_id,
            actor_email: row.actor_email,
            session_id: row.session_id,
            api_token_id: row.api_token_id,
            address: row.address,
            action: row.action,
            outcome: row.outcome,
            target_kind: row.target_kind,
            target_id: row.target_id,
            target_name: row.target_name,
            before: row.before,
            after: row.after,
        },
    }
}

/// Entries after one, oldest first.
pub async fn links(db: &impl ConnectionTrait, after: i64, limit: u64) -> Result<Vec<Link>> {
    let query = Entity::find()
        .filter(Column::Seq.gt(after))
        .order_by(Column::Seq, Order::Asc);
    let rows = query.limit(limit).all(db).await?;
    Ok(rows.into_iter().map(link).collect())
}

fn filtered(filter: &Filter) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(actor) = filter.actor {
        query = query.filter(Column::ActorId.eq(actor));
    }
    if let Some(target) = filter.target {
        query = query.filter(Column::TargetId.eq(target));
    }
    if let Some(token) = filter.token {
        query = query.filter(Column::ApiTokenId.eq(token));
    }
    if !filter.actions.is_empty() {
        query = query.filter(Column::Action.is_in(filter.actions.iter().map(|action| stored(*action))));
    }
    if let Some(outcome) = filter.outcome {
        query = query.filter(Column::Outcome.eq(stored(outcome)));
    }
    if let Some(at) = filter.after {
        query = query.filter(Column::At.gt(at));
    }
    if let Some(at) = filter.before {
        query = query.filter(Column::At.lt(at));
    }
    query
}

pub async fn count(db: &impl ConnectionTrait, filter: &Filter) -> Result<u64> {
    Ok(filtered(filter).count(db).await?)
}

/// An entry's position in lists.
pub fn cursor(row: &Row) -> Cursor {
    Cursor {
        key: row.seq.to_string(),
        id: row.id,
    }
}

/// Newest first.
pub async fn page(db: &impl ConnectionTrait, filter: &Filter, args: &PageArgs) -> Result<Page<Row>> {
    let mut query = filtered(filter);
    for (cursor, later) in [(&args.after, false), (&args.before, true)] {
        let Some(cursor) = cursor else { continue };
        let seq: i64 = cursor
            .key
            .parse()
            .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
        let column = Expr::col(Column::Seq);
        query = query.filter(if later { column.gt(seq) } else { column.lt(seq) });
    }
    let direction = if args.backward { Order::Asc } else { Order::Desc };
    let rows = query
        .order_by(Column::Seq, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<Row>> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}
