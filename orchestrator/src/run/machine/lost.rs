//! What follows when there is no runner any more, or when it can't be reached. Pure.

use std::time::Duration;

use cronium_protocol::agent::{CancelReport, OutcomeKind};
use tokio::time::Instant;

use super::limits::CLEANUP_LIMIT;
use super::{Action, Killing, Machine, Origin, PAYLOAD_LIMIT, REPEAT, Stage, reason};
use crate::clock::Now;
use crate::executor::Autopsy;

/// A runner that hears nothing for so long stops itself, and what it had to say is gone.
const SILENCE: Duration = Duration::from_mins(10);

/// Whether the runner can be reached, as far as that is known.
#[derive(Debug, Default)]
pub struct Reach {
    /// Since when it can't, and why.
    lost: Option<(Instant, String)>,
    /// It could not, or something was lost, before the start.
    broke_early: bool,
}

impl Reach {
    pub fn regained(&mut self) {
        self.lost = None;
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    fn lose(&mut self, why: String, now: Instant) {
        let since = self.lost.take().map_or(now, |(since, _)| since);
        self.lost = Some((since, why));
    }
}

impl Machine {
    pub(super) fn on_gone(&mut self, autopsy: &Autopsy, stderr: &str, now: Now, out: &mut Vec<Action>) {
        self.gone = true;
        // Nothing is repeated by a runner that is gone: what it said before has to do.
        self.deaf = false;
        if self.is_told_without_runner(now, out) {
            return;
        }
        let remains = reason::remains(autopsy.exit_code, stderr);
        if !self.may_have_started() {
            let reason = format!("the runner ended before the start ({remains})");
            return self.end(OutcomeKind::NotStarted, Some(reason), now, out);
        }
        let (kind, reason) = match self.killing {
            Some(Killing::Cancelled) => {
                self.cancel = Some(CancelReport {
                    signal_sent: true,
                    escalated: true,
                    process_gone: true,
                });
                let reason = "cancelled; it did not end by TERM and was killed";
                (OutcomeKind::Cancelled, reason.to_owned())
            }
            Some(Killing::TimedOut) => (OutcomeKind::TimedOut, reason::timed_out(self.facts.timeout)),
            None if autopsy.out_of_memory => (
                OutcomeKind::Failed,
                reason::out_of_memory(self.facts.memory_bytes),
            ),
            None => {
                let reason = format!("the runner was lost after the start ({remains})");
                (OutcomeKind::Lost, reason)
            }
        };
        let mut outcome = self.outcome(kind, Some(reason), now);
        outcome.ended_at_us = Some(now.us);
        self.conclude(outcome, false, now, out);
    }

    /// It is tried again all the time, and the runner keeps what it has to say.
    pub(super) fn on_out_of_reach(&mut self, why: String, now: Now) {
        self.reach.lose(why, now.at);
        self.hurry(now);
    }

    /// What is said before the start is not said twice: the runner soon shows that it has it, or another is begun.
    pub(super) fn hurry(&mut self, now: Now) {
        if !self.may_have_started() {
            self.reach.broke_early = true;
            self.setup_until = self.setup_until.min(now.at + PAYLOAD_LIMIT);
        }
    }

    /// Half a payload may have been on its way.
    pub(super) fn on_broken_payload(&mut self, now: Now) {
        if self.stage == Stage::Verifying && matches!(self.origin, Origin::Fresh(_)) {
            self.hurry(now);
        }
    }

    pub(super) fn why_not_started(&self) -> String {
        match (&self.reach.lost, &self.origin) {
            (Some((_, why)), _) => format!("contact with the runner was lost before the start: {why}"),
            (None, Origin::Adopted { .. }) => {
                "the orchestrator was restarted before the payload was there".into()
            }
            (None, Origin::Fresh(_)) if self.reach.broke_early => {
                "contact with the runner was lost before the start".into()
            }
            (None, Origin::Fresh(_)) => "setup took longer than 5 min".into(),
        }
    }

    /// It could not be killed, and not even reached for that. Once may be bad luck, but whoever has cancelled it waits.
    pub(super) fn on_not_killed(&mut self, why: String, now: Now, out: &mut Vec<Action>) {
        let was_lost = self.reach.is_lost();
        self.reach.lose(why.clone(), now.at);
        let again = !was_lost && self.killing != Some(Killing::Cancelled);
        if again || !self.may_have_started() {
            return;
        }
        match self.killing {
            Some(Killing::Cancelled) => {
                let reason = format!("cancelled; whether it has ended is not known: {why}");
                self.give_up(OutcomeKind::Cancelled, reason, now, out);
            }
            Some(Killing::TimedOut) => {
                let reason = format!(
                    "contact with the runner was lost, and not regained until its time was over: {why}"
                );
                self.give_up(OutcomeKind::Lost, reason, now, out);
            }
            None => {}
        }
    }

    /// Whether the runner has stopped itself by now, because it has not been reached for so long.
    pub(super) fn is_beyond_hope(&self, now: Now) -> bool {
        let lost = self
            .reach
            .lost
            .as_ref()
            .filter(|_| !self.gone && self.may_have_started());
        lost.is_some_and(|(since, _)| now.at >= *since + SILENCE + self.facts.grace + CLEANUP_LIMIT)
    }

    pub(super) fn on_silence(&mut self, now: Now, out: &mut Vec<Action>) {
        let why = self.reach.lost.as_ref().map_or("", |(_, why)| why.as_str());
        let reason = format!(
            "contact with the runner was lost, and not regained for 10 min, after which it stops by itself: {why}"
        );
        self.give_up(OutcomeKind::Lost, reason, now, out);
    }

    /// Nothing more is expected from the runner, though it may still be there.
    fn give_up(&mut self, kind: OutcomeKind, reason: String, now: Now, out: &mut Vec<Action>) {
        self.gone = true;
        self.deaf = false;
        if self.is_told_without_runner(now, out) {
            return;
        }
        let mut outcome = self.outcome(kind, Some(reason), now);
        outcome.ended_at_us = Some(now.us);
        self.conclude(outcome, false, now, out);
    }

    /// An outcome that is known already is told, without what the runner would have said again.
    fn is_told_without_runner(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        let Some(ending) = &mut self.ending else {
            return false;
        };
        ending.repeat_at = now.at + REPEAT;
        ending.reported = false;
        out.extend(self.finish());
        true
    }
}
