//! Aggregates over jobs and executions, always within a grant's reach.

use cronium_entity::{event, job};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _,
    Statement, Value,
};
use uuid::Uuid;

use crate::access::{Grant, Reach};
use crate::kernel::{Result, Timestamp};

use super::model::Buckets;

/// Counts and durations of a range.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Totals {
    pub total: i64,
    pub succeeded: i64,
    pub failed: i64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

/// What is going on now.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Present {
    pub queued: i64,
    pub running: i64,
}

/// One bucket.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Point {
    pub bucket: Timestamp,
    pub succeeded: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub other: i64,
}

/// An event that failed, and the last of its failed jobs.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Failing {
    pub event_id: Uuid,
    pub failures: i64,
    pub last_job: Uuid,
}

/// The queue of all work.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Queue {
    pub depth: i64,
    pub oldest: Option<Timestamp>,
    pub running: i64,
}

fn owner(grant: &Grant) -> Option<Uuid> {
    match grant.reach() {
        Reach::All => None,
        Reach::Own(user) | Reach::OwnAndShared(user) => Some(user.0),
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

async fn one<T: FromQueryResult>(db: &DatabaseConnection, statement: Statement) -> Result<T> {
    let row = T::find_by_statement(statement).one(db).await?;
    row.ok_or_else(|| crate::kernel::Error::internal("an aggregate gave no row"))
}

pub async fn totals(db: &DatabaseConnection, grant: &Grant, buckets: Buckets) -> Result<Totals> {
    let sql = "SELECT count(*) AS total,
          count(*) FILTER (WHERE status = 'SUCCEEDED') AS succeeded,
          count(*) FILTER (WHERE status IN ('FAILED', 'TIMED_OUT', 'LOST', 'PARTIAL')) AS failed,
          percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50_ms,
          percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95_ms
        FROM (SELECT status, CASE WHEN status IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'PARTIAL')
            THEN (extract(epoch FROM finished_at - started_at) * 1000)::float8 END AS took
          FROM jobs WHERE created_at >= $1 AND created_at < $2 AND ($3::uuid IS NULL OR owner_id = $3)) AS j";
    let values = [buckets.from.into(), buckets.to.into(), owner(grant).into()];
    one(db, statement(sql, values)).await
}

/// Unfinished jobs, however old: what waits or runs is of interest now.
pub async fn present(db: &DatabaseConnection, grant: &Grant) -> Result<Present> {
    let sql = "SELECT count(*) FILTER (WHERE status IN ('QUEUED', 'DISPATCHING')) AS queued,
          count(*) FILTER (WHERE status = 'RUNNING') AS running
        FROM jobs WHERE status IN ('QUEUED', 'DISPATCHING', 'RUNNING') AND ($1::uuid IS NULL OR owner_id = $1)";
    one(db, statement(sql, [owner(grant).into()])).await
}

/// Every bucket, the empty ones too.
pub async fn series(db: &DatabaseConnection, grant: &Grant, buckets: Buckets) -> Result<Vec<Point>> {
    let sql = "SELECT b.at AS bucket,
          count(*) FILTER (WHERE j.status = 'SUCCEEDED') AS succeeded,
          count(*) FILTER (WHERE j.status IN ('FAILED', 'TIMED_OUT', 'LOST', 'PARTIAL')) AS failed,
          count(*) FILTER (WHERE j.status = 'CANCELLED') AS cancelled,
          count(*) FILTER (WHERE j.status NOT IN
              ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'LOST', 'PARTIAL', 'CANCELLED')) AS other
        FROM generate_series($1::timestamptz, $2::timestamptz - make_interval(secs => $3),
          make_interval(secs => $3)) AS b(at)
        LEFT JOIN jobs j ON j.created_at >= b.at AND j.created_at < b.at + make_interval(secs => $3)
          AND ($4::uuid IS NULL OR j.owner_id = $4)
        GROUP BY b.at ORDER BY b.at";
    let step = buckets.step_seconds as f64;
    let values = [
        buckets.from.into(),
        buckets.to.into(),
        step.into(),
        owner(grant).into(),
    ];
    Ok(Point::find_by_statement(statement(sql, values)).all(db).await?)
}

/// The five events that failed most.
pub async fn failing(db: &DatabaseConnection, grant: &Grant, buckets: Buckets) -> Result<Vec<Failing>> {
    let sql = "SELECT event_id, count(*) AS failures, (array_agg(id ORDER BY created_at DESC, id DESC))[1] AS last_job
        FROM jobs WHERE status IN ('FAILED', 'TIMED_OUT', 'LOST', 'PARTIAL') AND event_id IS NOT NULL
          AND created_at >= $1 AND created_at < $2 AND ($3::uuid IS NULL OR owner_id = $3)
        GROUP BY event_id ORDER BY failures DESC, max(created_at) DESC LIMIT 5";
    let values = [buckets.from.into(), buckets.to.into(), owner(grant).into()];
    Ok(Failing::find_by_statement(statement(sql, values)).all(db).await?)
}

pub async fn events(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<event::Model>> {
    Ok(event::Entity::find()
        .filter(event::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

pub async fn jobs(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<job::Model>> {
    Ok(job::Entity::find()
        .filter(job::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

pub async fn ping(db: &DatabaseConnection) -> Result<()> {
    db.ping().await?;
    Ok(())
}

pub async fn queue(db: &DatabaseConnection) -> Result<Queue> {
    // What waits for a moment or for its turn is not in the queue.
    let sql = "SELECT count(*) FILTER (WHERE status = 'QUEUED') AS depth,
          min(queued_at) FILTER (WHERE status = 'QUEUED') AS oldest,
          count(*) FILTER (WHERE status = 'RUNNING') AS running
        FROM executions WHERE (status = 'QUEUED' AND due_at IS NULL AND NOT held AND labels IS NULL)
          OR (status = 'QUEUED' AND due_at IS NULL AND NOT held AND labels IS NOT NULL) OR status IN ('DISPATCHING', 'RUNNING')";
    one(db, statement(sql, [])).await
}
