//! Jobs in the API.

mod execution;
mod mutations;
mod receipt;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object};
use cronium_entity::enums::JobStatus as RowStatus;
use uuid::Uuid;

use crate::access::{self, Action, Permission, can};
use crate::events::{Event, EventLoader, EventVersion, VersionLoader, person};
use crate::identity::{ApiToken, User, token_of};
use crate::kernel::api::{ApiResult, api, loaded, op, visible};
use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};
use crate::kernel::scalars::Duration;
use crate::kernel::{Error, Timestamp};

use super::input::{JobFilter, JobOrder, JobStatus, Priority, Trigger};
use super::loader::{ExecutionLoader, JobLoader, NewestJobsLoader, RetriesLoader};
use super::model::is_final;
use super::service::Jobs;
use super::store::{JobRow, cursor};

use execution::reason;
pub use execution::{Execution, JobTiming};
pub use mutations::JobsMutation;
use receipt::{CancellationReceipt, receipt};

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

    /// What the script gave; null for a run on several servers, each of which has its own.
    async fn output(&self) -> Option<&serde_json::Value> {
        self.0.output.as_ref()
    }

    /// What the script set by `setCondition` in the last attempt; null: nothing, or on several servers each its own.
    async fn condition(&self) -> Option<bool> {
        self.0.condition
    }

    /// When it was accepted.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When user code began; of the last attempt, or of the first one of several servers.
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

    /// Length of each phase, of the execution that ended last or has not ended.
    async fn timing(&self, ctx: &Context<'_>) -> ApiResult<JobTiming> {
        let executions = executions(ctx, self.0.id).await?;
        let last = executions
            .iter()
            .max_by_key(|one| (one.0.finished_at.is_none(), one.0.finished_at));
        Ok(last.map(Execution::timing_now).unwrap_or_default())
    }

    /// Attempts, oldest first; on several servers those of the first one, then those of the next.
    async fn executions(&self, ctx: &Context<'_>) -> ApiResult<Vec<Execution>> {
        executions(ctx, self.0.id).await
    }

    /// What was done to cancel it.
    async fn cancellation(&self, ctx: &Context<'_>) -> ApiResult<Option<CancellationReceipt>> {
        receipt(ctx, &self.0, self.0.cancel_receipt.as_ref()).await
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
