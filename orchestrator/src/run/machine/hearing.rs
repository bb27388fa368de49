//! Whether the runner is heard, and what is said again where it may not have heard. Pure.

use cronium_protocol::frame::ToRunner;

use super::{Action, Killing, Machine};
use crate::clock::Now;

/// Without an answer, these are enough to make the connection anew.
const PINGS: u32 = 2;

/// A runner answers pings whatever its script does, so its silence is that of the connection: one that looks whole and
/// carries nothing, as an engine leaves it that was killed and is back. Counted in pings, not in time: of a process
/// that stood still itself, the runner may well have spoken.
#[derive(Debug, Default)]
pub struct Hearing {
    unanswered: u32,
}

impl Hearing {
    pub fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// With each ping: whether too many before it were not answered. They are counted anew from there.
    pub fn is_lost(&mut self) -> bool {
        let lost = self.unanswered >= PINGS;
        self.unanswered = if lost { 1 } else { self.unanswered + 1 };
        lost
    }
}

impl Machine {
    /// The connection was made anew, or something of it was lost: so may be what we said.
    pub(super) fn on_gap(&mut self, now: Now, out: &mut Vec<Action>) {
        self.hearing.heard();
        self.on_broken_payload(now);
        self.resume(out);
        if self.killing == Some(Killing::Cancelled) && self.ending.is_none() && !self.gone {
            out.push(Action::Runner(ToRunner::Cancel));
        }
    }

    pub(super) fn ping(&mut self, out: &mut Vec<Action>) {
        // Before the start there are shorter limits, and half a payload may be on its way.
        if self.may_have_started() && self.hearing.is_lost() {
            out.push(Action::Reattach);
        }
        out.push(Action::Runner(ToRunner::Ping));
    }
}
