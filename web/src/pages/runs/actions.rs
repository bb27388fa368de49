//! What a person can do to a job: cancel it, run it again, run its event. Knows no page.

use cynic::MutationBuilder as _;

use super::data::{JobFilter, JobRow, Refusal, UserError, settled};
use crate::api::{self, Json, schema};

#[derive(cynic::InputObject, Clone, Debug)]
pub struct CancelJobInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct CancelVariables {
    input: CancelJobInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct CancelJobPayload {
    job: Option<JobRow>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Mutation", variables = "CancelVariables")]
pub struct Cancel {
    #[arguments(input: $input)]
    cancel_job: CancelJobPayload,
}

crate::api::listed!(Mutation Cancel, CancelVariables);

/// Asks for a job to be stopped.
pub async fn cancel(id: &str) -> Result<JobRow, Refusal> {
    let variables = CancelVariables {
        input: CancelJobInput { id: id.into() },
    };
    let payload = api::run(Cancel::build(variables)).await?.cancel_job;
    settled(payload.job, payload.user_errors)
}

/// Jobs that one call stops.
pub const MOST: i32 = 1_000;

#[derive(cynic::InputObject, Clone, Debug)]
pub struct CancelJobsInput {
    filter: JobFilter,
    limit: i32,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct CancelManyVariables {
    input: CancelJobsInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct CancelJobsPayload {
    cancelled_count: Option<i32>,
    remaining: Option<i32>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Mutation", variables = "CancelManyVariables")]
pub struct CancelMany {
    #[arguments(input: $input)]
    cancel_jobs: CancelJobsPayload,
}

crate::api::listed!(Mutation CancelMany, CancelManyVariables);

/// Asks for jobs that match to be stopped, the oldest first, at most [`MOST`]. Gives how many were, and how many that
/// match are left.
pub async fn cancel_matching(filter: JobFilter) -> Result<(u64, u64), Refusal> {
    let variables = CancelManyVariables {
        input: CancelJobsInput { filter, limit: MOST },
    };
    let payload = api::run(CancelMany::build(variables)).await?.cancel_jobs;
    let whole = |count: i32| u64::try_from(count).unwrap_or(0);
    let counts = payload.cancelled_count.zip(payload.remaining);
    settled(
        counts.map(|(done, left)| (whole(done), whole(left))),
        payload.user_errors,
    )
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RetryJobInput {
    id: cynic::Id,
    #[cynic(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct RetryVariables {
    input: RetryJobInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct RunEventPayload {
    pub job: Option<JobRow>,
    pub user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Mutation", variables = "RetryVariables")]
pub struct Retry {
    #[arguments(input: $input)]
    retry_job: RunEventPayload,
}

crate::api::listed!(Mutation Retry, RetryVariables);

/// Runs a job again with the same version and input. Gives the new job.
pub async fn retry(id: &str) -> Result<JobRow, Refusal> {
    retry_once(id, None).await
}

/// The same; the same key gives the same job, so that it can be asked again when the answer was lost.
pub async fn retry_once(id: &str, key: Option<String>) -> Result<JobRow, Refusal> {
    let variables = RetryVariables {
        input: RetryJobInput {
            id: id.into(),
            idempotency_key: key,
        },
    };
    let payload = api::run(Retry::build(variables)).await?.retry_job;
    settled(payload.job, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RunEventInput {
    event_id: cynic::Id,
    #[cynic(skip_serializing_if = "Option::is_none")]
    input: Option<Json>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    servers: Option<Vec<cynic::Id>>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct RunVariables {
    input: RunEventInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Mutation", variables = "RunVariables")]
pub struct RunEvent {
    #[arguments(input: $input)]
    run_event: RunEventPayload,
}

crate::api::listed!(Mutation RunEvent, RunVariables);

/// Runs the present version of an event, on some of its servers if that is said. Gives the new job.
pub async fn run_event(
    event_id: &str,
    input: Option<Json>,
    servers: Option<Vec<cynic::Id>>,
) -> Result<JobRow, Refusal> {
    let variables = RunVariables {
        input: RunEventInput {
            event_id: event_id.into(),
            input,
            servers,
        },
    };
    let payload = api::run(RunEvent::build(variables)).await?.run_event;
    settled(payload.job, payload.user_errors)
}
