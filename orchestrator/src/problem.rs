//! Why an executor could not do something: a text that people act on, and a cause for the log only.
//! It must not know which engine it was.

mod server;

use std::fmt;

pub use server::ServerProblem;

/// What is wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageProblem {
    #[error("this is the default image, and the engine does not have it: make it with scripts/image.sh")]
    NotMade,
    #[error("its registry does not have it: check the name and the tag")]
    Unknown,
    #[error("its registry gives it to nobody unknown: check the name, or pull it on the engine by hand")]
    Denied,
    #[error("its registry could not be reached from the engine: try again later, or pull it there by hand")]
    RegistryUnreachable,
    #[error("its registry refuses more downloads for now: try again later")]
    TooManyPulls,
    #[error("it exists only for other processors than the engine's")]
    OtherPlatform,
    #[error("this is not an image name")]
    BadName,
    #[error("downloading it took longer than 4 min: pull it on the engine by hand")]
    TooSlow,
    #[error("it could not be downloaded; the orchestrator's log says why")]
    Other,
}

/// Why a job's network could not be closed off from what is private.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceProblem {
    #[error(
        "the default image {0} has no nft program in it: make it with scripts/image.sh, \
         or add the package nftables to your own"
    )]
    NoNft(String),
    #[error("the default image is needed for it; {0}: {1}")]
    Image(String, ImageProblem),
    #[error(
        "the kernel of the engine's host refused the firewall rules: it must have nf_tables, \
         and the engine must be allowed to give NET_ADMIN; the orchestrator's log says more"
    )]
    RulesRefused,
    #[error("the container that sets the firewall rules did not run; the orchestrator's log says why")]
    DidNotRun,
}

/// What kind of failure it was; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the container engine can't be reached: check that it runs and that the orchestrator may use it")]
    Unreachable,
    #[error("image not found: {0}: {1}")]
    Image(String, ImageProblem),
    #[error(
        "the disk of the container engine is full: free some space, for example with docker system prune"
    )]
    OutOfDisk,
    #[error(
        "the container engine has no address range left for another job network: \
         wait until other jobs with a network end, or give it more (default-address-pools)"
    )]
    OutOfNetworks,
    #[error("the job's network could not be closed off, so it was not started: {0}")]
    Fence(FenceProblem),
    #[error("setup took longer than 5 min")]
    TooSlow,
    #[error(
        "the orchestrator can't use its state directory, without which a run could not be found again: \
         check its disk; the orchestrator's log says more"
    )]
    NoRecord,
    #[error("not wanted any more")]
    Unwanted,
    #[error("the container engine refused to run it; the orchestrator's log says why")]
    Refused,
    #[error("the server can't be used: {0}")]
    Server(ServerProblem),
}

impl Problem {
    /// Whether the text sends its reader to the log.
    pub fn is_in_log(&self) -> bool {
        match self {
            Self::Refused | Self::NoRecord => true,
            Self::Image(_, why) | Self::Fence(FenceProblem::Image(_, why)) => *why == ImageProblem::Other,
            Self::Fence(why) => matches!(why, FenceProblem::RulesRefused | FenceProblem::DidNotRun),
            Self::Unreachable | Self::OutOfDisk | Self::OutOfNetworks | Self::TooSlow | Self::Unwanted => {
                false
            }
            Self::Server(why) => why.is_in_log(),
        }
    }
}

/// A problem with what the engine itself said about it. Shown, it tells only the problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorError {
    problem: Problem,
    cause: Option<String>,
}

impl ExecutorError {
    pub fn new(problem: Problem, cause: impl Into<String>) -> Self {
        Self {
            problem,
            cause: Some(cause.into()),
        }
    }

    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// For the log, never for clients.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The same cause, seen as another problem.
    #[must_use]
    pub fn seen_as(self, problem: Problem) -> Self {
        Self { problem, ..self }
    }
}

impl From<Problem> for ExecutorError {
    fn from(problem: Problem) -> Self {
        Self { problem, cause: None }
    }
}

impl fmt::Display for ExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for ExecutorError {}
