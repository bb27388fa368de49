//! What the overview asks for.

use cynic::QueryFragment;

use crate::api::{IsoDuration, Timestamp, schema};
use crate::pages::runs::data::{EventType, Permission, Person, Trigger};
use crate::pages::targets::Target;
use crate::ui::{JobStatus, PastRuns};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[cynic(graphql_type = "TimeRange")]
pub(super) enum Range {
    #[cynic(rename = "LAST_HOUR")]
    Hour,
    #[cynic(rename = "LAST_24_HOURS")]
    Day,
    #[cynic(rename = "LAST_7_DAYS")]
    Week,
    #[cynic(rename = "LAST_30_DAYS")]
    Month,
}

impl Range {
    pub(super) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// As in the address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The range of a name; a day when there is none.
    pub(super) fn from_name(name: Option<&str>) -> Self {
        Self::ALL
            .into_iter()
            .find(|range| Some(range.name()) == name)
            .unwrap_or(Self::Day)
    }

    /// As on the switch.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Hour => "1 h",
            Self::Day => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
        }
    }

    /// The distance of labels below the chart, in minutes.
    pub(super) fn label_minutes(self) -> f64 {
        match self {
            Self::Hour => 10.0,
            Self::Day => 180.0,
            Self::Week => 1_440.0,
            Self::Month => 5.0 * 1_440.0,
        }
    }
}

#[derive(cynic::QueryVariables)]
pub(super) struct OverviewVariables {
    pub range: Range,
    pub running: JobFilter,
}

#[derive(cynic::InputObject)]
pub(super) struct JobFilter {
    pub status: Option<Vec<JobStatus>>,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Query", variables = "OverviewVariables")]
pub(super) struct OverviewQuery {
    #[arguments(range: $range)]
    pub overview: Overview,
    #[arguments(filter: $running, first: 20)]
    pub jobs: Jobs,
}

crate::api::listed!(Query OverviewQuery, OverviewVariables);

#[derive(QueryFragment, Clone, Debug, PartialEq)]
pub(super) struct Overview {
    pub total: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub running: i32,
    pub queued: i32,
    pub success_rate: Option<f64>,
    pub p50_duration: Option<IsoDuration>,
    pub p95_duration: Option<IsoDuration>,
    pub series: Vec<Point>,
    pub failing_events: Vec<FailingEvent>,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "OverviewPoint")]
pub(super) struct Point {
    pub from: Timestamp,
    pub to: Timestamp,
    pub succeeded: i32,
    pub failed: i32,
    pub cancelled: i32,
    pub other: i32,
}

impl Point {
    pub(super) fn total(&self) -> i32 {
        self.succeeded + self.failed + self.cancelled + self.other
    }
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
pub(super) struct FailingEvent {
    pub event: EventName,
    pub failures: i32,
    pub last_job: LastJob,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Event")]
pub(super) struct EventName {
    pub id: cynic::Id,
    pub name: String,
    #[cynic(rename = "type")]
    pub kind: EventType,
    #[arguments(first: 20)]
    pub jobs: PastRuns,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub(super) struct LastJob {
    pub id: cynic::Id,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "JobConnection")]
pub(super) struct Jobs {
    pub nodes: Vec<RunningJob>,
    pub total_count: i32,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub(super) struct RunningJob {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
    pub title: String,
    pub trigger: Trigger,
    pub actor: Option<Person>,
    pub event: Option<History>,
    pub event_version: Version,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub viewer_can: Vec<Permission>,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Event")]
pub(super) struct History {
    #[arguments(first: 12)]
    pub jobs: PastRuns,
}

#[derive(QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
pub(super) struct Version {
    #[cynic(rename = "type")]
    pub kind: EventType,
    pub target: Target,
}

#[derive(QueryFragment, Debug)]
#[cynic(graphql_type = "Subscription")]
pub(super) struct ChangesSubscription {
    #[expect(dead_code, reason = "that something changed is all that matters")]
    jobs_changed: Change,
}

crate::api::listed!(Subscription ChangesSubscription, ());

#[derive(QueryFragment, Debug)]
#[cynic(graphql_type = "JobChange")]
struct Change {
    #[expect(dead_code, reason = "a selection must name a field")]
    kind: ChangeKind,
}

#[derive(cynic::Enum, Clone, Copy, Debug)]
#[cynic(graphql_type = "JobChangeKind")]
enum ChangeKind {
    Created,
    Updated,
}
