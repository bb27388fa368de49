//! What it takes to run something somewhere: prepare, start, attach, kill, find, clean up.
//! It must not know what kind of environment that is, nor the server.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use cronium_protocol::agent::{Claim, ContainerSpec, HostOrder};
use cronium_protocol::frame::{FrameError, FromRunner};
use cronium_protocol::terminal::End;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::on_server::OnServer;
use crate::problem::ExecutorError;
use crate::terminal::{line::Back, no_container};

/// Name of a prepared environment, unique within its executor; also fit for a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target(String);

impl Target {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An environment to prepare.
#[derive(Debug, Clone)]
pub struct Order {
    pub claim: Claim,
    pub job_id: Uuid,
    pub spec: ContainerSpec,
    /// A request: no container is needed.
    pub http: bool,
    /// It runs on this server: no container is needed.
    pub host: Option<HostOrder>,
    /// Key that the runner verifies payloads with.
    pub verify_key: [u8; 32],
}

/// A prepared environment.
#[derive(Debug)]
pub struct Prepared {
    pub target: Target,
    pub image_digest: Option<String>,
    /// The connection to its runner, where that runs already; None: it is still to be started.
    pub attached: Option<Attached>,
    /// What else its record has to keep, where it is on a server.
    pub on_server: Option<OnServer>,
}

/// An environment that was found, of this or an earlier life of the orchestrator.
#[derive(Debug, Clone)]
pub struct Found {
    pub target: Target,
    /// The claim that it was made for, and the job; None: it was made ahead, and the run's record tells.
    pub run: Option<(Claim, Uuid)>,
    /// False: only left-overs, nothing that could go on.
    pub whole: bool,
}

/// What is left to see when a runner is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Autopsy {
    pub running: bool,
    pub out_of_memory: bool,
    pub exit_code: Option<i64>,
}

/// The last bytes of the runner's stderr, for diagnosis.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<Vec<u8>>>);

const TAIL_BYTES: usize = 4096;

impl Tail {
    pub fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let excess = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..excess);
    }

    /// What came before is of no use any more.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).trim().to_owned()
    }
}

/// A connection to a runner's stdin and stdout. Dropping it leaves the runner running.
#[derive(Debug)]
pub struct Attached {
    /// Closed when the connection ends.
    pub frames: mpsc::Receiver<Result<FromRunner, FrameError>>,
    /// Whole encoded frames.
    pub input: mpsc::UnboundedSender<Vec<u8>>,
    pub stderr: Tail,
    pub pumps: Vec<AbortOnDropHandle<()>>,
}

/// A place where executions run.
pub trait Executor: Send + Sync + 'static {
    /// Makes an environment; nothing of it is left when this fails.
    fn prepare(&self, order: &Order) -> impl Future<Output = Result<Prepared, ExecutorError>> + Send;

    /// Name that `prepare` gives to the environment of this claim, on this server where there is one, unless an
    /// environment was there already.
    fn target(&self, claim: Claim, host: Option<&HostOrder>) -> Target;

    /// How to get to a server, for the runs that an earlier life left there.
    fn meet(&self, _: &HostOrder) {}

    /// Whether the environment goes on when this process ends; only then has its run a record.
    fn outlives(&self, _: &Target) -> bool {
        true
    }

    /// Attaches, then starts the runner, so that nothing it says is missed.
    fn start(&self, target: &Target) -> impl Future<Output = Result<Attached, ExecutorError>> + Send;

    /// Attaches to a runner that was started before.
    fn attach(&self, target: &Target) -> impl Future<Output = Result<Attached, ExecutorError>> + Send;

    /// Ends everything that runs in the environment, at once.
    fn kill(&self, target: &Target) -> impl Future<Output = Result<(), ExecutorError>> + Send;

    /// User code runs in one of the environments: what would have hindered its start may be done now.
    fn begun(&self);

    /// Looks at an environment from outside.
    fn inspect(&self, target: &Target) -> impl Future<Output = Result<Autopsy, ExecutorError>> + Send;

    /// Runs a shell in the environment until it ends, or nobody is on the other side any more. Dropped, it ends too.
    fn shell(&self, _: &Target, _: Back) -> impl Future<Output = End> + Send {
        std::future::ready(no_container("This run has no container."))
    }

    /// Removes the environment and all that belongs to it. Done already is done.
    fn clean_up(&self, target: &Target) -> impl Future<Output = Result<(), ExecutorError>> + Send;

    /// Environments of this orchestrator, whatever state they are in, but for those that wait for an execution or were
    /// taken by one of this process.
    fn find(&self) -> impl Future<Output = Result<Vec<Found>, ExecutorError>> + Send;

    /// Ends when something has failed without which this process should not go on; else never.
    fn failed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// The end is near: what waits for executions is removed.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// The end is there: what is still held open is let go, and executions that outlive this process go on.
    fn leave(&self) {}
}
