//! What the list of runs asks the API for, and the parts of a job that other pages share with it.
//! Knows no page.

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};

use crate::api::{self, ApiError, IsoDuration, Subscription, Timestamp, schema};
use crate::i18n::{Locale, known, t};
pub use crate::session::Permission;
pub use crate::ui::{EventType, JobStatus};

/// Rows of a page of a list.
pub const PAGE: i32 = 50;

/// What began a job.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    Manual,
    Api,
    Retry,
    Test,
}

impl Trigger {
    pub const ALL: [Self; 4] = [Self::Manual, Self::Api, Self::Retry, Self::Test];

    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Api => "API",
            Self::Retry => "RETRY",
            Self::Test => "TEST",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.name() == name)
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "User")]
pub struct Person {
    pub name: String,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Event")]
pub struct EventRef {
    pub id: cynic::Id,
    pub name: String,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
pub struct VersionRef {
    pub number: i32,
    pub ad_hoc: bool,
    #[cynic(rename = "type")]
    pub kind: EventType,
}

/// A job in a list.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct JobRow {
    pub id: cynic::Id,
    pub number: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub title: String,
    pub trigger: Trigger,
    pub actor: Option<Person>,
    pub event: Option<EventRef>,
    pub event_version: VersionRef,
    pub created_at: Timestamp,
    pub run_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub duration: Option<IsoDuration>,
    pub viewer_can: Vec<Permission>,
}

impl JobRow {
    /// The moment that it still waits for.
    pub fn starts_at(&self, now_ms: f64) -> Option<Timestamp> {
        let waits = self.status == JobStatus::Queued;
        self.run_at
            .filter(|at| waits && at.timestamp_millis() as f64 > now_ms)
    }

    /// Since when it could begin.
    pub fn ready_at(&self) -> Timestamp {
        self.run_at.map_or(self.created_at, |at| at.max(self.created_at))
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct PageInfo {
    pub has_previous_page: bool,
    pub has_next_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "JobConnection")]
pub struct JobPage {
    pub nodes: Vec<JobRow>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

impl JobPage {
    /// Where a row that is not here belongs, newest first. None where that is on a page further back: news of a job may
    /// come after the page that was read with it counted.
    pub fn place_of(&self, job: &JobRow) -> Option<usize> {
        let age = |row: &JobRow| (row.created_at, row.number);
        let place = self.nodes.partition_point(|row| age(row) > age(job));
        (place < self.nodes.len() || !self.page_info.has_next_page).then_some(place)
    }
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq, Default)]
pub struct JobFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<JobStatus>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<cynic::Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Vec<Trigger>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
}

/// Where a page of a keyset list lies.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Place {
    #[default]
    First,
    After(String),
    Before(String),
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrderField {
    CreatedAt,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderDirection {
    Asc,
    Desc,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
pub struct JobOrder {
    field: JobOrderField,
    direction: OrderDirection,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct RunsVariables {
    filter: Option<JobFilter>,
    order_by: Option<JobOrder>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "RunsVariables")]
pub struct RunsQuery {
    #[arguments(filter: $filter, orderBy: $order_by, first: $first, after: $after, last: $last, before: $before)]
    pub jobs: JobPage,
}

crate::api::listed!(Query RunsQuery, RunsVariables);

/// A page of jobs, newest first.
pub async fn page(filter: JobFilter, place: Place) -> Result<JobPage, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match place {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let order_by = Some(JobOrder {
        field: JobOrderField::CreatedAt,
        direction: OrderDirection::Desc,
    });
    let variables = RunsVariables {
        filter: Some(filter),
        order_by,
        first,
        after,
        last,
        before,
    };
    Ok(api::run(RunsQuery::build(variables)).await?.jobs)
}

#[derive(cynic::QueryVariables, Debug)]
pub struct CountVariables {
    filter: Option<JobFilter>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "CountVariables")]
pub struct RunsCount {
    #[arguments(filter: $filter, first: 1)]
    jobs: JobCount,
}

crate::api::listed!(Query RunsCount, CountVariables);

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "JobConnection")]
struct JobCount {
    total_count: i32,
}

/// How many jobs match.
pub async fn count(filter: JobFilter) -> Result<u64, ApiError> {
    let variables = CountVariables { filter: Some(filter) };
    let count = api::run(RunsCount::build(variables)).await?.jobs.total_count;
    Ok(u64::try_from(count).unwrap_or(0))
}

#[derive(cynic::QueryVariables, Debug)]
pub struct ChangesVariables {
    filter: Option<JobFilter>,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobChangeKind {
    Created,
    Updated,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct JobChange {
    pub kind: JobChangeKind,
    pub job: JobRow,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "ChangesVariables")]
pub struct RunsChanged {
    #[arguments(filter: $filter)]
    pub jobs_changed: JobChange,
}

crate::api::listed!(Subscription RunsChanged, ChangesVariables);

/// Jobs that appear or change and pass the filter.
pub fn changes(filter: JobFilter) -> Subscription<RunsChanged> {
    api::subscribe(move || {
        RunsChanged::build(ChangesVariables {
            filter: Some(filter.clone()),
        })
    })
}

/// What a person can mend, as the API says it.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct UserError {
    pub code: UserErrorCode,
    pub message: String,
    pub field: Option<Vec<String>>,
}

impl UserError {
    /// The path of the field in the mutation's input, with dots: `environment.0.name`.
    pub fn path(&self) -> String {
        self.field.as_deref().unwrap_or_default().join(".")
    }

    /// What is wrong in the language of the page; the API's own words where we have none.
    pub fn words(&self) -> String {
        let parts = self.field.as_deref().unwrap_or_default().iter();
        // A place in a list says nothing about what is wrong there.
        let names: Vec<&str> = parts
            .map(String::as_str)
            .filter(|part| part.parse::<usize>().is_err())
            .collect();
        self.words_at(&names.join("."))
    }

    /// The same, in the words for another field: one name means several things in several forms.
    pub fn words_at(&self, name: &str) -> String {
        let code = match self.code {
            UserErrorCode::Required => "required",
            UserErrorCode::TooLong => "too_long",
            UserErrorCode::Taken => "taken",
            _ => "invalid",
        };
        known(&format!("refused.{name}.{code}")).unwrap_or_else(|| match Locale::current() {
            // The API speaks English.
            Locale::En => self.message.clone(),
            Locale::Es => t(self.code.key()),
        })
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserErrorCode {
    Invalid,
    Required,
    TooLong,
    Taken,
    NotFound,
    Forbidden,
    Conflict,
    InUse,
    LimitReached,
    Unreachable,
    Unsupported,
}

impl UserErrorCode {
    /// The words for where nothing more exact is known.
    fn key(self) -> &'static str {
        match self {
            Self::Invalid => "refused.any.invalid",
            Self::Required => "refused.any.required",
            Self::TooLong => "refused.any.too_long",
            Self::Taken => "refused.any.taken",
            Self::NotFound => "refused.any.not_found",
            Self::Forbidden => "refused.any.forbidden",
            Self::Conflict => "refused.any.conflict",
            Self::InUse => "refused.any.in_use",
            Self::LimitReached => "refused.any.limit_reached",
            Self::Unreachable => "refused.any.unreachable",
            Self::Unsupported => "refused.any.unsupported",
        }
    }
}

/// Why an action did not happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The request failed as a whole.
    Failed(ApiError),
    /// The API refused for reasons that it names.
    Refused(Vec<UserError>),
}

impl Refusal {
    /// The reasons in one line.
    pub fn text(&self) -> String {
        match self {
            Self::Failed(error) => error.message.clone(),
            Self::Refused(errors) => errors.iter().map(UserError::words).collect::<Vec<_>>().join(" "),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// The thing an action gives, or why it did not happen.
pub fn settled<T>(thing: Option<T>, errors: Vec<UserError>) -> Result<T, Refusal> {
    match thing {
        Some(thing) if errors.is_empty() => Ok(thing),
        _ => Err(Refusal::Refused(errors)),
    }
}
