//! Starting, repeating and stopping jobs, in the API.

use async_graphql::{Context, Object, SimpleObject};
use uuid::Uuid;

use crate::kernel::api::{ApiResult, UserError, op, payload};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{EventId, JobId};
use crate::kernel::{Error, Result};

use super::super::input::{CancelJobInput, CancelJobsInput, RetryJobInput, RunEventInput, TestEventInput};
use super::super::service::Jobs;
use super::super::store::JobRow;
use super::Job;

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
        let (event, start) = input.parts();
        RunEventPayload::of(ctx, ctx.data::<Jobs>()?.run(op(ctx)?, event, start).await)
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
        let result = match input.parts() {
            Ok((definition, start)) => ctx.data::<Jobs>()?.test(op(ctx)?, event, definition, start).await,
            Err(e) => Err(e),
        };
        RunEventPayload::of(ctx, result)
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

    /// Runs a finished job's version again with the same input; of several servers on those where it did not succeed.
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
