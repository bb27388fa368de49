//! Executions in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};
use cronium_entity::enums::JobStatus as RowStatus;
use uuid::Uuid;

use crate::kernel::api::{ApiResult, api, loaded};
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::scalars::Duration;
use crate::kernel::{Error, Timestamp};
use crate::logs::{LogPage, LogStream};
use crate::servers::ServerReference;

use super::super::input::JobStatus;
use super::super::loader::{JobLoader, OrchestratorNameLoader, UnmetLoader};
use super::super::store::{ExecutionRow, JobRow};
use super::Job;
use super::receipt::{CancellationReceipt, receipt};

/// Length of each phase; null until it has ended.
#[derive(Debug, Clone, Default, SimpleObject)]
pub struct JobTiming {
    /// From acceptance, or from the moment that it was to wait for, until an orchestrator began.
    queued: Option<Duration>,
    /// Until user code began.
    setup: Option<Duration>,
    /// User code.
    run: Option<Duration>,
    /// From the end of user code until nothing was left.
    cleanup: Option<Duration>,
}

/// One attempt of a job on one target.
#[derive(Debug, Clone)]
pub struct Execution(pub ExecutionRow);

impl Execution {
    async fn job_row(&self, ctx: &Context<'_>) -> ApiResult<JobRow> {
        let row = ctx.data::<DataLoader<JobLoader>>()?.load_one(self.0.job_id).await;
        api(ctx, loaded(ctx, row)?.ok_or(Error::NotFound("job")))
    }

    /// Phases that have ended.
    pub fn timing_now(&self) -> JobTiming {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| Some(Duration::between(from?, to?));
        let row = &self.0;
        JobTiming {
            queued: between(Some(row.queued_at), row.setup_at),
            setup: between(row.setup_at, row.started_at),
            run: between(row.started_at, row.ended_at),
            cleanup: between(row.ended_at, row.finished_at),
        }
    }
}

/// What the row says, after what work of this job that may be ready waits for.
pub async fn reason(ctx: &Context<'_>, kept: Option<&str>, ready: Option<Uuid>) -> ApiResult<Option<String>> {
    let unmet = match ready {
        Some(job) => loaded(ctx, ctx.data::<DataLoader<UnmetLoader>>()?.load_one(job).await)?,
        None => None,
    };
    let both: Vec<_> = [unmet.as_deref(), kept].into_iter().flatten().collect();
    Ok((!both.is_empty()).then(|| both.join(" ")))
}

/// One attempt of a job on one target.
#[Object]
impl Execution {
    /// Global id.
    pub async fn id(&self) -> ID {
        ExecutionId(self.0.id).global()
    }

    /// The job that it belongs to.
    async fn job(&self, ctx: &Context<'_>) -> ApiResult<Job> {
        Ok(Job(self.job_row(ctx).await?))
    }

    /// Where it runs; null: in a container, or as a request.
    async fn server(&self) -> Option<ServerReference> {
        let id = self.0.server_id?;
        Some(ServerReference::new(
            id,
            self.0.server_name.clone().unwrap_or_default(),
        ))
    }

    /// 1, 2, 3 … in one job, on each of its servers by itself.
    async fn attempt(&self) -> i32 {
        self.0.attempt
    }

    /// Where it is.
    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    /// Why, in words that a person can act on.
    async fn status_reason(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let row = &self.0;
        let ready =
            row.status == RowStatus::Queued && row.labels.is_some() && row.due_at.is_none() && !row.held;
        reason(ctx, row.status_reason.as_deref(), ready.then_some(row.job_id)).await
    }

    /// What was done to stop it; null: nothing was asked of it.
    async fn cancellation(&self, ctx: &Context<'_>) -> ApiResult<Option<CancellationReceipt>> {
        if !self.0.cancel_requested {
            return Ok(None);
        }
        let job = self.job_row(ctx).await?;
        receipt(ctx, &job, self.0.cancel_receipt.as_ref()).await
    }

    /// Exit status of the script, when it exited by itself.
    async fn exit_code(&self) -> Option<i32> {
        self.0.exit_code
    }

    /// The moment that it waits for; null: it waits for none.
    async fn due_at(&self) -> Option<Timestamp> {
        self.0.due_at
    }

    /// When user code began.
    async fn started_at(&self) -> Option<Timestamp> {
        self.0.started_at
    }

    /// When nothing of it was left.
    async fn finished_at(&self) -> Option<Timestamp> {
        self.0.finished_at
    }

    /// Length of each phase.
    async fn timing(&self) -> JobTiming {
        self.timing_now()
    }

    /// Processor time of user code and its children.
    async fn cpu_time(&self) -> Option<Duration> {
        self.0.cpu_us.map(|us| Duration(us / 1000))
    }

    /// Most memory that user code had at a time, in bytes.
    async fn peak_memory_bytes(&self) -> Option<f64> {
        self.0.peak_memory_bytes.map(|bytes| bytes as f64)
    }

    /// What the script gave.
    async fn output(&self) -> Option<&serde_json::Value> {
        self.0.output.as_ref()
    }

    /// What the script set by `setCondition`; null: nothing.
    async fn condition(&self) -> Option<bool> {
        self.0.condition
    }

    /// Name of the orchestrator that has or had it.
    async fn orchestrator(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(id) = self.0.orchestrator_id else {
            return Ok(None);
        };
        loaded(
            ctx,
            ctx.data::<DataLoader<OrchestratorNameLoader>>()?
                .load_one(id)
                .await,
        )
    }

    /// Image that it ran in.
    async fn image_digest(&self) -> Option<&str> {
        self.0.image_digest.as_deref()
    }

    /// SHA-256 of the signed manifest, in hex.
    async fn payload_sha256(&self) -> Option<String> {
        let bytes = self.0.payload_sha256.as_ref()?;
        Some(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// Lines that are stored.
    async fn log(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "Lines after this sequence number.")] after_seq: i32,
        #[graphql(default = 1000, desc = "At most so many lines, 1 to 10,000.")] first: i32,
        #[graphql(desc = "Only lines with this text, case ignored.")] search: Option<String>,
        #[graphql(desc = "Only lines of this stream.")] stream: Option<LogStream>,
    ) -> ApiResult<LogPage> {
        let logs = ctx.data::<crate::logs::Logs>()?;
        api(
            ctx,
            logs.page(
                ExecutionId(self.0.id),
                after_seq,
                first,
                search.as_deref(),
                stream,
            )
            .await,
        )
    }

    /// How many lines there are so far.
    async fn log_line_count(&self) -> i32 {
        i32::try_from(self.0.log_lines).unwrap_or(i32::MAX)
    }

    /// When the log was removed, because it was older than the owner's quota keeps logs; null: it was not.
    async fn log_dropped_at(&self) -> Option<Timestamp> {
        self.0.log_dropped_at
    }

    /// Whether lines are missing: they went over a limit, and a SYSTEM line says which, or the last ones were lost with the
    /// runner that had not delivered them yet.
    async fn log_truncated(&self) -> bool {
        self.0.log_truncated
    }
}

impl From<&Execution> for JobId {
    fn from(e: &Execution) -> Self {
        Self(e.0.job_id)
    }
}
