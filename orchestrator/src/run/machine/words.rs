//! The machine's words: what it knows, what can happen, what is to be done. No behaviour here.

use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, Claim, OutcomeKind};
use cronium_protocol::frame::{FromRunner, ToRunner};

use crate::executor::Autopsy;
use crate::registry::Mail;

/// What is known when the runner is there.
#[derive(Debug, Clone)]
pub struct Facts {
    pub claim: Claim,
    pub timeout: Duration,
    pub grace: Duration,
    pub memory_bytes: u64,
    pub image_digest: Option<String>,
    pub setup_at_us: Option<i64>,
    pub started_at_us: Option<i64>,
    pub lease: Duration,
    /// The server takes back a start that was not used: it is asked before the runner asks.
    pub takes_back: bool,
}

/// Where the runner comes from.
#[derive(Debug)]
pub enum Origin {
    /// Just made: it waits for this payload.
    Fresh(Box<ToRunner>),
    /// Left by an earlier life; the server has everything up to `last_seq`.
    Adopted { last_seq: u64, started: bool },
}

/// What can happen to an execution.
#[derive(Debug)]
pub enum Input {
    Frame(FromRunner),
    /// The environment could not be made; the reason is for people.
    Unprepared(String),
    /// A frame could not be read, or the connection to the runner was made anew.
    Gap,
    Mail(Mail),
    /// There is a new connection to the server, which may be another version than before.
    Up {
        takes_back: bool,
    },
    /// Where the runner is can't be reached now, so nothing is known of it; the reason is for people.
    OutOfReach(String),
    /// Nor could it be killed, for this reason.
    NotKilled(String),
    /// The runner is not running any more.
    Gone {
        autopsy: Autopsy,
        stderr: String,
    },
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq)]
pub enum Action {
    Runner(ToRunner),
    Server(AgentToServer),
    /// Nothing comes from the runner any more: the connection is to be made anew.
    Reattach,
    /// User code runs.
    Started,
    Kill,
    /// The outcome is kept by the server: clean up.
    Done(OutcomeKind),
    /// Somebody else decides about it: clean up without a word.
    Abandon,
}
