//! Many events of one statement, and names of them.

use std::collections::{BTreeMap, BTreeSet};

use cronium_entity::{event, event_version};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend,
    EntityTrait as _, IntoActiveModel as _, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select, Statement,
};
use uuid::Uuid;

use crate::access::Grant;
use crate::events::bulk::Chosen;
use crate::kernel::Result;
use crate::kernel::ids::UserId;

use super::{EventRow, Filter, VersionRow, filtered};

fn joined_to_versions(query: Select<event::Entity>) -> Select<event::Entity> {
    let version = event::Entity::belongs_to(event_version::Entity)
        .from(event::Column::VersionId)
        .to(event_version::Column::Id);
    query.join(JoinType::InnerJoin, version.into())
}

/// How many bytes the definitions of these events have; at most so many of them.
pub async fn sizes(
    db: &impl ConnectionTrait,
    grant: &Grant,
    chosen: &Chosen,
    most: u64,
) -> Result<BTreeMap<Uuid, i64>> {
    let query = match chosen {
        Chosen::Like(filter) => filtered(grant, filter),
        Chosen::These(ids) => {
            filtered(grant, &Filter::default()).filter(event::Column::Id.is_in(ids.iter().map(|id| id.0)))
        }
    };
    let size = Expr::cust(
        "octet_length(event_versions.source)::bigint + octet_length(event_versions.environment::text)
         + coalesce(octet_length(event_versions.http::text), 0)
         + coalesce(octet_length(event_versions.input_schema::text), 0)
         + coalesce(octet_length(event_versions.servers::text), 0)",
    );
    let rows: Vec<(Uuid, i64)> = joined_to_versions(query)
        .select_only()
        .column(event::Column::Id)
        .expr_as(size, "size")
        .limit(most)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Those of the events that the grant covers, with their present versions.
pub async fn with_versions(
    db: &impl ConnectionTrait,
    grant: &Grant,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<(EventRow, VersionRow)>> {
    let query = filtered(grant, &Filter::default()).filter(event::Column::Id.is_in(ids));
    both(db, query).await
}

/// Somebody's own events with these names, with their present versions.
pub async fn named(
    db: &impl ConnectionTrait,
    owner: UserId,
    names: &[&str],
) -> Result<Vec<(EventRow, VersionRow)>> {
    let query = event::Entity::find()
        .filter(event::Column::OwnerId.eq(owner.0))
        .filter(event::Column::Name.is_in(names.iter().copied()));
    both(db, query).await
}

async fn both(
    db: &impl ConnectionTrait,
    query: Select<event::Entity>,
) -> Result<Vec<(EventRow, VersionRow)>> {
    let rows = joined_to_versions(query)
        .select_also(event_version::Entity)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(event, version)| Some((event, version?)))
        .collect())
}

/// Names of somebody's own events that begin like this.
pub async fn names_beginning(
    db: &impl ConnectionTrait,
    owner: UserId,
    begins: impl IntoIterator<Item = String>,
) -> Result<BTreeSet<String>> {
    let sql = "SELECT DISTINCT e.name FROM events e JOIN unnest($2::text[]) AS b(begin) ON starts_with(e.name, b.begin)
               WHERE e.owner_id = $1";
    let values = [owner.0.into(), begins.into_iter().collect::<Vec<_>>().into()];
    let rows = db
        .query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    rows.into_iter().map(|row| Ok(row.try_get("", "name")?)).collect()
}

/// Holds off others who give names to this person's events by what is free, until the transaction ends.
pub async fn lock_names(tx: &DatabaseTransaction, owner: UserId) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let name = format!("names of events of {}", owner.0);
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()]);
    tx.execute_raw(lock).await?;
    Ok(())
}

/// Locks these rows until the transaction ends, in the order of their ids: as they are now, since runs go on and are
/// counted. None when one was changed or is gone.
pub async fn lock_unchanged(
    tx: &DatabaseTransaction,
    rows: &BTreeMap<Uuid, EventRow>,
) -> Result<Option<BTreeMap<Uuid, EventRow>>> {
    let found = event::Entity::find()
        .filter(event::Column::Id.is_in(rows.keys().copied()))
        .order_by_asc(event::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    let found: BTreeMap<_, _> = found.into_iter().map(|row| (row.id, row)).collect();
    let same = rows.iter().all(|(id, row)| {
        let now = found.get(id);
        now.is_some_and(|now| (now.updated_at, now.version_id) == (row.updated_at, row.version_id))
    });
    Ok(same.then_some(found))
}

/// New events and versions.
pub async fn insert_all(
    tx: &DatabaseTransaction,
    rows: Vec<EventRow>,
    versions: Vec<VersionRow>,
) -> Result<()> {
    if !rows.is_empty() {
        let rows = rows.into_iter().map(event::ActiveModel::from);
        event::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    if !versions.is_empty() {
        let versions = versions
            .into_iter()
            .map(|row| row.into_active_model().reset_all());
        event_version::Entity::insert_many(versions)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}
