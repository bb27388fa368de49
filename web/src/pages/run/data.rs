//! What the page of a run asks the API for. Knows no page.

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};

use crate::api::{self, ApiError, IsoDuration, Json, Subscription, Timestamp, schema};
use crate::pages::runs::data::{EventRef, EventType, JobStatus, Permission, Person, Trigger};

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct JobTiming {
    pub queued: Option<IsoDuration>,
    pub setup: Option<IsoDuration>,
    pub run: Option<IsoDuration>,
    pub cleanup: Option<IsoDuration>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct CancellationReceipt {
    pub requested_at: Timestamp,
    pub requested_by: Option<Person>,
    pub signal_sent: bool,
    pub escalated: bool,
    pub process_gone: bool,
    pub note: Option<String>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ContainerTarget")]
pub struct Target {
    pub image: Option<String>,
    pub memory_bytes: f64,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
pub struct Version {
    pub number: i32,
    pub ad_hoc: bool,
    #[cynic(rename = "type")]
    pub kind: EventType,
    pub target: Target,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct JobRef {
    pub id: cynic::Id,
    pub number: i32,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Execution {
    pub id: cynic::Id,
    pub attempt: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub exit_code: Option<i32>,
    pub timing: JobTiming,
    pub output: Option<Json>,
    pub cpu_time: Option<IsoDuration>,
    pub peak_memory_bytes: Option<f64>,
    pub orchestrator: Option<String>,
    pub image_digest: Option<String>,
    pub payload_sha256: Option<String>,
    pub log_line_count: i32,
    pub log_truncated: bool,
}

/// A job with all that its page shows.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct JobDetail {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub priority: Priority,
    pub title: String,
    pub trigger: Trigger,
    pub actor: Option<Person>,
    pub event: Option<EventRef>,
    pub event_version: Version,
    pub retry_of: Option<JobRef>,
    pub input: Option<Json>,
    pub output: Option<Json>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub duration: Option<IsoDuration>,
    pub timing: JobTiming,
    pub executions: Vec<Execution>,
    pub cancellation: Option<CancellationReceipt>,
    pub viewer_can: Vec<Permission>,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Low,
    Normal,
    High,
    Critical,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct JobVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "JobVariables")]
pub struct JobQuery {
    #[arguments(id: $id)]
    job: Option<JobDetail>,
}

crate::api::listed!(Query JobQuery, JobVariables);

/// A job by its id, if the viewer may see it.
pub async fn job(id: &str) -> Result<Option<JobDetail>, ApiError> {
    Ok(api::run(JobQuery::build(JobVariables { id: id.into() }))
        .await?
        .job)
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "JobVariables")]
pub struct JobUpdates {
    #[arguments(id: $id)]
    pub job_updated: JobDetail,
}

crate::api::listed!(Subscription JobUpdates, JobVariables);

/// The job after each change.
pub fn updates(id: String) -> Subscription<JobUpdates> {
    api::subscribe(move || {
        JobUpdates::build(JobVariables {
            id: id.as_str().into(),
        })
    })
}
