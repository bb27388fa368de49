//! Changes to an event as a whole: its status, its versions, its end. Knows no page.

use cynic::{MutationBuilder as _, QueryBuilder as _};

use super::data::{Event, Version};
use crate::api::{self, ApiError, schema};
use crate::pages::events::data::EventStatus;
use crate::pages::runs::data::{PageInfo, Refusal, UserError, settled};

#[derive(cynic::InputObject, Clone, Debug)]
pub struct SetEventStatusInput {
    id: cynic::Id,
    status: EventStatus,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct StatusVariables {
    input: SetEventStatusInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct SetEventStatusPayload {
    event: Option<Event>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "StatusVariables")]
pub struct SetStatus {
    #[arguments(input: $input)]
    set_event_status: SetEventStatusPayload,
}

crate::api::listed!(Mutation SetStatus, StatusVariables);

/// Pauses an event, or takes it up again.
pub async fn set_status(id: &str, status: EventStatus) -> Result<Event, Refusal> {
    let variables = StatusVariables {
        input: SetEventStatusInput {
            id: id.into(),
            status,
        },
    };
    let payload = api::run(SetStatus::build(variables)).await?.set_event_status;
    settled(payload.event, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct DeleteEventInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct DeleteVariables {
    input: DeleteEventInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct DeleteEventPayload {
    deleted_id: Option<cynic::Id>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "DeleteVariables")]
pub struct Delete {
    #[arguments(input: $input)]
    delete_event: DeleteEventPayload,
}

crate::api::listed!(Mutation Delete, DeleteVariables);

/// Removes an event.
pub async fn delete(id: &str) -> Result<cynic::Id, Refusal> {
    let variables = DeleteVariables {
        input: DeleteEventInput { id: id.into() },
    };
    let payload = api::run(Delete::build(variables)).await?.delete_event;
    settled(payload.deleted_id, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RestoreEventVersionInput {
    id: cynic::Id,
    version_id: cynic::Id,
    expected_version: i32,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct RestoreVariables {
    input: RestoreEventVersionInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct RestoreEventVersionPayload {
    event: Option<Event>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "RestoreVariables")]
pub struct Restore {
    #[arguments(input: $input)]
    restore_event_version: RestoreEventVersionPayload,
}

crate::api::listed!(Mutation Restore, RestoreVariables);

/// Makes an old version the newest again.
pub async fn restore(id: &str, version_id: &cynic::Id, expected_version: i32) -> Result<Event, Refusal> {
    let input = RestoreEventVersionInput {
        id: id.into(),
        version_id: version_id.clone(),
        expected_version,
    };
    let payload = api::run(Restore::build(RestoreVariables { input }))
        .await?
        .restore_event_version;
    settled(payload.event, payload.user_errors)
}

#[derive(cynic::QueryVariables, Debug)]
pub struct VersionsVariables {
    id: cynic::Id,
    first: Option<i32>,
    after: Option<String>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersionConnection")]
pub struct VersionPage {
    pub nodes: Vec<Version>,
    pub page_info: PageInfo,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Event", variables = "VersionsVariables")]
pub struct EventVersions {
    #[arguments(first: $first, after: $after)]
    versions: VersionPage,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "VersionsVariables")]
pub struct VersionsQuery {
    #[arguments(id: $id)]
    event: Option<EventVersions>,
}

crate::api::listed!(Query VersionsQuery, VersionsVariables);

/// A page of an event's versions, newest first.
pub async fn versions(id: &str, after: Option<String>) -> Result<Option<VersionPage>, ApiError> {
    let variables = VersionsVariables {
        id: id.into(),
        first: Some(50),
        after,
    };
    Ok(api::run(VersionsQuery::build(variables))
        .await?
        .event
        .map(|event| event.versions))
}
