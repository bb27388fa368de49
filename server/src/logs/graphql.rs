//! Logs in the API.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, Subscription};
use cronium_protocol::log::{Line, Stream as LineStream};
use futures::{Stream, StreamExt as _};

use crate::jobs::Jobs;
use crate::kernel::api::{ApiResult, api, op, to_graphql};
use crate::kernel::clock::from_micros;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::{Error, Timestamp};

use super::clean::clean;
use super::lines::LiveLines;
use super::places::After;
use super::service::{Batch, Logs};

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The runner: truncation records and notices.
    System,
}

impl From<LogStream> for LineStream {
    fn from(s: LogStream) -> Self {
        match s {
            LogStream::Stdout => Self::Stdout,
            LogStream::Stderr => Self::Stderr,
            LogStream::System => Self::System,
        }
    }
}

/// One line, without its newline.
#[derive(Debug, Clone, SimpleObject)]
pub struct LogLine {
    /// 1, 2, 3 … in one execution, without gaps.
    seq: i32,
    /// When it was printed.
    at: Timestamp,
    /// Where it came from.
    stream: LogStream,
    /// Its text, with ANSI colours and no other control sequences.
    text: String,
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        let stream = match line.stream {
            LineStream::Stdout => LogStream::Stdout,
            LineStream::Stderr => LogStream::Stderr,
            LineStream::System => LogStream::System,
        };
        let seq = i32::try_from(line.seq).unwrap_or(i32::MAX);
        Self {
            seq,
            at: from_micros(line.at_us),
            stream,
            text: clean(&line.text).into_owned(),
        }
    }
}

/// Stored lines of one execution.
#[derive(Debug, Clone, SimpleObject)]
pub struct LogPage {
    /// In order.
    lines: Vec<LogLine>,
    /// Ask for the lines after this one next.
    last_seq: i32,
    /// Whether more lines are stored: a page ends after its number of lines or 1 MiB of text, and a search
    /// after it looked through 32 MiB, so it may have none yet.
    has_more: bool,
}

impl LogPage {
    pub fn new(lines: Vec<Line>, last_seq: u64, has_more: bool) -> Self {
        let last_seq = i32::try_from(last_seq).unwrap_or(i32::MAX);
        Self {
            lines: lines.into_iter().map(Into::into).collect(),
            last_seq,
            has_more,
        }
    }
}

/// Lines as they come.
#[derive(Debug, Clone)]
pub struct LogBatch(Batch);

/// Lines as they come.
#[Object]
impl LogBatch {
    /// The execution that printed them.
    async fn execution_id(&self) -> ID {
        self.0.execution.global()
    }

    /// In order; empty in the last batch.
    async fn lines(&self) -> LiveLines {
        LiveLines(Arc::clone(&self.0.lines))
    }

    /// Resume after this one.
    async fn last_seq(&self) -> i32 {
        i32::try_from(self.0.last_seq).unwrap_or(i32::MAX)
    }

    /// Whether nothing follows.
    async fn r#final(&self) -> bool {
        self.0.ended
    }

    /// Resume `jobLog` after this.
    async fn cursor(&self) -> String {
        match &self.0.places {
            Some(places) => places.to_string(),
            None => format!("{}:{}", self.0.execution.global().as_str(), self.0.last_seq),
        }
    }
}

/// Subscriptions of logs.
#[derive(Debug, Default)]
pub struct LogsSubscription;

#[Subscription]
impl LogsSubscription {
    /// Lines after a sequence number, stored ones first, then live; no gap and no duplicate. Completes
    /// after the last line of a finished execution.
    async fn execution_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the execution.")] execution_id: ID,
        #[graphql(default, desc = "Lines after this one; 0: all.")] after_seq: i32,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<LogBatch>> + use<>> {
        let (logs, op) = (ctx.data::<Logs>()?, op(ctx)?.clone());
        let id = api(ctx, ExecutionId::parse(&execution_id))?;
        api(ctx, logs.authorised(ctx.data::<Jobs>()?, &op, id).await)?;
        let after = u64::try_from(after_seq).unwrap_or_default();
        let batches = logs.follow(id, after);
        Ok(batches.map(move |b| b.map(LogBatch).map_err(|e| to_graphql(Some(&op), e))))
    }

    /// The logs of all executions of a job, as they appear.
    async fn job_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the job.")] job_id: ID,
        #[graphql(desc = "Cursor of the last batch that was seen.")] after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<LogBatch>> + use<>> {
        let (logs, op) = (ctx.data::<Logs>()?, op(ctx)?.clone());
        let id = api(ctx, JobId::parse(&job_id))?;
        api(ctx, ctx.data::<Jobs>()?.get(&op, id).await)?;
        let after = match after {
            Some(text) => {
                let known =
                    After::parse(&text).ok_or_else(|| Error::BadRequest("`after` is not a cursor".into()));
                Some(api(ctx, known)?)
            }
            None => None,
        };
        let batches = logs.follow_job(id, after);
        Ok(batches.map(move |b| b.map(LogBatch).map_err(|e| to_graphql(Some(&op), e))))
    }
}
