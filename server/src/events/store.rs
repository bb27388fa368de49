//! Events and versions in the database.

pub mod bulk;

use std::collections::BTreeMap;

use cronium_entity::enums::{EventKind, EventStatus};
use cronium_entity::{event, event_version, job};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func, LockType, Order, Query};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _,
    FromQueryResult as _, IntoActiveModel as _, JoinType, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::clock::from_micros;
use crate::kernel::ids::{EventId, EventVersionId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result};

use super::model::{Definition, EnvVar, Target};
use super::policy::{Policy, RetryPolicy};

/// An event's row.
pub type EventRow = event::Model;
/// A version's row.
pub type VersionRow = event_version::Model;

/// What a list of events is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub text: Option<String>,
    pub kinds: Vec<EventKind>,
    pub statuses: Vec<EventStatus>,
    pub tag: Option<String>,
}

/// Field that a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    CreatedAt,
    UpdatedAt,
    Name,
}

fn within(grant: &Grant) -> Condition {
    match grant.reach() {
        Reach::All => Condition::all(),
        Reach::Own(user) => Condition::all().add(event::Column::OwnerId.eq(user.0)),
        Reach::OwnAndShared(user) => Condition::any()
            .add(event::Column::OwnerId.eq(user.0))
            .add(event::Column::Shared.eq(true)),
    }
}

fn filtered(grant: &Grant, filter: &Filter) -> Select<event::Entity> {
    let mut query = event::Entity::find().filter(within(grant));
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        let like = format!(
            "%{}%",
            text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
        );
        let name = Expr::col(event::Column::Name).ilike(like.clone());
        query = query.filter(
            Condition::any()
                .add(name)
                .add(Expr::col(event::Column::Description).ilike(like)),
        );
    }
    if !filter.kinds.is_empty() {
        query = query.filter(event::Column::Kind.is_in(filter.kinds.iter().copied()));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(event::Column::Status.is_in(filter.statuses.iter().copied()));
    }
    if let Some(tag) = &filter.tag {
        query = query.filter(Expr::col(event::Column::Tags).contains(Expr::val(vec![tag.clone()])));
    }
    query
}

pub async fn count(db: &impl ConnectionTrait, grant: &Grant, filter: &Filter) -> Result<u64> {
    Ok(filtered(grant, filter).count(db).await?)
}

/// The position of a row in this order.
pub fn cursor(order: OrderBy, row: &EventRow) -> Cursor {
    let key = match order {
        OrderBy::CreatedAt => row.created_at.timestamp_micros().to_string(),
        OrderBy::UpdatedAt => row.updated_at.timestamp_micros().to_string(),
        OrderBy::Name => row.name.to_lowercase(),
    };
    Cursor { key, id: row.id }
}

pub async fn page(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    order: OrderBy,
    descending: bool,
    args: &PageArgs,
) -> Result<Page<EventRow>> {
    let key: Expr = match order {
        OrderBy::CreatedAt => Expr::col(event::Column::CreatedAt),
        OrderBy::UpdatedAt => Expr::col(event::Column::UpdatedAt),
        OrderBy::Name => Func::lower(Expr::col(event::Column::Name)).into(),
    };
    let mut query = filtered(grant, filter);
    for (cursor, later) in [(&args.after, !descending), (&args.before, descending)] {
        let Some(cursor) = cursor else { continue };
        let at = match order {
            OrderBy::Name => Expr::val(cursor.key.clone()),
            _ => {
                let micros = cursor
                    .key
                    .parse()
                    .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
                Expr::val(from_micros(micros))
            }
        };
        let row = Expr::tuple([key.clone(), Expr::col(event::Column::Id)]);
        let position = Expr::tuple([at, Expr::val(cursor.id)]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if descending == args.backward {
        Order::Asc
    } else {
        Order::Desc
    };
    let rows = query
        .order_by(key, direction.clone())
        .order_by(event::Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

pub async fn get(db: &impl ConnectionTrait, grant: &Grant, id: EventId) -> Result<EventRow> {
    event::Entity::find_by_id(id.0)
        .filter(within(grant))
        .one(db)
        .await?
        .ok_or(Error::NotFound("event"))
}

/// Those of the events that the grant covers.
pub async fn seen(
    db: &impl ConnectionTrait,
    grant: &Grant,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<EventRow>> {
    Ok(event::Entity::find()
        .filter(event::Column::Id.is_in(ids))
        .filter(within(grant))
        .all(db)
        .await?)
}

/// An event and its present version, in one trip.
pub async fn with_version(
    db: &impl ConnectionTrait,
    grant: &Grant,
    id: EventId,
) -> Result<(EventRow, VersionRow)> {
    let version = event::Entity::belongs_to(event_version::Entity)
        .from(event::Column::VersionId)
        .to(event_version::Column::Id);
    let found = event::Entity::find_by_id(id.0)
        .filter(within(grant))
        .join(JoinType::InnerJoin, version.into())
        .select_also(event_version::Entity)
        .one(db)
        .await?;
    let (event, version) = found.ok_or(Error::NotFound("event"))?;
    Ok((event, version.ok_or(Error::NotFound("event version"))?))
}

/// Adds to the run counters of events, in the order of their ids.
pub async fn count_runs(tx: &mut sqlx::PgConnection, runs: &BTreeMap<Uuid, i64>) -> Result<()> {
    sqlx::query(
        "WITH n AS (
             SELECT e.id, n.runs FROM events e JOIN unnest($1::uuid[], $2::bigint[]) AS n(id, runs) ON e.id = n.id
             ORDER BY e.id FOR UPDATE OF e
         ) UPDATE events e SET run_count = run_count + n.runs FROM n WHERE e.id = n.id",
    )
    .bind(runs.keys().copied().collect::<Vec<_>>())
    .bind(runs.values().copied().collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Locks the row against other changes until the transaction ends; jobs of the event are still accepted.
pub async fn lock_counter(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<EventRow>> {
    let query = event::Entity::find_by_id(id).lock(LockType::NoKeyUpdate);
    Ok(query.one(db).await?)
}

/// Locks the row until the transaction ends.
pub async fn lock(db: &impl ConnectionTrait, grant: &Grant, id: EventId) -> Result<EventRow> {
    let query = event::Entity::find_by_id(id.0)
        .filter(within(grant))
        .lock_exclusive();
    query.one(db).await?.ok_or(Error::NotFound("event"))
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<EventRow>> {
    Ok(event::Entity::find()
        .filter(event::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// Events whose present version names one of these words (letters, digits, underscores) in its source or environment,
/// as a whole one: word and event. Of one person and shared ones; None: of everybody. Every source is read through.
pub async fn naming(
    db: &impl ConnectionTrait,
    viewer: Option<UserId>,
    words: &[String],
) -> Result<Vec<(String, Uuid)>> {
    let any = words.join("|");
    // The first look leaves few events for the second, which is made for each word.
    let sql = r"WITH found AS MATERIALIZED (
             SELECT e.id, v.source || coalesce(v.http::text, '') AS source, v.environment
             FROM events e JOIN event_versions v ON v.id = e.version_id
             WHERE ($2::uuid IS NULL OR e.owner_id = $2 OR e.shared)
               AND (v.source ~ ('\m(' || $3 || ')\M') OR v.http::text ~ $3 OR v.environment::text ~ $3)
         ) SELECT word, f.id FROM found f CROSS JOIN unnest($1::text[]) AS word
         WHERE f.source ~ ('\m' || word || '\M') OR EXISTS (
             SELECT FROM jsonb_to_recordset(f.environment) AS e(name text, value text)
             WHERE e.name = word OR e.value ~ ('\m' || word || '\M'))";
    let values = [
        words.to_vec().into(),
        viewer.map(|user| user.0).into(),
        any.into(),
    ];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = db.query_all_raw(statement).await?;
    let pair = |row: sea_orm::QueryResult| Ok((row.try_get("", "word")?, row.try_get("", "id")?));
    rows.into_iter().map(pair).collect()
}

/// Events whose present version runs on these servers, with the server, by name; of each server so many at most. Of one
/// person and shared ones; None: of everybody.
pub async fn running_on(
    db: &impl ConnectionTrait,
    viewer: Option<UserId>,
    servers: Vec<Uuid>,
    each: i64,
) -> Result<Vec<(Uuid, EventRow)>> {
    let sql = "SELECT s.id AS on_server, e.* FROM unnest($1::uuid[]) AS s(id) CROSS JOIN LATERAL (
             SELECT e.* FROM event_versions v JOIN events e ON e.id = v.event_id AND e.version_id = v.id
             WHERE v.servers @> jsonb_build_object('servers', jsonb_build_array(jsonb_build_object('id', s.id)))
               AND ($2::uuid IS NULL OR e.owner_id = $2 OR e.shared)
             ORDER BY lower(e.name), e.id LIMIT $3
         ) e";
    let values = [servers.into(), viewer.map(|user| user.0).into(), each.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = db.query_all_raw(statement).await?;
    let pair = |row: sea_orm::QueryResult| {
        let event = EventRow::from_query_result(&row, "")?;
        Ok((row.try_get("", "on_server")?, event))
    };
    rows.into_iter().map(pair).collect()
}

pub async fn insert(db: &impl ConnectionTrait, row: EventRow) -> Result<()> {
    event::Entity::insert(event::ActiveModel::from(row))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

pub async fn save(db: &impl ConnectionTrait, row: EventRow) -> Result<()> {
    event::Entity::update(event::ActiveModel {
        id: Set(row.id),
        name: Set(row.name),
        description: Set(row.description),
        kind: Set(row.kind),
        status: Set(row.status),
        tags: Set(row.tags),
        shared: Set(row.shared),
        version_id: Set(row.version_id),
        version_number: Set(row.version_number),
        max_executions: Set(row.max_executions),
        counted_runs: Set(row.counted_runs),
        updated_at: Set(row.updated_at),
        ..Default::default()
    })
    .exec(db)
    .await?;
    Ok(())
}

/// Removes the event and those of its versions that no job ran.
pub async fn delete(db: &impl ConnectionTrait, id: EventId) -> Result<()> {
    let versions = event_version::Entity::find()
        .filter(event_version::Column::EventId.eq(id.0))
        .select_only()
        .column(event_version::Column::Id)
        .into_tuple::<Uuid>()
        .all(db)
        .await?;
    event::Entity::delete_by_id(id.0).exec(db).await?;
    let ran = Query::select()
        .column(job::Column::EventVersionId)
        .from(job::Entity)
        .to_owned();
    event_version::Entity::delete_many()
        .filter(event_version::Column::Id.is_in(versions))
        .filter(event_version::Column::Id.not_in_subquery(ran))
        .exec(db)
        .await?;
    Ok(())
}

pub async fn insert_version(db: &impl ConnectionTrait, row: VersionRow) -> Result<()> {
    event_version::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

pub async fn versions_by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<VersionRow>> {
    Ok(event_version::Entity::find()
        .filter(event_version::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

pub async fn version_of(db: &impl ConnectionTrait, event: EventId, id: EventVersionId) -> Result<VersionRow> {
    let query = event_version::Entity::find_by_id(id.0).filter(event_version::Column::EventId.eq(event.0));
    query.one(db).await?.ok_or(Error::NotFound("event version"))
}

/// Saved versions of one event, newest first.
pub async fn versions(
    db: &impl ConnectionTrait,
    event: EventId,
    args: &PageArgs,
) -> Result<(Page<VersionRow>, u64)> {
    let all = event_version::Entity::find()
        .filter(event_version::Column::EventId.eq(event.0))
        .filter(event_version::Column::AdHoc.eq(false));
    let total = if args.counted {
        all.clone().count(db).await?
    } else {
        0
    };
    let mut query = all;
    for (cursor, newer) in [(&args.after, false), (&args.before, true)] {
        let Some(cursor) = cursor else { continue };
        let number: i32 = cursor
            .key
            .parse()
            .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
        let column = event_version::Column::Number;
        query = query.filter(if newer {
            column.gt(number)
        } else {
            column.lt(number)
        });
    }
    let direction = if args.backward { Order::Asc } else { Order::Desc };
    let rows = query
        .order_by(event_version::Column::Number, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok((args.page(rows), total))
}

/// A version's row from its definition.
pub fn definition_columns(mut definition: Definition, row: VersionRow) -> VersionRow {
    // A set has no order: equal ones are stored, compared and queued as one.
    definition.labels.sort_unstable();
    let Policy {
        retry,
        overlap,
        max_concurrent,
        idempotent,
    } = definition.policy;
    VersionRow {
        kind: definition.kind,
        source: definition.source,
        http: definition
            .http
            .map(|http| serde_json::to_value(http).unwrap_or_default()),
        environment: serde_json::to_value(definition.environment).unwrap_or_default(),
        input_schema: definition.input_schema,
        image: definition.target.image,
        memory_bytes: definition.target.memory_bytes,
        cpu_millis: definition.target.cpu_millis,
        pids: definition.target.pids,
        network: definition.target.network,
        servers: definition
            .servers
            .map(|servers| serde_json::to_value(servers).unwrap_or_default()),
        timeout_ms: definition.timeout_ms,
        retry: (retry != RetryPolicy::default()).then(|| serde_json::to_value(retry).unwrap_or_default()),
        overlap,
        max_concurrent,
        idempotent,
        labels: definition.labels,
        ..row
    }
}

impl From<VersionRow> for Definition {
    fn from(row: VersionRow) -> Self {
        let environment: Vec<EnvVar> = serde_json::from_value(row.environment).unwrap_or_default();
        let target = Target {
            image: row.image,
            memory_bytes: row.memory_bytes,
            cpu_millis: row.cpu_millis,
            pids: row.pids,
            network: row.network,
        };
        let retry = row.retry.map(serde_json::from_value).transpose();
        // Whoever dispatches compares with the row: what is to run on servers runs in no container.
        let version = row.id;
        let unreadable = |problem: serde_json::Error| {
            tracing::error!(%version, %problem, "servers of a version can't be read");
        };
        let servers = row
            .servers
            .and_then(|servers| serde_json::from_value(servers).map_err(unreadable).ok());
        let policy = Policy {
            retry: retry.ok().flatten().unwrap_or_default(),
            overlap: row.overlap,
            max_concurrent: row.max_concurrent,
            idempotent: row.idempotent,
        };
        Self {
            kind: row.kind,
            source: row.source,
            http: row.http.and_then(|http| serde_json::from_value(http).ok()),
            environment,
            input_schema: row.input_schema,
            target,
            servers,
            timeout_ms: row.timeout_ms,
            policy,
            labels: row.labels,
        }
    }
}

/// What the audit log keeps of an event.
pub fn audited(row: &EventRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name,
        "description": row.description,
        "status": row.status.to_value(),
        "shared": row.shared,
        "tags": row.tags,
        "versionId": row.version_id,
        "versionNumber": row.version_number,
        "maxExecutions": row.max_executions,
        "countedRuns": row.counted_runs,
    })
}
