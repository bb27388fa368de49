//! Inputs of job mutations and lists.

use async_graphql::{Enum, ID, InputObject};
use cronium_entity::enums::{JobStatus as StatusValue, Priority as PriorityValue, Trigger as TriggerValue};
use uuid::Uuid;

use crate::events::{
    DEFAULT_TIMEOUT_MS, Definition, EnvVarInput, EventType, HttpRequestInput, OrderDirection, OverlapPolicy,
    Policy, RetryPolicyInput, TargetInput,
};
use crate::kernel::ids::{EventId, ServerId};
use crate::kernel::scalars::Duration;
use crate::kernel::{Result, Timestamp};

use super::service::Start;
use super::store::Filter;

/// State of a job or of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "StatusValue")]
pub enum JobStatus {
    /// Waits for an orchestrator.
    Queued,
    /// An orchestrator prepares it.
    Dispatching,
    /// User code runs.
    Running,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended otherwise.
    Failed,
    /// Ran longer than its timeout.
    TimedOut,
    /// Stopped by a person.
    Cancelled,
    /// Contact was lost after the start and not regained.
    Lost,
    /// Some targets succeeded, others did not.
    Partial,
    /// Not run, by policy.
    Skipped,
}

/// A higher one is dispatched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "PriorityValue")]
pub enum Priority {
    /// After everything else.
    Low,
    /// The usual.
    Normal,
    /// Before the usual.
    High,
    /// Before everything else.
    Critical,
}

/// What started a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "TriggerValue")]
pub enum Trigger {
    /// A person in the dashboard.
    Manual,
    /// A program with a token.
    Api,
    /// A person who repeated a job.
    Retry,
    /// A test run from the editor.
    Test,
}

/// Field that jobs are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum JobOrderField {
    /// When it was accepted.
    CreatedAt,
}

/// Order of a list of jobs.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct JobOrder {
    /// Sort by this.
    pub field: JobOrderField,
    /// In this direction.
    pub direction: OrderDirection,
}

/// Narrows a list of jobs; all given fields must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct JobFilter {
    /// Any of these states.
    pub status: Option<Vec<JobStatus>>,
    /// Of this event.
    pub event_id: Option<ID>,
    /// Started by any of these.
    pub trigger: Option<Vec<Trigger>>,
    /// Part of the title, or `#` and a number.
    pub text: Option<String>,
    /// Accepted after this moment.
    pub created_after: Option<Timestamp>,
    /// Accepted before this moment.
    pub created_before: Option<Timestamp>,
}

impl TryFrom<JobFilter> for Filter {
    type Error = crate::kernel::Error;

    fn try_from(f: JobFilter) -> Result<Self> {
        Ok(Self {
            statuses: f.status.into_iter().flatten().map(Into::into).collect(),
            event: f.event_id.as_ref().map(EventId::parse).transpose()?,
            triggers: f.trigger.into_iter().flatten().map(Into::into).collect(),
            text: f.text,
            created_after: f.created_after,
            created_before: f.created_before,
        })
    }
}

/// An event to run.
#[derive(Debug, InputObject)]
pub struct RunEventInput {
    /// The event.
    pub event_id: ID,
    /// Must satisfy the event's input schema; at most 1 MiB.
    pub input: Option<serde_json::Value>,
    /// NORMAL by default.
    #[graphql(default_with = "Priority::Normal")]
    pub priority: Priority,
    /// Not before this moment, at most a year ahead; what has passed is now.
    pub run_at: Option<Timestamp>,
    /// Wait up to so long for the end, 0 to 60 seconds.
    #[graphql(default)]
    pub wait_seconds: i32,
    /// The same key gives the same job for 24 hours; 1 to 200 characters.
    pub idempotency_key: Option<String>,
    /// Only on these of the event's servers; null: on all of them.
    pub servers: Option<Vec<ID>>,
}

impl RunEventInput {
    /// Which event to run, and how. What is no id names what does not exist.
    pub fn parts(self) -> (EventId, Start) {
        let event = EventId::parse(&self.event_id).unwrap_or(EventId(Uuid::nil()));
        let wait = u64::try_from(self.wait_seconds).unwrap_or(u64::MAX);
        let server = |id: &ID| ServerId::parse(id).unwrap_or(ServerId(Uuid::nil()));
        let start = Start {
            input: self.input,
            priority: self.priority.into(),
            wait: std::time::Duration::from_secs(wait),
            idempotency_key: self.idempotency_key,
            run_at: self.run_at,
            servers: self.servers.map(|ids| ids.iter().map(server).collect()),
        };
        (event, start)
    }
}

/// A source to run without saving it.
#[derive(Debug, InputObject)]
pub struct TestEventInput {
    /// The event that it belongs to, if there is one.
    pub event_id: Option<ID>,
    /// Language of the source.
    #[graphql(name = "type")]
    pub kind: EventType,
    /// The script, at most 1 MiB; none for an HTTP_REQUEST.
    #[graphql(default)]
    pub source: String,
    /// What an HTTP_REQUEST sends.
    pub http: Option<HttpRequestInput>,
    /// Variables that the script sees.
    #[graphql(default)]
    pub environment: Vec<EnvVarInput>,
    /// JSON Schema that the input must satisfy.
    pub input_schema: Option<serde_json::Value>,
    /// Where it runs; in a container by default.
    pub target: Option<TargetInput>,
    /// Time limit of the script, PT1S to PT24H; PT30M by default.
    pub timeout: Option<Duration>,
    /// When the run is tried again; one attempt by default.
    pub retry: Option<RetryPolicyInput>,
    /// Checked and kept; test runs don't take turns. ALLOW by default.
    pub overlap: Option<OverlapPolicy>,
    /// Checked and kept; test runs don't take turns.
    pub max_concurrent: Option<i32>,
    /// Running it twice does no harm.
    #[graphql(default)]
    pub idempotent: bool,
    /// What an orchestrator must have to run it, all of them; none: any orchestrator.
    #[graphql(default)]
    pub labels: Vec<String>,
    /// Input of the script; at most 1 MiB.
    pub input: Option<serde_json::Value>,
    /// The same key gives the same job for 24 hours; 1 to 200 characters.
    pub idempotency_key: Option<String>,
}

impl TestEventInput {
    /// The definition to run, and how.
    pub fn parts(self) -> Result<(Definition, Start)> {
        let target = self.target.map(TargetInput::parts).transpose()?;
        let (target, servers) = target.unwrap_or_default();
        let definition = Definition {
            kind: self.kind.into(),
            source: self.source,
            http: self.http.map(Into::into),
            environment: self.environment.into_iter().map(Into::into).collect(),
            input_schema: self.input_schema,
            target,
            servers,
            timeout_ms: self.timeout.map_or(DEFAULT_TIMEOUT_MS, |d| d.0),
            policy: Policy {
                retry: self.retry.unwrap_or_default().into(),
                overlap: self.overlap.unwrap_or(OverlapPolicy::Allow).into(),
                max_concurrent: self.max_concurrent,
                idempotent: self.idempotent,
            },
            labels: self.labels,
        };
        let start = Start {
            input: self.input,
            priority: PriorityValue::High,
            wait: std::time::Duration::ZERO,
            idempotency_key: self.idempotency_key,
            run_at: None,
            servers: None,
        };
        Ok((definition, start))
    }
}

/// A job to stop.
#[derive(Debug, InputObject)]
pub struct CancelJobInput {
    /// The job.
    pub id: ID,
}

/// Jobs to stop.
#[derive(Debug, InputObject)]
pub struct CancelJobsInput {
    /// Which jobs; of those that match, the ones that have ended or were asked to stop are left alone.
    pub filter: JobFilter,
    /// At most so many, the oldest first: 1 to 1,000.
    #[graphql(default = 1000)]
    pub limit: i32,
}

/// A job to run again.
#[derive(Debug, InputObject)]
pub struct RetryJobInput {
    /// The job; it must have ended.
    pub id: ID,
    /// The same key gives the same job for 24 hours; 1 to 200 characters.
    pub idempotency_key: Option<String>,
}
