//! What the page of a run asks the API for. Knows no page.

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};

use crate::api::{self, ApiError, IsoDuration, Json, Subscription, Timestamp, schema};
use crate::pages::runs::data::{EventRef, EventType, JobStatus, Permission, Person, Trigger};
use crate::pages::targets::Target;

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

/// That a server is there, and for these eyes.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Present {
    pub id: cynic::Id,
}

/// The server of an execution, as it was called then.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerReference")]
pub struct RunServer {
    pub id: cynic::Id,
    pub name: String,
    pub server: Option<Present>,
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

/// A job that repeats another.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct JobRef {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
}

/// A job that is repeated, and whatever it repeats itself.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct Forerunner {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
    #[cynic(recurse = "5")]
    pub retry_of: Option<Box<Forerunner>>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Execution {
    pub id: cynic::Id,
    pub attempt: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub exit_code: Option<i32>,
    pub due_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub timing: JobTiming,
    pub output: Option<Json>,
    pub condition: Option<bool>,
    pub cpu_time: Option<IsoDuration>,
    pub peak_memory_bytes: Option<f64>,
    pub orchestrator: Option<String>,
    pub server: Option<RunServer>,
    pub cancellation: Option<CancellationReceipt>,
    pub image_digest: Option<String>,
    pub payload_sha256: Option<String>,
    pub log_line_count: i32,
    pub log_truncated: bool,
    pub log_dropped_at: Option<Timestamp>,
}

impl Execution {
    /// Whether there is, or will at once be, something to see of it.
    pub fn has_begun(&self) -> bool {
        self.status != JobStatus::Queued || self.log_line_count > 0
    }
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
    pub retry_of: Option<Forerunner>,
    pub retries: Vec<JobRef>,
    pub input: Option<Json>,
    pub output: Option<Json>,
    pub condition: Option<bool>,
    pub created_at: Timestamp,
    pub run_at: Option<Timestamp>,
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ui::EventType;

    /// An attempt of which nothing is known but this.
    pub fn execution(attempt: i32, status: JobStatus) -> Execution {
        Execution {
            id: format!("attempt-{attempt}").into(),
            attempt,
            status,
            status_reason: None,
            exit_code: None,
            due_at: None,
            started_at: None,
            finished_at: None,
            timing: JobTiming {
                queued: None,
                setup: None,
                run: None,
                cleanup: None,
            },
            output: None,
            condition: None,
            cpu_time: None,
            peak_memory_bytes: None,
            orchestrator: None,
            server: None,
            cancellation: None,
            image_digest: None,
            payload_sha256: None,
            log_line_count: 0,
            log_truncated: false,
            log_dropped_at: None,
        }
    }

    /// The same, on a server whose name is its id.
    pub fn on(server: &str, attempt: i32, status: JobStatus) -> Execution {
        Execution {
            id: format!("{server}-{attempt}").into(),
            server: Some(RunServer {
                id: server.into(),
                name: server.to_owned(),
                server: None,
            }),
            ..execution(attempt, status)
        }
    }

    /// A job of which nothing is known but this.
    pub fn job(status: JobStatus, executions: Vec<Execution>) -> JobDetail {
        let timing = execution(0, status).timing;
        JobDetail {
            id: "job".into(),
            number: 7,
            status,
            status_reason: None,
            priority: Priority::Normal,
            title: "Backup".to_owned(),
            trigger: Trigger::Manual,
            actor: None,
            event: None,
            event_version: Version {
                number: 1,
                ad_hoc: false,
                kind: EventType::Bash,
                target: Target::Other,
            },
            retry_of: None,
            retries: Vec::new(),
            input: None,
            output: None,
            condition: None,
            created_at: Timestamp::from_timestamp(0, 0).unwrap(),
            run_at: None,
            started_at: None,
            finished_at: None,
            duration: None,
            timing,
            executions,
            cancellation: None,
            viewer_can: Vec::new(),
        }
    }
}
