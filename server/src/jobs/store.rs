//! Jobs and executions in the database.

use cronium_entity::enums::{JobStatus, Trigger};
use cronium_entity::{execution, idempotency_key, job, outbox};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, OnConflict, Order};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::clock::from_micros;
use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

/// A job's row.
pub type JobRow = job::Model;
/// An execution's row.
pub type ExecutionRow = execution::Model;

/// What a list of jobs is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub statuses: Vec<JobStatus>,
    pub event: Option<EventId>,
    pub triggers: Vec<Trigger>,
    pub text: Option<String>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
}

fn within(grant: &Grant) -> Condition {
    match grant.reach() {
        Reach::All => Condition::all(),
        Reach::Own(user) | Reach::OwnAndShared(user) => Condition::any()
            .add(job::Column::OwnerId.eq(user.0))
            .add(job::Column::ActorId.eq(user.0)),
    }
}

fn filtered(grant: &Grant, filter: &Filter) -> Select<job::Entity> {
    let mut query = job::Entity::find().filter(within(grant));
    if !filter.statuses.is_empty() {
        query = query.filter(job::Column::Status.is_in(filter.statuses.iter().copied()));
    }
    if !filter.triggers.is_empty() {
        query = query.filter(job::Column::Trigger.is_in(filter.triggers.iter().copied()));
    }
    if let Some(event) = filter.event {
        query = query.filter(job::Column::EventId.eq(event.0));
    }
    if let Some(at) = filter.created_after {
        query = query.filter(job::Column::CreatedAt.gt(at));
    }
    if let Some(at) = filter.created_before {
        query = query.filter(job::Column::CreatedAt.lt(at));
    }
    let text = filter.text.as_deref().map(str::trim).filter(|t| !t.is_empty());
    match text
        .and_then(|t| t.strip_prefix('#'))
        .and_then(|n| n.parse::<i64>().ok())
    {
        Some(number) => query = query.filter(job::Column::Number.eq(number)),
        None => {
            if let Some(text) = text {
                let like = format!(
                    "%{}%",
                    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
                );
                query = query.filter(Expr::col(job::Column::Title).ilike(like));
            }
        }
    }
    query
}

pub async fn count(db: &impl ConnectionTrait, grant: &Grant, filter: &Filter) -> Result<u64> {
    Ok(filtered(grant, filter).count(db).await?)
}

/// A job's position in lists.
pub fn cursor(row: &JobRow) -> Cursor {
    Cursor {
        key: row.created_at.timestamp_micros().to_string(),
        id: row.id,
    }
}

pub async fn page(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    descending: bool,
    args: &PageArgs,
) -> Result<Page<JobRow>> {
    let mut query = filtered(grant, filter);
    for (cursor, later) in [(&args.after, !descending), (&args.before, descending)] {
        let Some(cursor) = cursor else { continue };
        let micros = cursor
            .key
            .parse()
            .map_err(|_| Error::BadRequest("this cursor is of another order".into()))?;
        let row = Expr::tuple([Expr::col(job::Column::CreatedAt), Expr::col(job::Column::Id)]);
        let position = Expr::tuple([Expr::val(from_micros(micros)), Expr::val(cursor.id)]);
        query = query.filter(if later { row.gt(position) } else { row.lt(position) });
    }
    let direction = if descending == args.backward {
        Order::Asc
    } else {
        Order::Desc
    };
    let rows = query
        .order_by(job::Column::CreatedAt, direction.clone())
        .order_by(job::Column::Id, direction)
        .limit(args.limit())
        .all(db)
        .await?;
    Ok(args.page(rows))
}

pub async fn get(db: &impl ConnectionTrait, grant: &Grant, id: JobId) -> Result<JobRow> {
    job::Entity::find_by_id(id.0)
        .filter(within(grant))
        .one(db)
        .await?
        .ok_or(Error::NotFound("job"))
}

/// Whether a job matches a filter, and may be seen.
pub async fn matching(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    ids: &[JobId],
) -> Result<Vec<JobRow>> {
    Ok(filtered(grant, filter)
        .filter(job::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .all(db)
        .await?)
}

/// The job and its executions, locked in the order that the queue locks them: executions first.
pub async fn lock(
    db: &impl ConnectionTrait,
    grant: &Grant,
    id: JobId,
) -> Result<(JobRow, Vec<ExecutionRow>)> {
    get(db, grant, id).await?;
    let executions = execution::Entity::find()
        .filter(execution::Column::JobId.eq(id.0))
        .lock_exclusive()
        .all(db)
        .await?;
    let job = job::Entity::find_by_id(id.0)
        .lock_exclusive()
        .one(db)
        .await?
        .ok_or(Error::NotFound("job"))?;
    Ok((job, executions))
}

pub async fn execution(db: &impl ConnectionTrait, grant: &Grant, id: ExecutionId) -> Result<ExecutionRow> {
    let row = execution::Entity::find_by_id(id.0)
        .one(db)
        .await?
        .ok_or(Error::NotFound("execution"))?;
    match get(db, grant, JobId(row.job_id)).await {
        Ok(_) => Ok(row),
        Err(Error::NotFound(_)) => Err(Error::NotFound("execution")),
        Err(other) => Err(other),
    }
}

pub async fn by_ids(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<JobRow>> {
    Ok(job::Entity::find()
        .filter(job::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

pub async fn executions_of(
    db: &impl ConnectionTrait,
    jobs: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<ExecutionRow>> {
    let query = execution::Entity::find().filter(execution::Column::JobId.is_in(jobs));
    Ok(query
        .order_by(execution::Column::Attempt, Order::Asc)
        .all(db)
        .await?)
}

/// The newest job of each event.
pub async fn last_of_events(
    db: &impl ConnectionTrait,
    events: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<JobRow>> {
    let ids: Vec<Uuid> = events.into_iter().collect();
    let sql = "SELECT j.* FROM unnest($1::uuid[]) AS e(id) CROSS JOIN LATERAL
               (SELECT * FROM jobs WHERE event_id = e.id ORDER BY created_at DESC, id DESC LIMIT 1) AS j";
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, [ids.into()]);
    Ok(job::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// Writes the job, its first execution and the happening; gives the job with its number.
pub async fn insert(db: &impl ConnectionTrait, row: JobRow, execution: ExecutionRow) -> Result<JobRow> {
    let happening = outbox::ActiveModel {
        id: NotSet,
        kind: Set("job.created".into()),
        payload: Set(serde_json::json!({ "job": row.id })),
        created_at: Set(row.created_at),
    };
    let mut active = row.into_active_model().reset_all();
    active.number = NotSet;
    let job = job::Entity::insert(active).exec_with_returning(db).await?;
    execution::Entity::insert(execution.into_active_model().reset_all())
        .exec_without_returning(db)
        .await?;
    outbox::Entity::insert(happening)
        .exec_without_returning(db)
        .await?;
    Ok(job)
}

pub async fn count_run(db: &impl ConnectionTrait, event: Uuid) -> Result<()> {
    use cronium_entity::event;
    event::Entity::update_many()
        .col_expr(event::Column::RunCount, Expr::col(event::Column::RunCount).add(1))
        .filter(event::Column::Id.eq(event))
        .exec(db)
        .await?;
    Ok(())
}

/// Keeps the key; false when it is taken.
pub async fn keep_key(db: &impl ConnectionTrait, row: idempotency_key::Model) -> Result<bool> {
    let columns = [idempotency_key::Column::UserId, idempotency_key::Column::Key];
    let rows = idempotency_key::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns(columns).do_nothing().to_owned())
        .exec_without_returning(db)
        .await;
    match rows {
        Ok(count) => Ok(count > 0),
        Err(sea_orm::DbErr::RecordNotInserted) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

pub async fn key(
    db: &impl ConnectionTrait,
    user: UserId,
    key: &str,
) -> Result<Option<idempotency_key::Model>> {
    Ok(idempotency_key::Entity::find_by_id((user.0, key.to_owned()))
        .one(db)
        .await?)
}

/// Forgets keys that were kept before this moment.
pub async fn drop_keys(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64> {
    let old = idempotency_key::Entity::delete_many().filter(idempotency_key::Column::CreatedAt.lt(before));
    Ok(old.exec(db).await?.rows_affected)
}

pub async fn save_cancel(
    db: &impl ConnectionTrait,
    job: JobRow,
    executions: Vec<ExecutionRow>,
) -> Result<()> {
    for row in executions {
        let changed = execution::ActiveModel {
            id: Set(row.id),
            status: Set(row.status),
            status_reason: Set(row.status_reason),
            cancel_requested: Set(row.cancel_requested),
            finished_at: Set(row.finished_at),
            ..Default::default()
        };
        changed.update(db).await?;
    }
    let changed = job::ActiveModel {
        id: Set(job.id),
        status: Set(job.status),
        status_reason: Set(job.status_reason),
        finished_at: Set(job.finished_at),
        cancel_requested_at: Set(job.cancel_requested_at),
        cancel_requested_by: Set(job.cancel_requested_by),
        cancel_receipt: Set(job.cancel_receipt),
        ..Default::default()
    };
    changed.update(db).await?;
    Ok(())
}

/// Names of the orchestrators that have or had an execution.
pub async fn orchestrator_names(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<(Uuid, String)>> {
    use cronium_entity::orchestrator::{Column, Entity};
    let query = Entity::find()
        .filter(Column::Id.is_in(ids))
        .select_only()
        .columns([Column::Id, Column::Name]);
    Ok(query.into_tuple().all(db).await?)
}
