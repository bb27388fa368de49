//! What a terminal is: when it ends and what people are told, which input is typed, how much output its orchestrator is
//! let to send, and where some is missing. Pure.

use std::collections::VecDeque;

use cronium_entity::enums::TerminalStatus;
use cronium_protocol::terminal::{End, MAX_PIECE};

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::permission::{Action, Permissions};
use crate::kernel::{Timestamp, naming};

use super::limits::{AWAY, LAG, UNOPENED, UNTAKEN, UNWATCHED};

/// Ends whatever sequence was begun, and shows nothing (CAN, ECMA-48). It stands for output that is missing: both sides
/// of a gap are harmless, but what was begun before it could go on with what follows, and be a sequence that no filter
/// has seen.
pub const CANCEL: u8 = 0x18;

/// Longest word of what was said elsewhere that is kept, in characters.
const MAX_TOLD: usize = 300;

/// Why Cronium ends a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Whoever opened it closed it.
    Closed,
    /// Somebody else did.
    ClosedByAnother,
    SignedOut,
    NoRight,
    NoServer,
    RunEnded,
    Idle,
    TooLong,
    Unwatched,
    Untaken,
    UntakenInside,
    Unopened,
    Lost,
}

impl Why {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Closed => "It was closed by who opened it.",
            Self::ClosedByAnother => "An administrator closed it.",
            Self::SignedOut => {
                "The sign-in or API token that it was opened with has ended: sign in and open another one."
            }
            Self::NoRight => "Whoever opened it may not do that any more.",
            Self::NoServer => "The server was removed, or is not shared with who opened it any more.",
            Self::RunEnded => "The run has ended, and its container with it.",
            Self::Idle => "Nobody typed for too long: open another one.",
            Self::TooLong => "It was open for as long as one may be: open another one.",
            Self::Unwatched => "Nobody who could type watched it any more: open another one.",
            Self::Untaken => {
                "No orchestrator that reaches servers and opens terminals took it up. Start one, or look whether all \
                 of them are draining, or older than this version."
            }
            Self::UntakenInside => {
                "The orchestrator of the run did not take it up. Look whether it is connected, and not older than this \
                 version."
            }
            Self::Unopened => "The orchestrator opened no shell in time. Try again; its log may say more.",
            Self::Lost => "Contact with the orchestrator was lost, and was not regained. Open another one.",
        }
    }
}

/// What is written down of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub reason: String,
    pub exit_code: Option<i32>,
}

impl From<Why> for Ending {
    fn from(why: Why) -> Self {
        Self::because(why.text())
    }
}

impl Ending {
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            exit_code: None,
        }
    }

    /// What an orchestrator says; `trouble` puts trouble with a server into words.
    pub fn told(end: End, trouble: impl FnOnce(cronium_protocol::host::HostTrouble) -> String) -> Self {
        match end {
            End::Exited { code } => Self {
                reason: match code {
                    Some(0) => "The shell ended.".to_owned(),
                    Some(code) => format!("The shell ended with exit status {code}."),
                    None => "The shell was ended by a signal.".to_owned(),
                },
                exit_code: code,
            },
            // It was asked to by this server, and nothing says why: what is told to people ends a terminal before.
            End::Closed => Self::because("It was hung up. Cronium's log may say why."),
            End::Trouble(found) => Self::because(trouble(found)),
            End::NoContainer { told } => Self::because(with(
                &told,
                "There is no such container any more, or it has no shell.",
            )),
            End::Failed { told } => Self::because(with(&told, "It could not be opened, or not go on.")),
        }
    }
}

/// What was said elsewhere may hold anything: it becomes one short line behind ours.
fn with(told: &str, ours: &str) -> String {
    let told: String = naming::plain(told).trim().chars().take(MAX_TOLD).collect();
    if told.is_empty() {
        ours.to_owned()
    } else {
        format!("{ours} ({told})")
    }
}

/// Notes what is wrong with a size.
pub fn check_size(columns: i32, rows: i32, checks: &mut Checks) {
    for (field, side) in [("columns", columns), ("rows", rows)] {
        let fits = (1..=1000).contains(&side);
        checks.require(fits, UserErrorCode::Invalid, field, "1 to 1,000.");
    }
}

/// Notes what is wrong with a piece of input.
pub fn check_input(data: &str, seq: i32, checks: &mut Checks) {
    checks.require(
        !data.is_empty(),
        UserErrorCode::Required,
        "data",
        "Give what is typed.",
    );
    checks.require(
        data.len() <= MAX_PIECE,
        UserErrorCode::TooLong,
        "data",
        "At most 32 KiB at a time.",
    );
    check_seq(seq, checks);
}

/// Notes what is wrong with the number of a piece.
pub fn check_seq(seq: i32, checks: &mut Checks) {
    checks.require(
        seq >= 1,
        UserErrorCode::Invalid,
        "seq",
        "Pieces are counted from 1.",
    );
}

/// Why a piece of input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untaken {
    /// It was taken before.
    Repeated,
    /// Another one comes first.
    Gap,
    /// There is no shell yet.
    Early,
    Over,
    /// Too much is under way, or was a moment ago.
    Full,
}

/// Why the piece with this number was not taken.
pub fn untaken(status: TerminalStatus, last_input: i64, seq: i64) -> Untaken {
    match status {
        _ if seq <= last_input => Untaken::Repeated,
        TerminalStatus::Ended => Untaken::Over,
        TerminalStatus::Opening => Untaken::Early,
        TerminalStatus::Open if seq - 1 > last_input => Untaken::Gap,
        TerminalStatus::Open => Untaken::Full,
    }
}

/// Output of one terminal that is kept, and for which its orchestrator has been given no room yet.
#[derive(Debug, Default)]
pub struct Window {
    waiting: VecDeque<(u64, i64)>,
    newest: u64,
}

impl Window {
    /// A piece is kept, and those before it; `ends_at` counts the output up to its end. Again is nothing new.
    pub fn keep(&mut self, number: u64, ends_at: i64) {
        if number > self.newest {
            self.newest = number;
            self.waiting.push_back((number, ends_at));
        }
    }

    /// Up to which piece there is room now that the opener has read so far; None: that is no news.
    pub fn seen(&mut self, seen_bytes: i64) -> Option<u64> {
        let fits = |(_, ends_at): &&(u64, i64)| *ends_at <= seen_bytes + LAG;
        let count = self.waiting.iter().take_while(fits).count();
        self.waiting.drain(..count).next_back().map(|(number, _)| number)
    }
}

/// Where output is missing, among pieces that are shown one after the other.
#[derive(Debug)]
pub struct Gaps {
    last: i64,
    is_open: bool,
}

impl Gaps {
    /// Nothing is missing up to and with this piece.
    pub fn after(seq: i64) -> Self {
        Self {
            last: seq,
            is_open: false,
        }
    }

    /// Whether the next piece has to end what was begun before a gap: the first after it that `shows` something.
    pub fn end_at(&mut self, seq: i64, shows: bool) -> bool {
        self.is_open |= seq > self.last + 1;
        self.last = seq;
        shows && std::mem::take(&mut self.is_open)
    }
}

/// Where a terminal is, as far as it says what is needed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// On a server that is there, and is the opener's own or shared; or on none of these.
    Server { usable: bool },
    /// In the container of a run that goes on, or not; and whether the run is the opener's own.
    Container { runs: bool, own: bool },
}

/// How a terminal stands that has not ended.
#[derive(Debug, Clone)]
pub struct Standing {
    pub status: TerminalStatus,
    pub place: Where,
    pub taken: bool,
    /// Since it was taken, and since its orchestrator was last heard of, in seconds by the database's clock. Before it
    /// is taken: since it was asked for.
    pub taken_secs: f64,
    pub silent_secs: f64,
    pub idle_at: Timestamp,
    pub until: Timestamp,
    pub viewed_at: Timestamp,
}

impl Standing {
    /// Why it may not go on. `allowed` is what it was opened with allows now; None: that has ended.
    pub fn over(&self, allowed: Option<Permissions>, now: Timestamp) -> Option<Why> {
        let Some(allowed) = allowed else {
            return Some(Why::SignedOut);
        };
        if !may_stay(self.place, allowed) {
            return Some(Why::NoRight);
        }
        match self.place {
            Where::Server { usable: false } => return Some(Why::NoServer),
            Where::Container { runs: false, .. } => return Some(Why::RunEnded),
            _ => {}
        }
        if !self.taken && self.silent_secs > UNTAKEN {
            return Some(match self.place {
                Where::Server { .. } => Why::Untaken,
                Where::Container { .. } => Why::UntakenInside,
            });
        }
        if self.taken && self.silent_secs > AWAY {
            return Some(Why::Lost);
        }
        if self.taken && self.status == TerminalStatus::Opening && self.taken_secs > UNOPENED {
            return Some(Why::Unopened);
        }
        if now >= self.until {
            return Some(Why::TooLong);
        }
        if now >= self.idle_at {
            return Some(Why::Idle);
        }
        (now - self.viewed_at >= UNWATCHED).then_some(Why::Unwatched)
    }
}

fn may_stay(place: Where, allowed: Permissions) -> bool {
    let needed = match place {
        Where::Server { .. } => Action::ReadServers,
        Where::Container { .. } => Action::CancelJob,
    };
    let foreign = matches!(place, Where::Container { own: false, .. });
    allowed.contains(Action::OpenTerminals)
        && allowed.contains(needed)
        && (!foreign || allowed.contains(Action::AllResources))
}

#[cfg(test)]
mod tests;
