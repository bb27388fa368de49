//! In-process signals: hints that something changed. The rows are the truth, and whoever listens has a
//! slow poll behind it.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

use super::ids::{ExecutionId, JobId};

/// A job was made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSignal {
    pub job: JobId,
    pub created: bool,
}

/// Shared by all services of one process.
#[derive(Clone, Debug)]
pub struct Signals {
    jobs: broadcast::Sender<JobSignal>,
    cancels: broadcast::Sender<ExecutionId>,
    work: Arc<Notify>,
    happened: Arc<Notify>,
    agents: Arc<Notify>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            jobs: broadcast::channel(4096).0,
            cancels: broadcast::channel(1024).0,
            work: Arc::default(),
            happened: Arc::default(),
            agents: Arc::default(),
        }
    }
}

impl Signals {
    /// To be called after the commit. A signal without listeners is not an error.
    pub fn job_changed(&self, job: JobId, created: bool) {
        drop(self.jobs.send(JobSignal { job, created }));
    }

    pub fn jobs(&self) -> broadcast::Receiver<JobSignal> {
        self.jobs.subscribe()
    }

    /// Whether anybody watches jobs.
    pub fn has_watchers(&self) -> bool {
        self.jobs.receiver_count() > 0
    }

    pub fn cancel_requested(&self, execution: ExecutionId) {
        drop(self.cancels.send(execution));
    }

    pub fn cancels(&self) -> broadcast::Receiver<ExecutionId> {
        self.cancels.subscribe()
    }

    /// There is queued work.
    pub fn work_queued(&self) {
        self.work.notify_one();
    }

    /// Something is in the outbox.
    pub fn outbox_filled(&self) {
        self.happened.notify_one();
    }

    /// Waits until the outbox was written to; one waiter (the reactions).
    pub async fn happened(&self) {
        self.happened.notified().await;
    }

    /// Connected agents are to claim.
    pub fn wake_agents(&self) {
        self.agents.notify_waiters();
    }

    /// Waits until agents are to claim; any number of waiters.
    pub async fn agents(&self) {
        self.agents.notified().await;
    }

    /// Waits until work was queued; one waiter (the wake-up pusher).
    pub async fn work(&self) {
        self.work.notified().await;
    }
}
