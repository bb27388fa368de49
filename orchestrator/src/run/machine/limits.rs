//! How long things may last: the lease, as far as it is known here, and a run. Pure: no clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::Facts;
use crate::clock::Now;

/// How long the server's word is waited for once a lease is over by our own clock: a process that stood still has it
/// unread.
const WORD_LIMIT: Duration = Duration::from_secs(10);
pub(super) const CLEANUP_LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Lease {
    length: Duration,
    until: Instant,
    /// When it was first seen to be over.
    lapsed_at: Option<Instant>,
    ask_again: bool,
}

impl Lease {
    pub fn new(length: Duration, now: Instant) -> Self {
        Self {
            length,
            until: now + length,
            lapsed_at: None,
            ask_again: false,
        }
    }

    pub fn holds(&self, now: Instant) -> bool {
        now < self.until
    }

    /// The server says that it holds; whether the start is to be asked for again.
    pub fn renewed(&mut self, now: Instant) -> bool {
        self.until = now + self.length;
        self.lapsed_at = None;
        std::mem::take(&mut self.ask_again)
    }

    /// Nothing starts without a lease: the start is asked for when it is renewed.
    pub fn ask_when_renewed(&mut self) {
        self.ask_again = true;
    }

    /// Whether it is over for good, as far as can be told without the server.
    pub fn is_over(&mut self, now: Instant) -> bool {
        if self.holds(now) {
            return false;
        }
        let since = *self.lapsed_at.get_or_insert(now);
        now >= since + WORD_LIMIT
    }
}

impl Facts {
    /// The longest that a run may take from its start.
    pub(super) fn patience(&self) -> Duration {
        self.timeout + self.grace + CLEANUP_LIMIT
    }

    /// Moment at which an adopted run is overdue, counted from its true start.
    pub(super) fn overdue(&self, now: Now) -> Instant {
        let ran_us = self.started_at_us.map_or(0, |at| (now.us - at).max(0));
        now.at
            + self
                .patience()
                .saturating_sub(Duration::from_micros(ran_us as u64))
    }
}
