//! Inputs of event mutations, and how they become the slice's own types.

use async_graphql::{Enum, ID, InputObject};
use cronium_entity::enums::{EventKind, EventStatus as StatusValue};

use crate::kernel::Result;
use crate::kernel::scalars::Duration;

use super::http::HttpConfig;
use super::model::{DEFAULT_TIMEOUT_MS, Definition, EnvVar, Profile, ServerTarget, Target};
use super::policy::Policy;
use super::request::HttpRequestInput;
use super::runs::{OverlapPolicy, RetryPolicyInput};
use super::service::{EventChange, NewEvent};
use super::store::{Filter, OrderBy};
use super::targets::TargetInput;

/// What an event is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "EventKind")]
pub enum EventType {
    /// A Bash script.
    Bash,
    /// A Python 3 script.
    Python,
    /// A Node.js script.
    #[graphql(name = "NODEJS")]
    Nodejs,
    /// A request over HTTP.
    HttpRequest,
}

/// Life of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "StatusValue")]
pub enum EventStatus {
    /// Being written.
    Draft,
    /// In use.
    Active,
    /// Runs by hand only.
    Paused,
    /// Kept, but can't be run.
    Archived,
}

/// Sorting direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// Smallest or oldest first.
    Asc,
    /// Largest or newest first.
    Desc,
}

/// Field that events are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "OrderBy")]
pub enum EventOrderField {
    /// When it was made.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// Name, case ignored.
    Name,
}

/// Order of a list of events.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct EventOrder {
    /// Sort by this.
    pub field: EventOrderField,
    /// In this direction.
    pub direction: OrderDirection,
}

impl EventOrder {
    pub fn parts(order: Option<Self>) -> (OrderBy, bool) {
        order.map_or((OrderBy::CreatedAt, true), |o| {
            (o.field.into(), o.direction == OrderDirection::Desc)
        })
    }
}

/// Narrows a list of events; all given fields must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct EventFilter {
    /// Part of the name or description.
    pub text: Option<String>,
    /// Any of these types.
    #[graphql(name = "type")]
    pub kind: Option<Vec<EventType>>,
    /// Any of these states.
    pub status: Option<Vec<EventStatus>>,
    /// Has this tag.
    pub tag: Option<String>,
}

impl From<EventFilter> for Filter {
    fn from(f: EventFilter) -> Self {
        Self {
            text: f.text,
            kinds: f.kind.into_iter().flatten().map(Into::into).collect(),
            statuses: f.status.into_iter().flatten().map(Into::into).collect(),
            tag: f.tag,
        }
    }
}

/// One variable of the environment.
#[derive(Debug, Clone, InputObject)]
pub struct EnvVarInput {
    /// Letters, digits and underscores; not beginning with CRONIUM_.
    pub name: String,
    /// At most 32 KiB.
    pub value: String,
}

impl From<EnvVarInput> for EnvVar {
    fn from(v: EnvVarInput) -> Self {
        Self {
            name: v.name,
            value: v.value,
        }
    }
}

/// A new event.
#[derive(Debug, InputObject)]
pub struct CreateEventInput {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 500 characters.
    #[graphql(default)]
    pub description: String,
    /// What it is made of.
    #[graphql(name = "type")]
    pub kind: EventType,
    /// At most 20 tags of 1 to 40 characters.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Others may see and run it, not change it.
    #[graphql(default)]
    pub shared: bool,
    /// ACTIVE by default.
    #[graphql(default_with = "EventStatus::Active")]
    pub status: EventStatus,
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
    /// When a run is tried again; one attempt by default.
    pub retry: Option<RetryPolicyInput>,
    /// What becomes of a run when others have not ended; ALLOW by default.
    pub overlap: Option<OverlapPolicy>,
    /// How many runs there may be at a time, 1 to 1,000; null: no limit, or one where `overlap` is not ALLOW.
    pub max_concurrent: Option<i32>,
    /// Running it twice does no harm: a run that was lost is started again, up to 10 times. False by default.
    #[graphql(default)]
    pub idempotent: bool,
    /// What an orchestrator must have to run it, all of them: at most 20 labels of 1 to 63 of `a-z 0-9 . _ = -`, such as
    /// `gpu` or `region=eu-1`. None, the default: any orchestrator.
    #[graphql(default)]
    pub labels: Vec<String>,
    /// After so many runs it is paused; 0, the default: no limit.
    #[graphql(default)]
    pub max_executions: i32,
    /// What this version is about.
    pub comment: Option<String>,
}

impl CreateEventInput {
    pub fn new_event(mut self) -> Result<NewEvent> {
        let target = self.target.take().map(TargetInput::parts).transpose()?;
        let (target, servers) = target.unwrap_or_default();
        Ok(self.placed(target, servers))
    }

    /// The event, where it runs being said otherwise.
    pub fn placed(self, target: Target, servers: Option<ServerTarget>) -> NewEvent {
        NewEvent {
            profile: Profile {
                name: self.name,
                description: self.description,
                tags: self.tags,
                shared: self.shared,
            },
            status: self.status.into(),
            definition: Definition {
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
            },
            max_executions: self.max_executions,
            comment: self.comment,
        }
    }
}

/// A change of an event; absent fields stay as they are.
#[derive(Debug, InputObject)]
pub struct UpdateEventInput {
    /// The event.
    pub id: ID,
    /// Number of the version that was edited; another one is refused with CONFLICT.
    pub expected_version: i32,
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// At most 500 characters.
    pub description: Option<String>,
    /// What it is made of.
    #[graphql(name = "type")]
    pub kind: Option<EventType>,
    /// At most 20 tags of 1 to 40 characters.
    pub tags: Option<Vec<String>>,
    /// Others may see and run it, not change it.
    pub shared: Option<bool>,
    /// The script, at most 1 MiB; empty for an HTTP_REQUEST.
    pub source: Option<String>,
    /// What an HTTP_REQUEST sends, as a whole; null removes it, for an event that becomes a script.
    pub http: async_graphql::MaybeUndefined<HttpRequestInput>,
    /// Variables that the script sees.
    pub environment: Option<Vec<EnvVarInput>>,
    /// JSON Schema that the input must satisfy; null removes it.
    pub input_schema: async_graphql::MaybeUndefined<serde_json::Value>,
    /// Where it runs, as a whole.
    pub target: Option<TargetInput>,
    /// Time limit of the script, PT1S to PT24H.
    pub timeout: Option<Duration>,
    /// When a run is tried again, as a whole.
    pub retry: Option<RetryPolicyInput>,
    /// What becomes of a run when others have not ended.
    pub overlap: Option<OverlapPolicy>,
    /// How many runs there may be at a time, 1 to 1,000; null removes the limit.
    pub max_concurrent: async_graphql::MaybeUndefined<i32>,
    /// Running it twice does no harm.
    pub idempotent: Option<bool>,
    /// What an orchestrator must have to run it, as a whole; none: any orchestrator.
    pub labels: Option<Vec<String>>,
    /// After so many runs it is paused; 0 removes the limit. A limit that is reached already pauses it now.
    pub max_executions: Option<i32>,
    /// What this version is about.
    pub comment: Option<String>,
}

impl UpdateEventInput {
    pub fn change(self) -> Result<EventChange> {
        Ok(EventChange {
            name: self.name,
            description: self.description,
            tags: self.tags,
            shared: self.shared,
            kind: self.kind.map(Into::into),
            source: self.source,
            http: self
                .http
                .map_value(Into::into)
                .as_opt_ref()
                .map(Option::<&HttpConfig>::cloned),
            environment: self
                .environment
                .map(|vars| vars.into_iter().map(Into::into).collect()),
            input_schema: self
                .input_schema
                .as_opt_ref()
                .map(Option::<&serde_json::Value>::cloned),
            target: self.target.map(TargetInput::parts).transpose()?,
            timeout_ms: self.timeout.map(|d| d.0),
            retry: self.retry.map(Into::into),
            overlap: self.overlap.map(Into::into),
            max_concurrent: self.max_concurrent.as_opt_ref().map(Option::<&i32>::copied),
            idempotent: self.idempotent,
            labels: self.labels,
            max_executions: self.max_executions,
            comment: self.comment,
        })
    }
}

/// A new state of an event.
#[derive(Debug, InputObject)]
pub struct SetEventStatusInput {
    /// The event.
    pub id: ID,
    /// Its new state.
    pub status: EventStatus,
}

/// An old version to bring back.
#[derive(Debug, InputObject)]
pub struct RestoreEventVersionInput {
    /// The event.
    pub id: ID,
    /// The version whose content comes back.
    pub version_id: ID,
    /// Number of the present version.
    pub expected_version: i32,
}

/// An event to copy.
#[derive(Debug, InputObject)]
pub struct ForkEventInput {
    /// The event; anybody's that the viewer may see.
    pub id: ID,
    /// Name of the copy, another one than those of the viewer's events; null: `Name (copy)`, `Name (copy 2)` and so on.
    pub name: Option<String>,
}

/// An event to remove.
#[derive(Debug, InputObject)]
pub struct DeleteEventInput {
    /// The event.
    pub id: ID,
}

/// An event whose runs are counted anew.
#[derive(Debug, InputObject)]
pub struct ResetEventCounterInput {
    /// The event.
    pub id: ID,
}
