//! Executions that are requests over HTTP. No container is made for them: a task of this process takes the runner's
//! part, speaks its frames, and is gone with the process, as a container that was lost.

mod fetch;
mod guard;
mod stand_in;
mod tls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cronium_protocol::agent::{Claim, HostOrder};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::allow::AllowList;
use crate::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Tail, Target};
use crate::problem::{ExecutorError, Problem};
use fetch::Fetcher;
use stand_in::StandIn;

/// Frames that wait for the run.
const QUEUE: usize = 32;
/// What its targets are called, which no other executor's are.
const PREFIX: &str = "http-";

/// Makes requests.
#[derive(Debug)]
pub struct HttpExecutor {
    fetcher: Fetcher,
    running: Mutex<HashMap<Target, AbortOnDropHandle<()>>>,
}

impl HttpExecutor {
    pub fn new(allow: AllowList) -> Result<Self, rustls::Error> {
        Ok(Self {
            fetcher: Fetcher {
                allow: Arc::new(allow),
                checked: Arc::new(tls::checked()?),
                unchecked: Arc::new(tls::unchecked()?),
            },
            running: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, AbortOnDropHandle<()>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the name of a request.
    pub fn owns(target: &Target) -> bool {
        target.name().starts_with(PREFIX)
    }
}

impl Executor for HttpExecutor {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        let target = self.target(order.claim, None);
        let (frames_in, frames) = mpsc::channel(QUEUE);
        let (input, inputs) = mpsc::unbounded_channel();
        let stand_in = StandIn::new(self.fetcher.clone(), order, frames_in)
            .map_err(|cause| ExecutorError::new(Problem::Refused, cause))?;
        let task = AbortOnDropHandle::new(tokio::spawn(stand_in.serve(inputs)));
        self.lock().insert(target.clone(), task);
        Ok(Prepared {
            target,
            image_digest: None,
            attached: Some(Attached {
                frames,
                input,
                stderr: Tail::default(),
                pumps: Vec::new(),
            }),
            on_server: None,
        })
    }

    fn target(&self, claim: Claim, _: Option<&HostOrder>) -> Target {
        Target::new(format!("{PREFIX}{}-{}", claim.execution_id, claim.epoch))
    }

    fn outlives(&self, _: &Target) -> bool {
        false
    }

    async fn start(&self, _: &Target) -> Result<Attached, ExecutorError> {
        Err(Problem::Refused.into())
    }

    async fn attach(&self, _: &Target) -> Result<Attached, ExecutorError> {
        Err(Problem::Refused.into())
    }

    async fn kill(&self, target: &Target) -> Result<(), ExecutorError> {
        if let Some(task) = self.lock().get(target) {
            task.abort();
        }
        Ok(())
    }

    fn begun(&self) {}

    async fn inspect(&self, target: &Target) -> Result<Autopsy, ExecutorError> {
        let running = self.lock().get(target).is_some_and(|task| !task.is_finished());
        Ok(Autopsy {
            running,
            ..Autopsy::default()
        })
    }

    async fn clean_up(&self, target: &Target) -> Result<(), ExecutorError> {
        self.lock().remove(target);
        Ok(())
    }

    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        Ok(Vec::new())
    }

    async fn close(&self) {}
}
