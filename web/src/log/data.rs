//! The log of an execution as the API sends it. Knows how to go on after a lost connection.

use cynic::SubscriptionBuilder as _;

use super::model::{Line, Stream};
use crate::api::{self, Subscription, Timestamp, schema};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
    System,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct LogLine {
    seq: i32,
    at: Timestamp,
    stream: LogStream,
    text: String,
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Self {
        let stream = match line.stream {
            LogStream::Stdout => Stream::Stdout,
            LogStream::Stderr => Stream::Stderr,
            LogStream::System => Stream::System,
        };
        Self {
            seq: i64::from(line.seq),
            at: line.at.timestamp_millis(),
            stream,
            text: line.text,
        }
    }
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct LogBatch {
    pub lines: Vec<LogLine>,
    #[cynic(rename = "final")]
    pub is_final: bool,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct LogVariables {
    execution_id: cynic::Id,
    after_seq: i32,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "LogVariables")]
pub struct ExecutionLog {
    #[arguments(executionId: $execution_id, afterSeq: $after_seq)]
    pub execution_log: LogBatch,
}

crate::api::listed!(Subscription ExecutionLog, LogVariables);

/// Batches of lines from the first one on. `last` is asked on every start what is held already.
pub fn follow(execution_id: String, last: impl Fn() -> i64 + 'static) -> Subscription<ExecutionLog> {
    api::subscribe(move || {
        let after_seq = i32::try_from(last()).unwrap_or(i32::MAX);
        ExecutionLog::build(LogVariables {
            execution_id: execution_id.as_str().into(),
            after_seq,
        })
    })
}
