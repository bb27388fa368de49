//! Takes in the lines of an execution, or of all executions of a job, until they are all there. Knows nothing of
//! markup.

use std::time::Duration;

use dioxus::prelude::*;
use futures::{FutureExt as _, StreamExt as _};
use serde::de::DeserializeOwned;

use super::data::{self, Batch};
use super::model::Line;
use super::state::{Flow, Viewer};
use crate::api::{Feed, Subscription};
use crate::browser;

/// Lines that come within this time are drawn together.
const FRAME: Duration = Duration::from_millis(25);

/// Whose lines a viewer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    Execution(String),
    /// All executions of a job, as they write.
    Job(String),
}

impl Viewer {
    /// Takes in a log until it is complete.
    pub async fn receive(self, of: Of) {
        match of {
            Of::Execution(id) => {
                let log = self.log;
                self.take_in(data::follow(id, move || log.peek().last_seq()))
                    .await;
            }
            Of::Job(id) => {
                let cursor = self.cursor;
                self.take_in(data::follow_job(id, move || cursor.peek().clone()))
                    .await;
            }
        }
    }

    async fn take_in<Q>(mut self, mut feed: Subscription<Q>)
    where
        Q: DeserializeOwned,
        Batch: From<Q>,
    {
        self.flow.set(Flow::Connecting);
        while let Some(first) = feed.next().await {
            let mut lines: Vec<Line> = Vec::new();
            let mut next = Some(first);
            let mut flow = None;
            while let Some(event) = next {
                match event {
                    Feed::Live => flow = Some(Flow::Live),
                    Feed::Down => flow = Some(Flow::Down),
                    Feed::Failed(error) => flow = Some(Flow::Failed(error)),
                    Feed::Data(news) => {
                        let batch = Batch::from(news);
                        let source = self.source_of(batch.execution);
                        lines.extend(batch.lines.into_iter().map(|line| line.of(source)));
                        if batch.cursor.is_some() {
                            self.cursor.set(batch.cursor);
                        }
                        flow = Some(if batch.is_final {
                            Flow::Complete
                        } else {
                            Flow::Live
                        });
                    }
                }
                next = feed.next().now_or_never().flatten();
            }
            if !lines.is_empty() {
                self.append(lines);
            }
            if let Some(flow) = flow {
                let over = matches!(flow, Flow::Complete | Flow::Failed(_));
                if *self.flow.peek() != flow {
                    self.flow.set(flow);
                }
                if over {
                    return;
                }
            }
            browser::sleep(FRAME).await;
        }
        self.flow.set(Flow::Complete);
    }

    /// The number of an execution among those that wrote, in the order in which they came; the only one is the first.
    fn source_of(mut self, execution: Option<String>) -> u16 {
        let Some(execution) = execution else { return 0 };
        let known = self.sources.peek().iter().position(|one| *one == execution);
        let at = known.unwrap_or_else(|| {
            let mut sources = self.sources.write();
            sources.push(execution);
            sources.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}
