//! Overview, system status and orchestrators in the API.

use async_graphql::{Context, Enum, Object, SimpleObject};

use crate::events::Event;
use crate::jobs::Job;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::scalars::Duration;
use crate::orchestrators::Orchestrator;

use super::model;
use super::service::{self, Insight, Status};

fn int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Which part of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::TimeRange")]
pub enum TimeRange {
    /// The last hour, in steps of five minutes.
    LastHour,
    /// The last 24 hours, in steps of an hour.
    #[graphql(name = "LAST_24_HOURS")]
    Last24Hours,
    /// The last 7 days, in steps of six hours.
    #[graphql(name = "LAST_7_DAYS")]
    Last7Days,
    /// The last 30 days, in steps of a day.
    #[graphql(name = "LAST_30_DAYS")]
    Last30Days,
}

/// How jobs went in a range of time, of those that the viewer may see.
#[derive(Debug, SimpleObject)]
pub struct Overview {
    /// The range.
    range: TimeRange,
    /// Jobs that were made in the range.
    total: i32,
    /// Those that succeeded.
    succeeded: i32,
    /// Those that failed, also on some of their servers only, ran out of time, or were lost.
    failed: i32,
    /// Jobs that run now.
    running: i32,
    /// Jobs that wait now.
    queued: i32,
    /// Share of successes among those that succeeded or failed, 0 to 1; null: there were none.
    success_rate: Option<f64>,
    /// Half of the jobs took at most so long.
    p50_duration: Option<Duration>,
    /// 95 of 100 jobs took at most so long.
    p95_duration: Option<Duration>,
    /// The range in equal steps, the empty ones too.
    series: Vec<OverviewPoint>,
    /// Events that failed most, at most five.
    failing_events: Vec<FailingEvent>,
}

/// One bucket of the series.
#[derive(Debug, SimpleObject)]
pub struct OverviewPoint {
    /// Where it begins.
    from: Timestamp,
    /// Where it ends; this moment belongs to the next one.
    to: Timestamp,
    /// Jobs that succeeded.
    succeeded: i32,
    /// Jobs that failed, also on some of their servers only, ran out of time, or were lost.
    failed: i32,
    /// Jobs that were cancelled.
    cancelled: i32,
    /// All others: waiting, running, skipped.
    other: i32,
}

/// An event that failed.
#[derive(Debug, SimpleObject)]
pub struct FailingEvent {
    /// The event.
    event: Event,
    /// How often it failed in the range.
    failures: i32,
    /// The newest of them.
    last_job: Job,
}

impl From<service::Overview> for Overview {
    fn from(found: service::Overview) -> Self {
        let step = chrono::TimeDelta::seconds(found.buckets.step_seconds);
        let decided = found.totals.succeeded + found.totals.failed;
        let duration = |ms: Option<f64>| ms.map(|ms| Duration(ms.round().max(0.0) as i64));
        let series = found.series.into_iter().map(|point| OverviewPoint {
            from: point.bucket,
            to: point.bucket + step,
            succeeded: int(point.succeeded),
            failed: int(point.failed),
            cancelled: int(point.cancelled),
            other: int(point.other),
        });
        let failing = found.failing.into_iter().map(|failing| FailingEvent {
            event: Event(failing.event),
            failures: int(failing.failures),
            last_job: Job(failing.last_job),
        });
        Self {
            range: found.range.into(),
            total: int(found.totals.total),
            succeeded: int(found.totals.succeeded),
            failed: int(found.totals.failed),
            running: int(found.present.running),
            queued: int(found.present.queued),
            success_rate: (decided > 0).then(|| found.totals.succeeded as f64 / decided as f64),
            p50_duration: duration(found.totals.p50_ms),
            p95_duration: duration(found.totals.p95_ms),
            series: series.collect(),
            failing_events: failing.collect(),
        }
    }
}

/// How the installation is.
#[derive(Debug, SimpleObject)]
pub struct SystemStatus {
    /// When this was measured.
    at: Timestamp,
    /// Whether the database answers and an orchestrator takes work.
    healthy: bool,
    /// The database.
    database: ComponentStatus,
    /// Executions that wait.
    queue_depth: i32,
    /// For how long the oldest of them has waited; null: none waits.
    oldest_queued_seconds: Option<f64>,
    /// Executions that run.
    running: i32,
    /// All orchestrators that have ever said hello.
    orchestrators: Vec<Orchestrator>,
}

/// How one part of the installation is.
#[derive(Debug, SimpleObject)]
pub struct ComponentStatus {
    /// Whether it answers.
    ok: bool,
    /// In words.
    detail: String,
    /// How long it took to answer, in milliseconds.
    latency_ms: Option<f64>,
}

impl From<Status> for SystemStatus {
    fn from(status: Status) -> Self {
        let takes_work = status
            .orchestrators
            .iter()
            .any(|o| o.connected && !o.row.draining);
        let oldest = status.queue.oldest.map(|oldest| status.at - oldest);
        let detail = if status.latency_ms.is_some() {
            "The database answers."
        } else {
            "The database does not answer; the figures are the last known ones."
        };
        Self {
            at: status.at,
            healthy: status.latency_ms.is_some() && takes_work,
            database: ComponentStatus {
                ok: status.latency_ms.is_some(),
                detail: detail.into(),
                latency_ms: status.latency_ms,
            },
            queue_depth: int(status.queue.depth),
            oldest_queued_seconds: oldest.map(|age| age.num_milliseconds().max(0) as f64 / 1000.0),
            running: int(status.queue.running),
            orchestrators: status.orchestrators.into_iter().map(Orchestrator).collect(),
        }
    }
}

/// Reading figures.
#[derive(Debug, Default)]
pub struct InsightQuery;

#[Object]
impl InsightQuery {
    /// How jobs went, of those that the viewer may see.
    async fn overview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which part of the past.", default_with = "TimeRange::Last24Hours")]
        range: TimeRange,
    ) -> ApiResult<Overview> {
        let found = ctx.data::<Insight>()?.overview(op(ctx)?, range.into()).await;
        Ok(api(ctx, found)?.into())
    }

    /// How the installation is.
    async fn system_status(&self, ctx: &Context<'_>) -> ApiResult<SystemStatus> {
        Ok(api(ctx, ctx.data::<Insight>()?.status(op(ctx)?).await)?.into())
    }
}
