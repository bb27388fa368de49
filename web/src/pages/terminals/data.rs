//! What the pages of terminals ask the API for. Knows no page.

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};

use crate::api::{self, ApiError, Subscription, Timestamp, schema};
use crate::pages::runs::data::{self as runs, PAGE, PageInfo, Person};

/// Where a terminal is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Server(cynic::Id),
    /// The container of a running execution.
    Execution(cynic::Id),
}

/// Where a terminal is in its life.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalStatus {
    Opening,
    Open,
    Ended,
}

/// A server, as it was called.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerReference")]
pub struct OnServer {
    pub id: cynic::Id,
    pub name: String,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct JobOf {
    pub id: cynic::Id,
    pub number: i32,
    pub title: String,
}

/// The execution in whose container a terminal is.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Execution")]
pub struct InContainer {
    pub id: cynic::Id,
    pub job: JobOf,
}

/// A terminal, open or recorded.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "TerminalSession")]
pub struct Session {
    pub id: cynic::Id,
    pub title: String,
    pub status: TerminalStatus,
    pub status_reason: Option<String>,
    pub exit_code: Option<i32>,
    pub columns: i32,
    pub rows: i32,
    pub created_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub is_mine: bool,
    pub idle_until: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub owner: Person,
    pub server: Option<OnServer>,
    pub execution: Option<InContainer>,
    pub recorded_bytes: f64,
    pub recording_cut: bool,
    pub recording_path: String,
}

impl Session {
    pub fn is_over(&self) -> bool {
        self.status == TerminalStatus::Ended
    }

    /// How it is called: with the number of its run, where it is in a container of one.
    pub fn name(&self) -> String {
        match &self.execution {
            Some(execution) => format!("#{} {}", execution.job.number, execution.job.title),
            None => self.title.clone(),
        }
    }

    /// Where another one like it would be; none where that is not for these eyes.
    pub fn place(&self) -> Option<Place> {
        let server = self
            .server
            .as_ref()
            .map(|server| Place::Server(server.id.clone()));
        let container = || Some(Place::Execution(self.execution.as_ref()?.id.clone()));
        server.or_else(container)
    }

    pub fn icon(&self) -> &'static str {
        if self.server.is_some() { "terminal" } else { "box" }
    }
}

#[derive(cynic::QueryVariables)]
struct TerminalVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "TerminalVariables")]
struct TerminalQuery {
    #[arguments(id: $id)]
    terminal_session: Option<Session>,
}

crate::api::listed!(Query TerminalQuery, TerminalVariables);

/// A terminal by its id, if the viewer may see it.
pub async fn session(id: &str) -> Result<Option<Session>, ApiError> {
    let variables = TerminalVariables { id: id.into() };
    Ok(api::run(TerminalQuery::build(variables)).await?.terminal_session)
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq, Default)]
pub struct TerminalFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<cynic::Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub mine: Option<bool>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "TerminalSessionConnection")]
pub struct SessionPage {
    pub nodes: Vec<Session>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

#[derive(cynic::QueryVariables)]
struct TerminalsVariables {
    filter: Option<TerminalFilter>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "TerminalsVariables")]
struct TerminalsQuery {
    #[arguments(filter: $filter, first: $first, after: $after, last: $last, before: $before)]
    terminal_sessions: SessionPage,
}

crate::api::listed!(Query TerminalsQuery, TerminalsVariables);

/// A page of terminals, the newest first.
pub async fn page(filter: TerminalFilter, place: runs::Place) -> Result<SessionPage, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match place {
        runs::Place::First => {}
        runs::Place::After(cursor) => after = Some(cursor),
        runs::Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let variables = TerminalsVariables {
        filter: Some(filter),
        first,
        after,
        last,
        before,
    };
    Ok(api::run(TerminalsQuery::build(variables))
        .await?
        .terminal_sessions)
}

/// What the viewer has open.
pub async fn own() -> Result<Vec<Session>, ApiError> {
    let filter = TerminalFilter {
        open: Some(true),
        mine: Some(true),
        server_id: None,
    };
    Ok(page(filter, runs::Place::First).await?.nodes)
}

/// Characters a line, and lines.
#[derive(cynic::QueryFragment, Clone, Copy, Debug, PartialEq, Eq)]
#[cynic(graphql_type = "TerminalSize")]
pub struct Size {
    pub columns: i32,
    pub rows: i32,
}

/// A piece of what a terminal showed, in base64, or a change of its size.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "TerminalChunk")]
pub struct Chunk {
    pub seq: i32,
    pub at: Timestamp,
    pub data: String,
    pub size: Option<Size>,
    pub status: TerminalStatus,
}

#[derive(cynic::QueryVariables)]
pub struct OutputVariables {
    session_id: cynic::Id,
    after_seq: i32,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "OutputVariables")]
pub struct TerminalOutput {
    #[arguments(sessionId: $session_id, afterSeq: $after_seq)]
    pub terminal_output: Chunk,
}

crate::api::listed!(Subscription TerminalOutput, OutputVariables);

/// What a terminal shows. `last` is asked on every start what is held already.
pub fn output(id: String, last: impl Fn() -> i32 + 'static) -> Subscription<TerminalOutput> {
    api::subscribe(move || {
        TerminalOutput::build(OutputVariables {
            session_id: id.as_str().into(),
            after_seq: last(),
        })
    })
}

#[derive(cynic::QueryVariables)]
struct RecordingVariables {
    id: cynic::Id,
    after_seq: i32,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "RecordingVariables")]
struct TerminalRecording {
    #[arguments(id: $id)]
    terminal_session: Option<Recorded>,
}

crate::api::listed!(Query TerminalRecording, RecordingVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "TerminalSession", variables = "RecordingVariables")]
struct Recorded {
    #[arguments(afterSeq: $after_seq, first: 200)]
    recording: RecordingPage,
}

/// Pieces of a recording.
#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "TerminalRecordingPage")]
pub struct RecordingPage {
    pub chunks: Vec<Chunk>,
    pub has_more: bool,
}

/// What was shown after a number; None where the terminal is gone.
pub async fn recording(id: &str, after_seq: i32) -> Result<Option<RecordingPage>, ApiError> {
    let variables = RecordingVariables {
        id: id.into(),
        after_seq,
    };
    let found = api::run(TerminalRecording::build(variables))
        .await?
        .terminal_session;
    Ok(found.map(|session| session.recording))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A terminal of which nothing is known but this.
    pub fn session(id: &str, status: TerminalStatus) -> Session {
        Session {
            id: id.into(),
            title: "web-1".to_owned(),
            status,
            status_reason: None,
            exit_code: None,
            columns: 80,
            rows: 24,
            created_at: Timestamp::from_timestamp(0, 0).unwrap(),
            opened_at: None,
            ended_at: None,
            is_mine: true,
            idle_until: None,
            until: None,
            owner: Person {
                name: "Ana".to_owned(),
            },
            server: None,
            execution: None,
            recorded_bytes: 0.0,
            recording_cut: false,
            recording_path: String::new(),
        }
    }

    pub fn chunk(seq: i32, data: &str) -> Chunk {
        Chunk {
            seq,
            at: Timestamp::from_timestamp(i64::from(seq), 0).unwrap(),
            data: data.to_owned(),
            size: None,
            status: TerminalStatus::Open,
        }
    }

    #[test]
    fn another_one_is_opened_where_the_first_was() {
        let mut ended = session("a", TerminalStatus::Ended);
        assert_eq!(ended.place(), None, "it is not for these eyes");
        ended.server = Some(OnServer {
            id: "s".into(),
            name: "web-1".to_owned(),
        });
        assert_eq!(ended.place(), Some(Place::Server("s".into())));
    }
}
