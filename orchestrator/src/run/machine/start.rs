//! Permission to start: asked for while the runner unpacks, and passed on when it has. Pure.

use cronium_protocol::agent::OutcomeKind;
use cronium_protocol::frame::ToRunner;

use super::{Action, Machine, Origin, Stage};
use crate::clock::Now;

impl Machine {
    /// Permission has reached the runner, or may have reached it in an earlier life.
    pub(super) fn may_have_started(&self) -> bool {
        match self.stage {
            Stage::Silent => matches!(self.origin, Origin::Adopted { started: true, .. }),
            stage => stage >= Stage::Granted,
        }
    }

    /// The server was asked, and its answer does not count yet. Of an adopted runner it is asked when that asks.
    pub(super) fn is_waiting_for_grant(&self) -> bool {
        let asked = match self.stage {
            Stage::Verifying => self.facts.takes_back && matches!(self.origin, Origin::Fresh(_)),
            stage => stage == Stage::Asking,
        };
        asked && !self.permitted && self.ending.is_none()
    }

    /// The runner has unpacked its payload.
    pub(super) fn on_asked(&mut self, now: Now, out: &mut Vec<Action>) {
        match self.stage {
            Stage::Silent | Stage::Verifying if self.ending.is_none() => {
                let asked = self.is_waiting_for_grant();
                self.stage = Stage::Asking;
                if std::mem::take(&mut self.permitted) {
                    self.on_grant(true, now, out);
                } else if !asked {
                    out.push(self.start_request());
                }
            }
            Stage::Granted => out.push(Action::Runner(ToRunner::Start { granted: true })),
            _ => {}
        }
    }

    /// Passed on only to a runner that asks: one that has not asked has started nothing, whatever becomes of it.
    pub(super) fn on_grant(&mut self, granted: bool, now: Now, out: &mut Vec<Action>) {
        if !granted {
            out.push(Action::Runner(ToRunner::Start { granted }));
            let reason = "the server did not permit the start";
            return self.end(OutcomeKind::NotStarted, Some(reason.into()), now, out);
        }
        if self.stage == Stage::Verifying {
            self.permitted = true;
        } else if self.lease.holds(now.at) {
            self.stage = Stage::Granted;
            out.push(Action::Runner(ToRunner::Start { granted }));
        } else {
            self.lease.ask_when_renewed();
        }
    }
}
