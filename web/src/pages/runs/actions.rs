//! What a person can do to a job: cancel it, run it again, run its event. Knows no page.

use cynic::MutationBuilder as _;

use super::data::{JobRow, Refusal, UserError, settled};
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

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RetryJobInput {
    id: cynic::Id,
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
    let variables = RetryVariables {
        input: RetryJobInput { id: id.into() },
    };
    let payload = api::run(Retry::build(variables)).await?.retry_job;
    settled(payload.job, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RunEventInput {
    event_id: cynic::Id,
    #[cynic(skip_serializing_if = "Option::is_none")]
    input: Option<Json>,
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

/// Runs the present version of an event. Gives the new job.
pub async fn run_event(event_id: &str, input: Option<Json>) -> Result<JobRow, Refusal> {
    let variables = RunVariables {
        input: RunEventInput {
            event_id: event_id.into(),
            input,
        },
    };
    let payload = api::run(RunEvent::build(variables)).await?.run_event;
    settled(payload.job, payload.user_errors)
}
