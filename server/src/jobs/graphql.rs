//! Jobs in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};
use cronium_entity::enums::JobStatus as RowStatus;
use uuid::Uuid;

use crate::access::{self, Action, Permission, can};
use crate::events::{Event, EventLoader, EventVersion, VersionLoader, person};
use crate::identity::{ApiToken, User, token_of};
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload, visible};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};
use crate::kernel::scalars::Duration;
use crate::kernel::{Error, Result, Timestamp};

use super::execution::reason;
pub use super::execution::{Execution, JobTiming};
use super::input::{
    CancelJobInput, CancelJobsInput, JobFilter, JobOrder, JobStatus, Priority, RetryJobInput, RunEventInput,
    TestEventInput, Trigger,
};
use super::loader::{ExecutionLoader, JobLoader, NewestJobsLoader, RetriesLoader};
use super::model::is_final;
use super::service::{Jobs, Start};
use super::store::{JobRow, cursor};

/// One accepted request to run something.
#[derive(Debug, Clone)]
pub struct Job(pub JobRow);

impl Job {
    /// Whoever owns the event, or asked for the job.
    fn covered(&self, ctx: &Context<'_>, action: Action) -> ApiResult<bool> {
        let op = op(ctx)?;
        let mine = self
            .0
            .actor_id
            .is_some_and(|actor| can(op, action, UserId(actor), false));
        Ok(mine || can(op, action, UserId(self.0.owner_id), false))
    }
}

/// One accepted request to run something.
#[Object]
impl Job {
    /// Global id.
    pub async fn id(&self) -> ID {
        JobId(self.0.id).global()
    }

    /// Counts up in this installation: for people.
    async fn number(&self) -> i32 {
        i32::try_from(self.0.number).unwrap_or(i32::MAX)
    }

    /// Where it is.
    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    /// Why, in words that a person can act on.
    async fn status_reason(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let ready = self.0.status == RowStatus::Queued && !self.0.held;
        reason(ctx, self.0.status_reason.as_deref(), ready.then_some(self.0.id)).await
    }

    /// A higher one is dispatched first.
    async fn priority(&self) -> Priority {
        self.0.priority.into()
    }

    /// The event, when it still exists and may be seen.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(id) = self.0.event_id else {
            return Ok(None);
        };
        let row = loaded(ctx, ctx.data::<DataLoader<EventLoader>>()?.load_one(id).await)?;
        let op = op(ctx)?;
        let seen =
            |row: &crate::events::EventRow| can(op, Action::ReadEvents, UserId(row.owner_id), row.shared);
        Ok(row.filter(seen).map(Event))
    }

    /// What it runs. Needs READ_EVENTS: it shows the source.
    async fn event_version(&self, ctx: &Context<'_>) -> ApiResult<EventVersion> {
        api(ctx, access::allow(op(ctx)?, Action::ReadEvents))?;
        let loader = ctx.data::<DataLoader<VersionLoader>>()?;
        let row = loaded(ctx, loader.load_one(self.0.event_version_id).await)?;
        Ok(EventVersion(api(
            ctx,
            row.ok_or(Error::NotFound("event version")),
        )?))
    }

    /// Name of the event at that moment.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What started it.
    async fn trigger(&self) -> Trigger {
        self.0.trigger.into()
    }

    /// Who started it.
    async fn actor(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        match self.0.actor_id {
            Some(id) => person(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The API token that it was started with, for those who may see it.
    async fn api_token(&self, ctx: &Context<'_>) -> ApiResult<Option<ApiToken>> {
        token_of(ctx, self.0.api_token_id).await
    }

    /// The job that this one repeats.
    async fn retry_of(&self, ctx: &Context<'_>) -> ApiResult<Option<Job>> {
        let Some(id) = self.0.retry_of else {
            return Ok(None);
        };
        Ok(loaded(ctx, ctx.data::<DataLoader<JobLoader>>()?.load_one(id).await)?.map(Job))
    }

    /// Jobs that repeat this one, as far as they may be seen: the first 100.
    async fn retries(&self, ctx: &Context<'_>) -> ApiResult<Vec<Job>> {
        let loader = ctx.data::<DataLoader<RetriesLoader>>()?;
        let rows = loaded(ctx, loader.load_one(self.0.id).await)?.unwrap_or_default();
        let mut seen = Vec::with_capacity(rows.len());
        for job in rows.into_iter().map(Job) {
            if job.covered(ctx, Action::ReadJobs)? {
                seen.push(job);
            }
        }
        Ok(seen)
    }

    /// The moment that it was to wait for; null: it was to start at once.
    async fn run_at(&self) -> Option<Timestamp> {
        self.0.run_at
    }

    /// What the script got.
    async fn input(&self) -> Option<&serde_json::Value> {
        self.0.input.as_ref()
    }

    /// What the script gave.
    async fn output(&self) -> Option<&serde_json::Value> {
        self.0.output.as_ref()
    }

    /// What the script set by `setCondition` in the last attempt; null: nothing.
    async fn condition(&self) -> Option<bool> {
        self.0.condition
    }

    /// When it was accepted.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When user code began; of the last attempt.
    async fn started_at(&self) -> Option<Timestamp> {
        self.0.started_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<Timestamp> {
        self.0.finished_at
    }

    /// From the start of user code to the end; null while it runs.
    async fn duration(&self) -> Option<Duration> {
        Some(Duration::between(self.0.started_at?, self.0.finished_at?))
    }

    /// Length of each phase, of the last execution.
    async fn timing(&self, ctx: &Context<'_>) -> ApiResult<JobTiming> {
        let executions = executions(ctx, self.0.id).await?;
        Ok(executions.last().map(Execution::timing_now).unwrap_or_default())
    }

    /// Attempts, oldest first.
    async fn executions(&self, ctx: &Context<'_>) -> ApiResult<Vec<Execution>> {
        executions(ctx, self.0.id).await
    }

    /// What was done to cancel it.
    async fn cancellation(&self, ctx: &Context<'_>) -> ApiResult<Option<CancellationReceipt>> {
        let Some(requested_at) = self.0.cancel_requested_at else {
            return Ok(None);
        };
        let requested_by = match self.0.cancel_requested_by {
            Some(id) => person(ctx, id).await?,
            None => None,
        };
        let receipt = self.0.cancel_receipt.clone().unwrap_or_default();
        let flag = |name: &str| {
            receipt
                .get(name)
                .and_then(serde_json::Value::as_bool)
                .unwrap_or_default()
        };
        Ok(Some(CancellationReceipt {
            requested_at,
            requested_by,
            signal_sent: flag("signalSent"),
            escalated: flag("escalated"),
            process_gone: flag("processGone"),
            note: receipt
                .get("note")
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned),
        }))
    }

    /// What the viewer may do with it.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let mut may = vec![Permission::Read];
        let ended = is_final(self.0.status);
        if !ended && self.covered(ctx, Action::CancelJob)? {
            may.push(Permission::Cancel);
        }
        if ended && self.covered(ctx, Action::RunEvent)? {
            may.push(Permission::Retry);
        }
        Ok(may)
    }
}

async fn executions(ctx: &Context<'_>, job: Uuid) -> ApiResult<Vec<Execution>> {
    let rows = loaded(
        ctx,
        ctx.data::<DataLoader<ExecutionLoader>>()?.load_one(job).await,
    )?;
    Ok(rows.unwrap_or_default().into_iter().map(Execution).collect())
}

/// What was done to cancel a job.
#[derive(Debug, Clone, SimpleObject)]
pub struct CancellationReceipt {
    /// When it was asked for.
    requested_at: Timestamp,
    /// Who asked.
    requested_by: Option<User>,
    /// TERM was sent to the process group.
    signal_sent: bool,
    /// KILL was needed.
    escalated: bool,
    /// No process is left.
    process_gone: bool,
    /// More, in words.
    note: Option<String>,
}

/// Queries about jobs.
#[derive(Debug, Default)]
pub struct JobsQuery;

#[Object]
impl JobsQuery {
    /// One job; null when it does not exist or may not be seen.
    async fn job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the job.")] id: ID,
    ) -> ApiResult<Option<Job>> {
        let Ok(id) = JobId::parse(&id) else {
            return Ok(None);
        };
        Ok(visible(ctx, ctx.data::<Jobs>()?.get(op(ctx)?, id).await)?.map(Job))
    }

    /// Jobs that the viewer may see, newest first by default.
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<JobFilter>,
        #[graphql(desc = "Newest first by default.")] order_by: Option<JobOrder>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Job>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let descending = order_by.is_none_or(|o| o.direction == crate::events::OrderDirection::Desc);
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = api(ctx, filter.unwrap_or_default().try_into())?;
        let found = ctx
            .data::<Jobs>()?
            .list(op(ctx)?, &filter, descending, &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, Job))
    }

    /// One execution; null when it does not exist or may not be seen.
    async fn execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the execution.")] id: ID,
    ) -> ApiResult<Option<Execution>> {
        let Ok(id) = ExecutionId::parse(&id) else {
            return Ok(None);
        };
        Ok(visible(ctx, ctx.data::<Jobs>()?.execution(op(ctx)?, id).await)?.map(Execution))
    }
}

/// Result of what starts a job.
#[derive(SimpleObject)]
pub struct RunEventPayload {
    /// The job, accepted and stored.
    job: Option<Job>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

impl RunEventPayload {
    fn of(ctx: &Context<'_>, result: Result<JobRow>) -> ApiResult<Self> {
        let (job, user_errors) = payload(ctx, result)?;
        Ok(Self {
            job: job.map(Job),
            user_errors,
        })
    }
}

/// Result of cancelJob.
#[derive(SimpleObject)]
pub struct CancelJobPayload {
    /// The job.
    job: Option<Job>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of cancelJobs.
#[derive(SimpleObject)]
pub struct CancelJobsPayload {
    /// How many were stopped, or asked to.
    cancelled_count: Option<i32>,
    /// How many that match are left.
    remaining: Option<i32>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of jobs.
#[derive(Debug, Default)]
pub struct JobsMutation;

#[Object]
impl JobsMutation {
    /// Runs the present version of an event.
    async fn run_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to run.")] input: RunEventInput,
    ) -> ApiResult<RunEventPayload> {
        let wait = u64::try_from(input.wait_seconds).unwrap_or(u64::MAX);
        let start = Start {
            input: input.input,
            priority: input.priority.into(),
            wait: std::time::Duration::from_secs(wait),
            idempotency_key: input.idempotency_key,
            run_at: input.run_at,
        };
        let id = EventId::parse(&input.event_id).unwrap_or(EventId(Uuid::nil()));
        RunEventPayload::of(ctx, ctx.data::<Jobs>()?.run(op(ctx)?, id, start).await)
    }

    /// Runs a source without saving it.
    async fn test_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to run.")] mut input: TestEventInput,
    ) -> ApiResult<RunEventPayload> {
        let event = input
            .event_id
            .take()
            .map(|id| EventId::parse(&id).unwrap_or(EventId(Uuid::nil())));
        let (definition, start) = input.parts();
        RunEventPayload::of(
            ctx,
            ctx.data::<Jobs>()?.test(op(ctx)?, event, definition, start).await,
        )
    }

    /// Stops a job, whatever it is doing.
    async fn cancel_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which job.")] input: CancelJobInput,
    ) -> ApiResult<CancelJobPayload> {
        let result = match JobId::parse(&input.id) {
            Ok(id) => ctx.data::<Jobs>()?.cancel(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (job, user_errors) = payload(ctx, result)?;
        Ok(CancelJobPayload {
            job: job.map(Job),
            user_errors,
        })
    }

    /// Stops jobs that match and that the viewer may stop. Those that nobody runs yet end at once.
    async fn cancel_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which jobs.")] input: CancelJobsInput,
    ) -> ApiResult<CancelJobsPayload> {
        let result = match input.filter.try_into() {
            Ok(filter) => {
                let jobs = ctx.data::<Jobs>()?;
                jobs.cancel_matching(op(ctx)?, &filter, input.limit).await
            }
            Err(_) => Err(Error::field(
                UserErrorCode::NotFound,
                "filter.eventId",
                "There is no such event.",
            )),
        };
        let (done, user_errors) = payload(ctx, result)?;
        let count = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(CancelJobsPayload {
            cancelled_count: done.map(|(cancelled, _)| count(cancelled)),
            remaining: done.map(|(_, left)| count(left)),
            user_errors,
        })
    }

    /// Runs a finished job's version again with the same input.
    async fn retry_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which job.")] input: RetryJobInput,
    ) -> ApiResult<RunEventPayload> {
        let result = match JobId::parse(&input.id) {
            Ok(id) => {
                ctx.data::<Jobs>()?
                    .retry(op(ctx)?, id, input.idempotency_key)
                    .await
            }
            Err(e) => Err(e),
        };
        RunEventPayload::of(ctx, result)
    }
}

async fn newest_of(ctx: &Context<'_>, event: EventId, each: u64) -> ApiResult<Vec<JobRow>> {
    let key = api(ctx, ctx.data::<Jobs>()?.newest(op(ctx)?, event, each))?;
    let rows = ctx.data::<DataLoader<NewestJobsLoader>>()?.load_one(key).await;
    Ok(loaded(ctx, rows)?.unwrap_or_default())
}

/// The newest job of an event.
pub async fn last_job_of(ctx: &Context<'_>, event: EventId) -> ApiResult<Option<Job>> {
    Ok(newest_of(ctx, event, 1).await?.pop().map(Job))
}

/// Jobs of an event, which the viewer sees; the first ones of many events at once.
pub async fn jobs_of(
    ctx: &Context<'_>,
    event: EventId,
    filter: Option<JobFilter>,
    args: &PageArgs,
) -> ApiResult<ConnectionOf<Job>> {
    let filtered = filter.is_some();
    let filter = api(ctx, super::store::Filter::try_from(filter.unwrap_or_default()))?;
    let filter = super::store::Filter {
        event: Some(event),
        ..filter
    };
    let counted = ctx.look_ahead().field("totalCount").exists();
    let newest = !filtered && !counted && !args.backward && args.after.is_none() && args.before.is_none();
    if newest {
        let rows = newest_of(ctx, event, args.limit()).await?;
        return Ok(args.page(rows).connection(0, cursor, Job));
    }
    let found = ctx
        .data::<Jobs>()?
        .list(op(ctx)?, &filter, true, args, counted)
        .await;
    let (page, total) = api(ctx, found)?;
    Ok(page.connection(total, cursor, Job))
}
