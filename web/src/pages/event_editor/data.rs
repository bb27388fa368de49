//! What the page of an event asks the API for, and what it sends. Knows no page.

use cynic::{MutationBuilder as _, QueryBuilder as _};

use super::config::{HttpRequestConfig, HttpRequestInput, OverlapPolicy, RetryPolicy, RetryPolicyInput};
use super::draft::{Checked, Draft, Variable};
use super::place::{self, NetworkMode, Owner, TargetConfig, TargetInput};
use crate::api::{self, ApiError, IsoDuration, Json, Timestamp, schema};
use crate::pages::events::data::EventStatus;
use crate::pages::input::schema::beginning;
use crate::pages::runs::actions::RunEventPayload;
use crate::pages::runs::data::{EventType, JobRow, Permission, Person, Refusal, UserError, settled};
use crate::ui::PastRuns;

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
}

/// A version with its source and settings.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
pub struct Version {
    pub id: cynic::Id,
    pub number: i32,
    pub created_at: Timestamp,
    pub created_by: Option<Person>,
    pub comment: Option<String>,
    #[cynic(rename = "type")]
    pub kind: EventType,
    pub source: String,
    pub http: Option<HttpRequestConfig>,
    pub environment: Vec<EnvVar>,
    pub input_schema: Option<Json>,
    pub target: TargetConfig,
    pub timeout: IsoDuration,
    pub retry: RetryPolicy,
    pub overlap: OverlapPolicy,
    pub max_concurrent: Option<i32>,
    pub idempotent: bool,
    pub labels: Vec<String>,
}

impl Version {
    /// The script, or the request as text.
    pub fn text(&self) -> String {
        let request = self.http.as_ref().map(HttpRequestConfig::as_text);
        request.unwrap_or_else(|| self.source.clone())
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Event {
    pub id: cynic::Id,
    pub name: String,
    pub owner: Owner,
    pub description: String,
    pub status: EventStatus,
    pub tags: Vec<String>,
    pub shared: bool,
    pub max_executions: i32,
    pub counted_runs: i32,
    pub version: Version,
    #[arguments(first: 20)]
    pub jobs: PastRuns,
    pub viewer_can: Vec<Permission>,
}

impl Event {
    /// The event as a form.
    pub fn draft(&self) -> Draft {
        let version = &self.version;
        let seconds = version.timeout.get().map_or(0, |time| time.as_secs());
        let figure = |value: f64| format!("{}", (value * 1000.0).round() / 1000.0);
        let container = version.target.container();
        let usual = Draft::default();
        Draft {
            name: self.name.clone(),
            description: self.description.clone(),
            tags: self.tags.join(", "),
            shared: self.shared,
            language: version.kind.name().to_owned(),
            source: version.source.clone(),
            http: version
                .http
                .as_ref()
                .map(HttpRequestConfig::typed)
                .unwrap_or_default(),
            environment: version
                .environment
                .iter()
                .map(|v| Variable {
                    name: v.name.clone(),
                    value: v.value.clone(),
                })
                .collect(),
            servers: version.target.typed(),
            image: container.and_then(|one| one.image.clone()).unwrap_or_default(),
            memory_mib: container.map_or(usual.memory_mib, |one| figure(one.memory_bytes / 1024.0 / 1024.0)),
            cpus: container.map_or(usual.cpus, |one| figure(one.cpus)),
            pids: container.map_or(usual.pids, |one| one.pids.to_string()),
            network: container.is_some_and(|one| one.network == NetworkMode::Bridge),
            timeout_minutes: (seconds / 60).to_string(),
            timeout_seconds: (seconds % 60).to_string(),
            labels: version.labels.join(", "),
            input_schema: version
                .input_schema
                .as_ref()
                .filter(|schema| !schema.is_null())
                .and_then(|schema| serde_json::to_string_pretty(schema).ok())
                .unwrap_or_default(),
            policy: version.retry.typed(
                version.overlap,
                version.max_concurrent,
                version.idempotent,
                self.max_executions,
            ),
            inactive: false,
            comment: String::new(),
            input: beginning(version.input_schema.as_ref()),
        }
    }
}

#[derive(cynic::QueryVariables, Debug)]
pub struct EventVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "EventVariables")]
pub struct EventQuery {
    #[arguments(id: $id)]
    event: Option<Event>,
}

crate::api::listed!(Query EventQuery, EventVariables);

/// An event by its id, if the viewer may see it.
pub async fn event(id: &str) -> Result<Option<Event>, ApiError> {
    Ok(api::run(EventQuery::build(EventVariables { id: id.into() }))
        .await?
        .event)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct EnvVarInput {
    name: String,
    value: String,
}

/// The parts of a form that make a version.
struct Parts {
    kind: EventType,
    source: String,
    http: Option<HttpRequestInput>,
    environment: Vec<EnvVarInput>,
    /// None for a request, which has none: what a script had stays.
    target: Option<TargetInput>,
    timeout: IsoDuration,
    retry: RetryPolicyInput,
    overlap: OverlapPolicy,
}

fn parts(draft: &Draft, checked: &Checked) -> Parts {
    let environment = checked.environment.iter();
    Parts {
        kind: EventType::from_name(&draft.language).unwrap_or(EventType::Bash),
        source: checked.source.clone(),
        http: checked.http.clone().map(Into::into),
        retry: (&checked.policy).into(),
        overlap: OverlapPolicy::from_name(&checked.policy.overlap),
        environment: environment
            .map(|v| EnvVarInput {
                name: v.name.clone(),
                value: v.value.clone(),
            })
            .collect(),
        target: place::input(draft, checked),
        timeout: IsoDuration(checked.timeout.clone()),
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct CreateEventInput {
    name: String,
    description: String,
    #[cynic(rename = "type")]
    kind: EventType,
    tags: Vec<String>,
    shared: bool,
    status: EventStatus,
    source: String,
    http: Option<HttpRequestInput>,
    environment: Vec<EnvVarInput>,
    input_schema: Option<Json>,
    target: Option<TargetInput>,
    timeout: Option<IsoDuration>,
    retry: Option<RetryPolicyInput>,
    overlap: Option<OverlapPolicy>,
    max_concurrent: Option<i32>,
    idempotent: bool,
    labels: Vec<String>,
    max_executions: i32,
    comment: Option<String>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct CreateVariables {
    input: CreateEventInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct CreateEventPayload {
    event: Option<Event>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "CreateVariables")]
pub struct Create {
    #[arguments(input: $input)]
    create_event: CreateEventPayload,
}

crate::api::listed!(Mutation Create, CreateVariables);

/// Makes a new event of a form.
pub async fn create(draft: &Draft, checked: Checked) -> Result<Event, Refusal> {
    let parts = parts(draft, &checked);
    let input = CreateEventInput {
        name: draft.name.trim().to_owned(),
        description: draft.description.clone(),
        kind: parts.kind,
        tags: checked.tags,
        shared: draft.shared,
        status: if draft.inactive {
            EventStatus::Draft
        } else {
            EventStatus::Active
        },
        source: parts.source,
        http: parts.http,
        environment: parts.environment,
        input_schema: checked.input_schema,
        target: parts.target,
        timeout: Some(parts.timeout),
        retry: Some(parts.retry),
        overlap: Some(parts.overlap),
        max_concurrent: checked.policy.max_concurrent,
        idempotent: checked.policy.idempotent,
        labels: checked.labels,
        max_executions: checked.policy.max_executions,
        comment: checked.comment,
    };
    let payload = api::run(Create::build(CreateVariables { input }))
        .await?
        .create_event;
    settled(payload.event, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct UpdateEventInput {
    id: cynic::Id,
    expected_version: i32,
    name: Option<String>,
    description: Option<String>,
    #[cynic(rename = "type")]
    kind: Option<EventType>,
    tags: Option<Vec<String>>,
    shared: Option<bool>,
    source: Option<String>,
    http: Option<HttpRequestInput>,
    environment: Option<Vec<EnvVarInput>>,
    input_schema: Option<Json>,
    target: Option<TargetInput>,
    timeout: Option<IsoDuration>,
    retry: Option<RetryPolicyInput>,
    overlap: Option<OverlapPolicy>,
    max_concurrent: Option<i32>,
    idempotent: Option<bool>,
    labels: Option<Vec<String>>,
    max_executions: Option<i32>,
    comment: Option<String>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct UpdateVariables {
    input: UpdateEventInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct UpdateEventPayload {
    event: Option<Event>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "UpdateVariables")]
pub struct Update {
    #[arguments(input: $input)]
    update_event: UpdateEventPayload,
}

crate::api::listed!(Mutation Update, UpdateVariables);

/// Saves a form over the version that was edited.
pub async fn update(id: &str, version: i32, draft: &Draft, checked: Checked) -> Result<Event, Refusal> {
    let parts = parts(draft, &checked);
    let input = UpdateEventInput {
        id: id.into(),
        expected_version: version,
        name: Some(draft.name.trim().to_owned()),
        description: Some(draft.description.clone()),
        kind: Some(parts.kind),
        tags: Some(checked.tags),
        shared: Some(draft.shared),
        source: Some(parts.source),
        http: parts.http,
        environment: parts.target.is_some().then_some(parts.environment),
        input_schema: checked.input_schema,
        target: parts.target,
        timeout: Some(parts.timeout),
        retry: Some(parts.retry),
        overlap: Some(parts.overlap),
        max_concurrent: checked.policy.max_concurrent,
        idempotent: Some(checked.policy.idempotent),
        labels: Some(checked.labels),
        max_executions: Some(checked.policy.max_executions),
        comment: checked.comment,
    };
    let payload = api::run(Update::build(UpdateVariables { input }))
        .await?
        .update_event;
    settled(payload.event, payload.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct TestEventInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    event_id: Option<cynic::Id>,
    #[cynic(rename = "type")]
    kind: EventType,
    source: String,
    http: Option<HttpRequestInput>,
    environment: Vec<EnvVarInput>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Json>,
    target: Option<TargetInput>,
    timeout: Option<IsoDuration>,
    retry: Option<RetryPolicyInput>,
    overlap: Option<OverlapPolicy>,
    max_concurrent: Option<i32>,
    idempotent: bool,
    labels: Vec<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    input: Option<Json>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct TestVariables {
    input: TestEventInput,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "TestVariables")]
pub struct Test {
    #[arguments(input: $input)]
    test_event: RunEventPayload,
}

crate::api::listed!(Mutation Test, TestVariables);

/// Runs a form as it stands, saved or not. Gives the job.
pub async fn test(event_id: Option<&str>, draft: &Draft, checked: Checked) -> Result<JobRow, Refusal> {
    let parts = parts(draft, &checked);
    let input = TestEventInput {
        event_id: event_id.map(Into::into),
        kind: parts.kind,
        source: parts.source,
        http: parts.http,
        environment: parts.environment,
        input_schema: checked.input_schema,
        target: parts.target,
        timeout: Some(parts.timeout),
        retry: Some(parts.retry),
        overlap: Some(parts.overlap),
        max_concurrent: checked.policy.max_concurrent,
        idempotent: checked.policy.idempotent,
        labels: checked.labels,
        input: checked.input,
    };
    let payload = api::run(Test::build(TestVariables { input })).await?.test_event;
    settled(payload.job, payload.user_errors)
}
