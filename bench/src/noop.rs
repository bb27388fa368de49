//! An executor that runs nothing: its "runner" speaks the real protocol, and ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cronium_orchestrator::clock;
use cronium_orchestrator::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Tail, Target};
use cronium_orchestrator::problem::{ExecutorError, Problem};
use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{Claim, HostOrder};
use cronium_protocol::frame::{ExitReport, FrameReader, FromRunner, ToRunner, UsageReport};
use tokio::sync::{Notify, mpsc};

/// How many executions were cleaned up, which they are when the server has taken their end.
#[derive(Debug, Default)]
pub struct Ended {
    count: AtomicUsize,
    changed: Notify,
}

impl Ended {
    /// Waits until so many have ended.
    pub async fn reach(&self, count: usize) {
        while self.count.load(Ordering::Acquire) < count {
            self.changed.notified().await;
        }
    }
}

/// The executor.
#[derive(Debug, Default)]
pub struct Noop {
    pub ended: Arc<Ended>,
}

impl Executor for Noop {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        Ok(Prepared {
            target: self.target(order.claim, None),
            image_digest: None,
            attached: None,
            on_server: None,
        })
    }

    fn target(&self, claim: Claim, _: Option<&HostOrder>) -> Target {
        Target::new(format!("noop-{}-{}", claim.execution_id, claim.epoch))
    }

    async fn start(&self, _: &Target) -> Result<Attached, ExecutorError> {
        let (said, frames) = mpsc::channel(8);
        let (input, heard) = mpsc::unbounded_channel();
        tokio::spawn(runner(said, heard));
        Ok(Attached {
            frames,
            input,
            stderr: Tail::default(),
            pumps: Vec::new(),
        })
    }

    async fn attach(&self, target: &Target) -> Result<Attached, ExecutorError> {
        let cause = format!("{target} never outlives its orchestrator");
        Err(ExecutorError::new(Problem::Refused, cause))
    }

    fn begun(&self) {}

    async fn kill(&self, _: &Target) -> Result<(), ExecutorError> {
        Ok(())
    }

    async fn inspect(&self, _: &Target) -> Result<Autopsy, ExecutorError> {
        Ok(Autopsy::default())
    }

    async fn clean_up(&self, _: &Target) -> Result<(), ExecutorError> {
        self.ended.count.fetch_add(1, Ordering::AcqRel);
        self.ended.changed.notify_one();
        Ok(())
    }

    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        Ok(Vec::new())
    }

    async fn close(&self) {}
}

/// Says hello, asks to start, starts, ends.
async fn runner(
    said: mpsc::Sender<Result<FromRunner, cronium_protocol::frame::FrameError>>,
    mut heard: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let hello = FromRunner::Hello {
        protocol: PROTOCOL_VERSION,
        started: false,
        last_seq: 0,
    };
    if said.send(Ok(hello)).await.is_err() {
        return;
    }
    let mut reader = FrameReader::default();
    while let Some(bytes) = heard.recv().await {
        reader.push(&bytes);
        while let Some(Ok(message)) = reader.next::<ToRunner>() {
            let answers = match message {
                ToRunner::Payload { .. } => vec![FromRunner::StartRequest],
                ToRunner::Start { granted: true } => ending(),
                ToRunner::Bye | ToRunner::Start { granted: false } => return,
                _ => Vec::new(),
            };
            for answer in answers {
                if said.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn ending() -> Vec<FromRunner> {
    let at_us = clock::now().us;
    let report = ExitReport {
        started_at_us: at_us,
        ended_at_us: at_us,
        code: Some(0),
        signal: None,
        timed_out: false,
        cancelled: false,
        escalated: false,
        out_of_memory: false,
        processes_refused: 0,
        spawn_error: None,
        failure: None,
        output: None,
        output_error: None,
        log_truncated: false,
    };
    let exit = FromRunner::Exit {
        report,
        usage: UsageReport::default(),
        last_seq: 0,
    };
    vec![FromRunner::Started { at_us }, exit]
}
