//! Jobs and executions in the database.

mod accept;
mod cancel;
mod sums;

use cronium_entity::enums::{JobStatus, Trigger};
use cronium_entity::{execution, idempotency_key, job};
use sea_orm::sea_query::extension::postgres::PgExpr as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Order};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, JoinType, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::clock::from_micros;
use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::paging::{Cursor, Page, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

pub use accept::{NewExecution, NewJob, accept};
pub use cancel::{
    ask_to_stop, asked_to_stop, cancel_at_once, count_open_matching, end_unclaimed, lock_open, open_matching,
};
pub use sums::{Sum, hold, sum_up, summed_up};

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
    parts(grant).into_iter().fold(Condition::any(), Condition::add)
}

/// The jobs that a grant covers as conditions that exclude each other, each with an index in the order of lists.
fn parts(grant: &Grant) -> Vec<Condition> {
    let all = Condition::all;
    match grant.reach() {
        Reach::All => vec![all()],
        Reach::Own(user) | Reach::OwnAndShared(user) => vec![
            all().add(job::Column::OwnerId.eq(user.0)),
            all()
                .add(job::Column::ActorId.eq(user.0))
                // In the words of the index `jobs_for_others`.
                .add(Expr::cust("(jobs.actor_id <> jobs.owner_id) IS TRUE")),
        ],
    }
}

fn filtered(grant: &Grant, filter: &Filter) -> Select<job::Entity> {
    matching_filter(filter).filter(within(grant))
}

fn matching_filter(filter: &Filter) -> Select<job::Entity> {
    let mut query = job::Entity::find();
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
    let mut query = matching_filter(filter);
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
    let ascending = descending == args.backward;
    let direction = if ascending { Order::Asc } else { Order::Desc };
    let query = query
        .order_by(job::Column::CreatedAt, direction.clone())
        .order_by(job::Column::Id, direction)
        .limit(args.limit());
    // Each part by itself walks its index and stops at the page's end; both at once would read all and sort.
    let mut rows = Vec::new();
    for part in parts(grant) {
        rows.extend(query.clone().filter(part).all(db).await?);
    }
    rows.sort_by_key(|row| (row.created_at, row.id));
    if !ascending {
        rows.reverse();
    }
    rows.truncate(args.limit() as usize);
    Ok(args.page(rows))
}

pub async fn get(db: &impl ConnectionTrait, grant: &Grant, id: JobId) -> Result<JobRow> {
    job::Entity::find_by_id(id.0)
        .filter(within(grant))
        .one(db)
        .await?
        .ok_or(Error::NotFound("job"))
}

/// What can be seen to change of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromQueryResult)]
pub struct Face {
    pub id: Uuid,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub cancel_requested_at: Option<Timestamp>,
}

impl From<&JobRow> for Face {
    fn from(row: &JobRow) -> Self {
        Self {
            id: row.id,
            status: row.status,
            status_reason: row.status_reason.clone(),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            cancel_requested_at: row.cancel_requested_at,
        }
    }
}

/// Those that were made or have ended after a moment, or are at work: at most so many, the newest first.
async fn moving(
    db: &impl ConnectionTrait,
    query: Select<job::Entity>,
    since: Timestamp,
    most: u64,
) -> Result<Vec<Face>> {
    use job::Column as C;
    let moves = Condition::any()
        .add(C::CreatedAt.gt(since))
        .add(C::FinishedAt.gt(since))
        .add(C::Status.is_in([JobStatus::Dispatching, JobStatus::Running]));
    let query = query
        .filter(moves)
        .order_by(C::CreatedAt, Order::Desc)
        .limit(most);
    let columns = [
        C::Id,
        C::Status,
        C::StatusReason,
        C::CreatedAt,
        C::StartedAt,
        C::FinishedAt,
        C::CancelRequestedAt,
    ];
    let query = query.select_only().columns(columns);
    Ok(query.into_model::<Face>().all(db).await?)
}

/// What moves, whoever may see it.
pub async fn changed_since(db: &impl ConnectionTrait, at: Timestamp, most: u64) -> Result<Vec<Face>> {
    moving(db, job::Entity::find(), at, most).await
}

/// What moves, matches and may be seen.
pub async fn matching_since(
    db: &impl ConnectionTrait,
    grant: &Grant,
    filter: &Filter,
    at: Timestamp,
    most: u64,
) -> Result<Vec<Face>> {
    moving(db, filtered(grant, filter), at, most).await
}

/// Those of the jobs that match a filter and may be seen.
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

/// Those of the executions whose job the grant covers.
pub async fn executions_seen(
    db: &impl ConnectionTrait,
    grant: &Grant,
    ids: &[ExecutionId],
) -> Result<Vec<ExecutionRow>> {
    let job = execution::Entity::belongs_to(job::Entity)
        .from(execution::Column::JobId)
        .to(job::Column::Id);
    Ok(execution::Entity::find()
        .filter(execution::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .join(JoinType::InnerJoin, job.into())
        .filter(within(grant))
        .all(db)
        .await?)
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
        .order_by(execution::Column::Slot, Order::Asc)
        .order_by(execution::Column::Attempt, Order::Asc)
        .all(db)
        .await?)
}

/// What can be seen to change of an execution.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct ExecutionFace {
    id: Uuid,
    status: JobStatus,
    status_reason: Option<String>,
    due_at: Option<Timestamp>,
    cancel_requested: bool,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

/// How the executions of a job are.
pub async fn execution_faces(db: &impl ConnectionTrait, job: Uuid) -> Result<Vec<ExecutionFace>> {
    use execution::{Column, Entity};
    let columns = [
        Column::Id,
        Column::Status,
        Column::StatusReason,
        Column::DueAt,
        Column::CancelRequested,
        Column::StartedAt,
        Column::FinishedAt,
    ];
    let query = Entity::find().filter(Column::JobId.eq(job));
    let query = query
        .order_by(Column::Slot, Order::Asc)
        .order_by(Column::Attempt, Order::Asc);
    let query = query.select_only().columns(columns);
    Ok(query.into_model::<ExecutionFace>().all(db).await?)
}

/// The newest jobs of each event that this person may see, or all: at most so many of each, newest first.
pub async fn newest_of_events(
    db: &impl ConnectionTrait,
    events: Vec<Uuid>,
    viewer: Option<Uuid>,
    each: u64,
) -> Result<Vec<JobRow>> {
    let sql = "SELECT j.* FROM unnest($1::uuid[]) AS e(id) CROSS JOIN LATERAL
               (SELECT * FROM jobs
                WHERE event_id = e.id AND ($2::uuid IS NULL OR owner_id = $2 OR actor_id = $2)
                ORDER BY created_at DESC, id DESC LIMIT $3) AS j";
    let values = [events.into(), viewer.into(), (each as i64).into()];
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(job::Entity::find().from_raw_sql(statement).all(db).await?)
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

/// Jobs that repeat these: at most so many of each, oldest first.
pub async fn retries_of(db: &impl ConnectionTrait, jobs: Vec<Uuid>, each: u64) -> Result<Vec<JobRow>> {
    let sql = "SELECT j.* FROM unnest($1::uuid[]) AS o(id) CROSS JOIN LATERAL
               (SELECT * FROM jobs WHERE retry_of = o.id ORDER BY created_at, id LIMIT $2) AS j";
    let values = [jobs.into(), (each as i64).into()];
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(job::Entity::find().from_raw_sql(statement).all(db).await?)
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

/// What ready work of these jobs asks of its orchestrator, where it asks for anything.
pub async fn asked_labels(db: &impl ConnectionTrait, jobs: &[Uuid]) -> Result<Vec<(Uuid, Vec<String>)>> {
    use execution::{Column, Entity};
    let query = Entity::find()
        .filter(Column::JobId.is_in(jobs.iter().copied()))
        .filter(Column::Status.eq(JobStatus::Queued))
        .filter(Column::DueAt.is_null())
        .filter(Column::Held.eq(false))
        .filter(Column::Labels.is_not_null())
        .select_only()
        .columns([Column::JobId, Column::Labels]);
    Ok(query.into_tuple().all(db).await?)
}
