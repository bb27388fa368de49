//! Variables in the database.

use cronium_entity::enums::VariableScope;
use cronium_entity::variable::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Order};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction,
    DbBackend, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::ids::{ExecutionId, UserId, VariableId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result};

use super::model::{Candidate, MOST};

/// A variable's row.
pub type VariableRow = Model;

/// What a list of variables is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub text: Option<String>,
    pub scope: Option<VariableScope>,
    pub secret: Option<bool>,
    pub owner: Option<UserId>,
}

/// Where keys are unique: among a person's own ones, among the shared ones, among the installation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub scope: VariableScope,
    /// Whose a variable is that is there, or would be put there.
    pub owner: Option<UserId>,
}

impl Place {
    pub fn new(scope: VariableScope, owner: UserId) -> Self {
        let owner = (scope != VariableScope::Global).then_some(owner);
        Self { scope, owner }
    }

    fn keys(self) -> Condition {
        let all = Condition::all().add(Column::Scope.eq(self.scope));
        match self.owner {
            Some(owner) if self.scope == VariableScope::Own => all.add(Column::OwnerId.eq(owner.0)),
            _ => all,
        }
    }

    fn held(self) -> Condition {
        match self.owner {
            Some(owner) => self.keys().add(Column::OwnerId.eq(owner.0)),
            None => self.keys(),
        }
    }

    fn lock_name(self) -> String {
        match self.owner {
            Some(owner) if self.scope == VariableScope::Own => format!("variables/{owner}"),
            _ => format!("variables/{}", self.scope.to_value()),
        }
    }
}

/// What may be seen: own variables, and what is shared or global.
fn visible(grant: &Grant) -> Condition {
    match grant.reach() {
        Reach::All => Condition::all(),
        Reach::Own(user) => Condition::all().add(Column::OwnerId.eq(user.0)),
        Reach::OwnAndShared(user) => Condition::any()
            .add(Column::OwnerId.eq(user.0))
            .add(Column::Scope.ne(VariableScope::Own)),
    }
}

fn filtered(grant: &Grant, filter: &Filter) -> Select<Entity> {
    let mut query = Entity::find().filter(visible(grant));
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        let like = format!(
            "%{}%",
            text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
        );
        let key = Expr::col(Column::Key).ilike(like.clone());
        query = query.filter(
            Condition::any()
                .add(key)
                .add(Expr::col(Column::Description).ilike(like)),
        );
    }
    if let Some(scope) = filter.scope {
        query = query.filter(Column::Scope.eq(scope));
    }
    if let Some(owner) = filter.owner {
        query = query.filter(Column::OwnerId.eq(owner.0));
    }
    match filter.secret {
        Some(true) => query.filter(Column::Sealed.is_not_null()),
        Some(false) => query.filter(Column::Sealed.is_null()),
        None => query,
    }
}

pub async fn count(db: &impl ConnectionTrait, grant: &Grant, filter: &Filter) -> Result<u64> {
    Ok(filtered(grant, filter).count(db).await?)
}

/// A variable's position in lists.
pub fn cursor(row: &VariableRow) -> Cursor {
    Cursor {
        key: row.key.clone(),
        id: row.id,
    }
}

/// By key.
pub async fn page(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    args: &PageArgs,
) -> Result<Page<VariableRow>> {
    let mut query = filtered(grant, filter);
    for (cursor, later) in [(&args.after, true), (&args.before, false)] {
        let Some(cursor) = cursor else { continue };
        let row = Expr::tuple([Expr::col(Column::Key), Expr::col(Column::Id)]);
        let position = Expr::tuple([Expr::val(cursor.key.clone()), Expr::val(cursor.id)]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if args.backward { Order::Desc } else { Order::Asc };
    let rows = query
        .order_by(Column::Key, direction.clone())
        .order_by(Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

/// Those of the variables that the grant lets see.
pub async fn seen(
    db: &impl ConnectionTrait,
    grant: &Grant,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<VariableRow>> {
    Ok(Entity::find()
        .filter(Column::Id.is_in(ids))
        .filter(visible(grant))
        .all(db)
        .await?)
}

/// All of a scope that are there for somebody, by key: their own ones, everybody's shared ones, the installation's.
pub async fn all_of(
    db: &impl ConnectionTrait,
    scope: VariableScope,
    person: UserId,
) -> Result<Vec<VariableRow>> {
    Ok(Entity::find()
        .filter(Place::new(scope, person).keys())
        .order_by(Column::Key, Order::Asc)
        .all(db)
        .await?)
}

/// Bytes of keys, values and descriptions that `all_of` would give.
pub async fn size_of(db: &impl ConnectionTrait, scope: VariableScope, person: UserId) -> Result<i64> {
    let size = "COALESCE(sum(octet_length(key) + octet_length(description)
        + COALESCE(octet_length(value), octet_length(sealed))), 0)::bigint";
    let size: Option<i64> = Entity::find()
        .filter(Place::new(scope, person).keys())
        .select_only()
        .expr(Expr::cust(size))
        .into_tuple()
        .one(db)
        .await?;
    Ok(size.unwrap_or_default())
}

/// Lets nobody else make a variable in this place until the transaction ends. Taken before rows are locked.
pub async fn lock_place(tx: &DatabaseTransaction, place: Place) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [place.lock_name().into()]);
    tx.execute_raw(lock).await?;
    Ok(())
}

/// How many more may be made in this place, which is locked.
pub async fn room(tx: &DatabaseTransaction, place: Place) -> Result<i64> {
    let count = Entity::find().filter(place.held()).count(tx).await?;
    Ok(MOST - i64::try_from(count).unwrap_or(i64::MAX))
}

/// Locks the variable until the transaction ends.
pub async fn lock(tx: &DatabaseTransaction, id: VariableId) -> Result<VariableRow> {
    let query = Entity::find_by_id(id.0).lock_exclusive();
    query.one(tx).await?.ok_or(Error::NotFound("variable"))
}

/// Without locking it.
pub async fn get(db: &impl ConnectionTrait, id: VariableId) -> Result<VariableRow> {
    let found = Entity::find_by_id(id.0).one(db).await?;
    found.ok_or(Error::NotFound("variable"))
}

/// Locks the variables with these keys that are in the place, by key.
pub async fn lock_keys(
    tx: &DatabaseTransaction,
    place: Place,
    keys: impl IntoIterator<Item = &str>,
) -> Result<Vec<VariableRow>> {
    Ok(Entity::find()
        .filter(place.keys())
        .filter(Column::Key.is_in(keys))
        .order_by(Column::Key, Order::Asc)
        .lock_exclusive()
        .all(tx)
        .await?)
}

/// The variable that the scripts of a person mean by a key: own before shared before global.
const MEANT: &str = "SELECT * FROM variables WHERE key = $1 AND (scope <> 'OWN' OR owner_id = $2)
    ORDER BY CASE scope WHEN 'OWN' THEN 0 WHEN 'SHARED' THEN 1 ELSE 2 END LIMIT 1";

fn meant_by(sql: String, person: UserId, key: &str) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, [key.into(), person.0.into()])
}

pub async fn meant(db: &impl ConnectionTrait, person: UserId, key: &str) -> Result<Option<VariableRow>> {
    let statement = meant_by(MEANT.into(), person, key);
    Ok(Entity::find().from_raw_sql(statement).one(db).await?)
}

/// The same, locked until the transaction ends.
pub async fn lock_meant(tx: &DatabaseTransaction, person: UserId, key: &str) -> Result<Option<VariableRow>> {
    let statement = meant_by(format!("{MEANT} FOR UPDATE"), person, key);
    Ok(Entity::find().from_raw_sql(statement).one(tx).await?)
}

/// Whether an execution changes a key in a scope for the first time; noted with the change.
pub async fn first_change(
    tx: &DatabaseTransaction,
    execution: ExecutionId,
    row: &VariableRow,
) -> Result<bool> {
    let sql =
        "INSERT INTO runtime_changes (execution_id, key, scope) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let values = [
        execution.0.into(),
        row.key.as_str().into(),
        row.scope.to_value().into(),
    ];
    let done = tx
        .execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    Ok(done.rows_affected() > 0)
}

/// All variables with one of these keys, as far as it matters for who means which.
pub async fn candidates(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = &str>,
) -> Result<Vec<(String, Candidate)>> {
    let rows: Vec<(String, Uuid, VariableScope, Option<Uuid>)> = Entity::find()
        .filter(Column::Key.is_in(keys))
        .select_only()
        .columns([Column::Key, Column::Id, Column::Scope, Column::OwnerId])
        .into_tuple()
        .all(db)
        .await?;
    let candidate = |(key, id, scope, owner)| (key, Candidate { id, scope, owner });
    Ok(rows.into_iter().map(candidate).collect())
}

pub async fn insert(tx: &DatabaseTransaction, rows: impl IntoIterator<Item = VariableRow>) -> Result<()> {
    let rows: Vec<_> = rows.into_iter().map(ActiveModel::from).collect();
    // No more than the protocol's parameters allow.
    for some in rows.chunks(500) {
        Entity::insert_many(some.to_vec())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

pub async fn save(tx: &DatabaseTransaction, row: VariableRow) -> Result<()> {
    Entity::update(row.into_active_model().reset_all())
        .exec(tx)
        .await?;
    Ok(())
}

pub async fn delete(tx: &DatabaseTransaction, id: VariableId) -> Result<()> {
    Entity::delete_by_id(id.0).exec(tx).await?;
    Ok(())
}

/// What the audit log keeps of a variable: never its value.
pub fn audited(row: &VariableRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.key,
        "scope": row.scope.to_value(),
        "ownerId": row.owner_id,
        "secret": row.sealed.is_some(),
        "description": row.description,
        "version": row.version,
    })
}
