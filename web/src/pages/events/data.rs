//! What the list of events asks the API for. Knows no page.

use cynic::QueryBuilder as _;

use crate::api::{self, ApiError, IsoDuration, Json, Timestamp, schema};
use crate::pages::runs::data::{
    EventType, JobStatus, OrderDirection, PAGE, PageInfo, Permission, Person, Place,
};
use crate::pages::targets::Target;
use crate::ui::PastRuns;

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    Draft,
    Active,
    Paused,
    Archived,
}

impl EventStatus {
    pub const ALL: [Self; 4] = [Self::Draft, Self::Active, Self::Paused, Self::Archived];

    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
            Self::Archived => "ARCHIVED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct LastJob {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub created_at: Timestamp,
    pub duration: Option<IsoDuration>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
pub struct VersionNumber {
    pub number: i32,
    pub input_schema: Option<Json>,
    pub target: Target,
}

/// An event in a list.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Event")]
pub struct EventRow {
    pub id: cynic::Id,
    pub name: String,
    pub description: String,
    #[cynic(rename = "type")]
    pub kind: EventType,
    pub status: EventStatus,
    pub tags: Vec<String>,
    pub owner: Person,
    pub updated_at: Timestamp,
    pub version: VersionNumber,
    pub last_job: Option<LastJob>,
    pub run_count: i32,
    pub viewer_can: Vec<Permission>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventConnection")]
pub struct EventPage {
    pub nodes: Vec<EventRow>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq, Default)]
pub struct EventFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[cynic(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Vec<EventType>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<EventStatus>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrderField {
    CreatedAt,
    UpdatedAt,
    Name,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
pub struct EventOrder {
    pub field: EventOrderField,
    pub direction: OrderDirection,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct EventsVariables {
    filter: Option<EventFilter>,
    order_by: Option<EventOrder>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "EventsVariables")]
pub struct EventsQuery {
    #[arguments(filter: $filter, orderBy: $order_by, first: $first, after: $after, last: $last, before: $before)]
    events: EventPage,
}

crate::api::listed!(Query EventsQuery, EventsVariables);

fn variables(filter: EventFilter, order: EventOrder, place: Place) -> EventsVariables {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match place {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    EventsVariables {
        filter: Some(filter),
        order_by: Some(order),
        first,
        after,
        last,
        before,
    }
}

/// A page of events.
pub async fn page(filter: EventFilter, order: EventOrder, place: Place) -> Result<EventPage, ApiError> {
    let variables = variables(filter, order, place);
    Ok(api::run(EventsQuery::build(variables)).await?.events)
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Event")]
pub struct History {
    pub id: cynic::Id,
    #[arguments(first: 16)]
    pub jobs: PastRuns,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "EventConnection")]
pub struct Histories {
    nodes: Vec<History>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "EventsVariables")]
pub struct HistoryQuery {
    #[arguments(filter: $filter, orderBy: $order_by, first: $first, after: $after, last: $last, before: $before)]
    events: Histories,
}

crate::api::listed!(Query HistoryQuery, EventsVariables);

/// The last runs of each event of a page. Asked for apart, so that the list need not wait for it.
pub async fn histories(
    filter: EventFilter,
    order: EventOrder,
    place: Place,
) -> Result<Vec<History>, ApiError> {
    let variables = variables(filter, order, place);
    Ok(api::run(HistoryQuery::build(variables)).await?.events.nodes)
}
