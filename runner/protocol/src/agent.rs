//! Messages of the agent channel: a WebSocket from an orchestrator to the server's `/agent`, one binary
//! message each, MessagePack with named fields. Every message about an execution carries its epoch.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::frame::{ExitReport, UsageReport};
use crate::host::{Errand, HostSpec, Report};
use crate::terminal::{About, FromTerminal, ToTerminal};

/// An execution under one lease: stale epochs are rejected by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    pub execution_id: Uuid,
    pub epoch: i32,
}

/// Most executions that one claim gives out.
pub const MAX_CLAIM: u32 = 100;

/// Most labels of an orchestrator, or of what asks for one.
pub const MAX_LABELS: usize = 20;

/// 1 to 63 of `a-z 0-9 . _ = -`, beginning with a letter or digit: `gpu`, `region=eu-1`.
pub fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || b"._=-".contains(&byte))
}

/// A message of the channel; None when the other side is newer and this one does not know the word, which is no
/// reason to end the connection.
pub fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<Option<T>, rmp_serde::decode::Error> {
    match rmp_serde::from_slice(bytes) {
        Err(rmp_serde::decode::Error::Syntax(problem)) if problem.starts_with("unknown variant") => Ok(None),
        other => other.map(Some),
    }
}

/// What an orchestrator says to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AgentToServer {
    /// First message on every connection. `orchestrator_id` is stable over restarts.
    Hello {
        protocol: u16,
        orchestrator_id: Uuid,
        name: String,
        version: String,
        capacity: u32,
        /// What its operator says it offers, each as `is_label` wants it.
        #[serde(default)]
        labels: Vec<String>,
        /// When its process began, in microseconds since the Unix epoch.
        #[serde(default)]
        started_at_us: Option<i64>,
        /// Carries runtime calls.
        #[serde(default)]
        runtime: bool,
        /// Reaches servers over SSH, and so takes errands.
        #[serde(default)]
        ssh: bool,
        /// Opens terminals, in containers and, where it reaches servers, on those.
        #[serde(default)]
        terminals: bool,
    },
    /// Asks for up to `free_slots` executions that it runs itself and, where it reaches servers, up to `on_servers`
    /// that run there; answered by `Claimed` (possibly empty).
    Claim {
        free_slots: u32,
        #[serde(default)]
        on_servers: u32,
    },
    /// Extends the leases; answered by `Renewed`. Sent every 5 s.
    Renew { claims: Vec<Claim> },
    /// Asks for permission to start user code; answered by `StartGrant`.
    StartRequest { claim: Claim },
    /// A moment in the life of an execution; times are microseconds since the Unix epoch.
    Phase { claim: Claim, phase: Phase, at_us: i64 },
    /// An encoded [`crate::log::LogBlock`], relayed unread; answered by `LogAck` once it is durable enough.
    Log {
        claim: Claim,
        #[serde(with = "serde_bytes")]
        block: Vec<u8>,
    },
    /// The end of an execution. Repeated until `FinishAck` names it.
    Finish { claim: Claim, outcome: Box<Outcome> },
    /// After a restart: containers found by label. Answered by `Adopted`.
    Adopt { claims: Vec<Claim> },
    /// Host figures, every 5 s.
    Heartbeat { host: HostReport, running: u32 },
    /// A runtime call, relayed unread; answered by `Reply`. The same id is the same call, however often it comes.
    /// Only sent where the server's Welcome said that it answers them.
    Call {
        claim: Claim,
        id: Uuid,
        #[serde(with = "serde_bytes")]
        request: Vec<u8>,
    },
    /// What came of an errand. An errand that is not answered within 90 s is given to somebody else.
    Reported { id: Uuid, report: Report },
    /// About a terminal that it has, or was asked for.
    Terminal(About<FromTerminal>),
}

/// What the server says to an orchestrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ServerToAgent {
    /// Answer to `Hello`. `verify_key` is the Ed25519 public key of payloads.
    Welcome {
        verify_key: [u8; 32],
        lease_secs: u32,
        renew_secs: u32,
        /// Answers runtime calls.
        #[serde(default)]
        runtime: bool,
        /// Takes back a start that was granted and not used: it may be asked for before it is needed.
        #[serde(default)]
        takes_back: bool,
    },
    Claimed {
        assignments: Vec<Assignment>,
        /// The same answer goes on in another message.
        #[serde(default)]
        more: bool,
    },
    /// `lost` are leases that ended: stop those executions and clean up.
    Renewed {
        lost: Vec<Claim>,
    },
    StartGrant {
        claim: Claim,
        granted: bool,
    },
    /// Everything of the execution up to and with `seq` is kept.
    LogAck {
        claim: Claim,
        seq: u64,
    },
    FinishAck {
        claim: Claim,
    },
    Cancel {
        claim: Claim,
    },
    /// There is work: claim now.
    Wake,
    /// Per claim: go on with it (under a new epoch) and the last stored log sequence, or `None`: remove it.
    Adopted {
        replies: Vec<AdoptReply>,
    },
    /// Take no new work.
    Drain {
        draining: bool,
    },
    /// Answer to `Call`, to be relayed unread.
    Reply {
        claim: Claim,
        id: Uuid,
        #[serde(with = "serde_bytes")]
        reply: Vec<u8>,
    },
    /// Something to find out; answered by `Reported`. Only sent to those that take errands.
    Errand {
        id: Uuid,
        errand: Errand,
    },
    /// To a terminal. Only sent to those that open some.
    Terminal(About<ToTerminal>),
}

/// Answer about one adopted execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdoptReply {
    pub claim: Claim,
    pub go_on: Option<Adopted>,
}

/// The lease under which an adopted execution goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    pub claim: Claim,
    pub last_seq: u64,
    pub started: bool,
    /// Where it is, when that is a server that can still be used.
    #[serde(default)]
    pub host: Option<HostOrder>,
}

/// A server to run on, and how to get there now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostOrder {
    pub server_id: Uuid,
    pub host: Box<HostSpec>,
}

/// One claimed execution with everything that is needed to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub claim: Claim,
    pub job_id: Uuid,
    pub attempt: u32,
    pub container: ContainerSpec,
    /// Its payload is a request, which the orchestrator makes itself: no container is needed.
    #[serde(default)]
    pub http: bool,
    /// It runs on a server: no container is needed. Only given to those that reach servers.
    #[serde(default)]
    pub host: Option<HostOrder>,
    /// User code's limit; the executor adds its own for setup (5 min) and cleanup (1 min).
    pub timeout_ms: u64,
    /// Encoded [`crate::manifest::Manifest`], signed as these exact bytes.
    #[serde(with = "serde_bytes")]
    pub manifest: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
    /// Plain tar of the manifest's files.
    #[serde(with = "serde_bytes")]
    pub archive: Vec<u8>,
}

/// What the container may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// None: the orchestrator's default execution image.
    pub image: Option<String>,
    pub memory_bytes: u64,
    /// Thousandths of a core.
    pub cpu_millis: u32,
    pub pids: u32,
    /// False: network `none`.
    pub network: bool,
}

/// Moments that timing is made of. `Setup` when the orchestrator begins, `Started` when user code runs
/// (sent only after a grant), `Ended` when user code has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Setup,
    Started,
    Ended,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub kind: OutcomeKind,
    /// For people: what happened and, where possible, what to do. None for a success.
    pub reason: Option<String>,
    pub exit: Option<ExitReport>,
    pub usage: Option<UsageReport>,
    pub image_digest: Option<String>,
    pub cancel: Option<CancelReport>,
    pub setup_at_us: Option<i64>,
    pub started_at_us: Option<i64>,
    pub ended_at_us: Option<i64>,
    pub finished_at_us: i64,
    /// Last log sequence that was sent (0: none).
    pub last_seq: u64,
    /// No permission to start has reached the runner in this claim: what was granted to it is given back.
    #[serde(default)]
    pub unstarted: bool,
}

/// The kinds of end that an executor can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeKind {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    /// Contact was lost after the start.
    Lost,
    /// The target could not be prepared; user code did not start, so it may be tried again.
    NotStarted,
}

/// What was done to cancel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelReport {
    pub signal_sent: bool,
    pub escalated: bool,
    pub process_gone: bool,
}

/// Real figures of the orchestrator's host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReport {
    pub cpu_percent: f64,
    pub memory_used: u64,
    pub memory_total: u64,
    pub disk_used: u64,
    pub disk_total: u64,
    pub load_average: f64,
}
