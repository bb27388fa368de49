//! Overview, system status and orchestrators in the API.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use cronium_protocol::agent::HostReport;

use crate::events::Event;
use crate::jobs::Job;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::ids::OrchestratorId;
use crate::kernel::scalars::Duration;

use super::model;
use super::service::{self, Insight, Seen, Status};

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
    /// Those that failed, ran out of time, or were lost.
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
    /// Jobs that failed, ran out of time, or were lost.
    failed: i32,
    /// Jobs that were cancelled.
    cancelled: i32,
    /// All others: waiting, running, skipped, done in part.
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

/// A process that runs executions on a host.
#[derive(Debug, Clone)]
pub struct Orchestrator(pub Seen);

/// A process that runs executions on a host.
#[Object]
impl Orchestrator {
    /// Global id.
    pub async fn id(&self) -> ID {
        OrchestratorId(self.0.row.id).global()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.row.name
    }

    /// Its version.
    async fn version(&self) -> &str {
        &self.0.row.version
    }

    /// Whether it was heard of in the last 15 seconds.
    async fn connected(&self) -> bool {
        self.0.connected
    }

    /// Whether it finishes its work and takes no more.
    async fn draining(&self) -> bool {
        self.0.row.draining
    }

    /// How many executions it runs at a time.
    async fn capacity(&self) -> i32 {
        self.0.row.capacity
    }

    /// How many it runs now.
    async fn running(&self) -> i32 {
        self.0.row.running
    }

    /// When it was last heard of.
    async fn last_seen_at(&self) -> Timestamp {
        self.0.row.last_seen_at
    }

    /// When it was started.
    async fn started_at(&self) -> Timestamp {
        self.0.row.started_at
    }

    /// Figures of its host; null until it has sent some.
    async fn host(&self) -> Option<HostFigures> {
        let report: HostReport = serde_json::from_value(self.0.row.host.clone()?).ok()?;
        Some(HostFigures {
            cpu_percent: report.cpu_percent,
            memory_used_bytes: report.memory_used as f64,
            memory_total_bytes: report.memory_total as f64,
            disk_used_bytes: report.disk_used as f64,
            disk_total_bytes: report.disk_total as f64,
            load_average: report.load_average,
        })
    }
}

/// Figures of a host.
#[derive(Debug, SimpleObject)]
pub struct HostFigures {
    /// Load of all processors, 0 to 100.
    cpu_percent: f64,
    /// Memory in use, in bytes.
    memory_used_bytes: f64,
    /// Memory in all, in bytes.
    memory_total_bytes: f64,
    /// Disk space in use, in bytes.
    disk_used_bytes: f64,
    /// Disk space in all, in bytes.
    disk_total_bytes: f64,
    /// Load average of the last minute.
    load_average: f64,
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

    /// Processes that run executions.
    async fn orchestrators(&self, ctx: &Context<'_>) -> ApiResult<Vec<Orchestrator>> {
        let found = api(ctx, ctx.data::<Insight>()?.orchestrators(op(ctx)?).await)?;
        Ok(found.into_iter().map(Orchestrator).collect())
    }
}
