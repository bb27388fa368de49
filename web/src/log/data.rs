//! The log of an execution, or of all executions of a job, as the API sends it. Knows how to go on after a lost
//! connection.

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

impl LogLine {
    /// The line as one of a source.
    pub fn of(self, source: u16) -> Line {
        let stream = match self.stream {
            LogStream::Stdout => Stream::Stdout,
            LogStream::Stderr => Stream::Stderr,
            LogStream::System => Stream::System,
        };
        Line {
            source,
            seq: i64::from(self.seq),
            at: self.at.timestamp_millis(),
            stream,
            text: self.text,
        }
    }
}

/// Lines that came together.
#[derive(Debug)]
pub struct Batch {
    /// Who wrote them, where that may be one of several.
    pub execution: Option<String>,
    pub lines: Vec<LogLine>,
    /// Where to go on, where a sequence does not say it.
    pub cursor: Option<String>,
    pub is_final: bool,
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

impl From<ExecutionLog> for Batch {
    fn from(news: ExecutionLog) -> Self {
        Self {
            execution: None,
            lines: news.execution_log.lines,
            cursor: None,
            is_final: news.execution_log.is_final,
        }
    }
}

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

/// Lines of one of a job's executions.
#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "LogBatch")]
pub struct OneOfMany {
    pub execution_id: cynic::Id,
    pub lines: Vec<LogLine>,
    pub cursor: String,
    #[cynic(rename = "final")]
    pub is_final: bool,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct JobLogVariables {
    job_id: cynic::Id,
    after: Option<String>,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "JobLogVariables")]
pub struct JobLog {
    #[arguments(jobId: $job_id, after: $after)]
    pub job_log: OneOfMany,
}

crate::api::listed!(Subscription JobLog, JobLogVariables);

impl From<JobLog> for Batch {
    fn from(news: JobLog) -> Self {
        let batch = news.job_log;
        Self {
            execution: Some(batch.execution_id.into_inner()),
            lines: batch.lines,
            cursor: Some(batch.cursor),
            is_final: batch.is_final,
        }
    }
}

/// Batches of lines of all executions of a job. `last` is asked on every start for the cursor of the last one.
pub fn follow_job(job_id: String, last: impl Fn() -> Option<String> + 'static) -> Subscription<JobLog> {
    api::subscribe(move || {
        JobLog::build(JobLogVariables {
            job_id: job_id.as_str().into(),
            after: last(),
        })
    })
}
