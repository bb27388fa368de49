//! What happens to one execution: messages and moments in, actions out. Pure: no I/O, no clock.
//! It must not know executors or sockets.

mod hearing;
mod limits;
mod lost;
mod messages;
mod start;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, CancelReport, Outcome, OutcomeKind, Phase};
use cronium_protocol::frame::{ExitReport, FromRunner, ToRunner, UsageReport};
use tokio::time::Instant;

use super::block;
use super::reason::{self, Limits};
use hearing::Hearing;
use limits::Lease;
use lost::Reach;
pub use messages::unanswered;
pub use words::{Action, Facts, Input, Origin};

use crate::clock::Now;
use crate::registry::Mail;

const SETUP_LIMIT: Duration = Duration::from_mins(5);
/// How long an adopted runner that was not started has to show that it holds a payload.
const PAYLOAD_LIMIT: Duration = Duration::from_secs(10);
const REPEAT: Duration = Duration::from_secs(5);
/// Lines without a receipt for so long were refused or lost on the way: the runner repeats them.
const RECEIPT: Duration = Duration::from_secs(10);
/// After the grace period, before the environment itself is killed.
const KILL_MARGIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Silent,
    Verifying,
    Asking,
    Granted,
    Running,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killing {
    Cancelled,
    TimedOut,
}

#[derive(Debug)]
struct Ending {
    outcome: Outcome,
    /// The runner said so itself, and says it again after a resume.
    reported: bool,
    acknowledged_at: Option<Instant>,
    repeat_at: Instant,
}

/// One execution from the runner's first word to the server's receipt.
#[derive(Debug)]
pub struct Machine {
    facts: Facts,
    origin: Origin,
    stage: Stage,
    /// The server has granted the start, and the runner has not asked for it yet.
    permitted: bool,
    /// Lines and exits are dropped until the runner's Hello: it repeats them.
    deaf: bool,
    gone: bool,
    sent_seq: u64,
    acked_seq: u64,
    /// When lines were last known to be on their way: after that, they are asked for again.
    lines_at: Instant,
    lease: Lease,
    hearing: Hearing,
    reach: Reach,
    setup_until: Instant,
    overdue_at: Option<Instant>,
    ping_at: Instant,
    kill_at: Option<Instant>,
    killing: Option<Killing>,
    cancel: Option<CancelReport>,
    ending: Option<Ending>,
    over: bool,
}

impl Machine {
    pub fn new(facts: Facts, origin: Origin, now: Now) -> Self {
        let (seq, deaf) = match &origin {
            Origin::Fresh(_) => (0, false),
            Origin::Adopted { last_seq, .. } => (*last_seq, true),
        };
        Self {
            stage: Stage::Silent,
            permitted: false,
            deaf,
            gone: false,
            sent_seq: seq,
            acked_seq: seq,
            lines_at: now.at,
            lease: Lease::new(facts.lease, now.at),
            hearing: Hearing::default(),
            reach: Reach::default(),
            setup_until: now.at + SETUP_LIMIT,
            overdue_at: None,
            ping_at: now.at + REPEAT,
            kill_at: None,
            killing: None,
            cancel: None,
            ending: None,
            over: false,
            facts,
            origin,
        }
        .found(now)
    }

    /// An adopted runner that says nothing has limits too.
    fn found(mut self, now: Now) -> Self {
        match self.origin {
            Origin::Fresh(_) => {}
            Origin::Adopted { started: true, .. } => self.overdue_at = Some(self.facts.overdue(now)),
            Origin::Adopted { started: false, .. } => self.setup_until = now.at + PAYLOAD_LIMIT,
        }
        self
    }

    /// The environment was made from this image.
    pub fn prepared(&mut self, image_digest: Option<String>) {
        self.facts.image_digest = image_digest;
    }

    /// The outcome is decided already.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.over
    }

    /// There is no runner to listen to any more.
    pub fn is_runner_gone(&self) -> bool {
        self.gone
    }

    /// What to do once attached.
    pub fn begin(&mut self) -> Vec<Action> {
        match self.origin {
            Origin::Fresh(_) => Vec::new(),
            Origin::Adopted { last_seq, .. } => vec![messages::resume(last_seq)],
        }
    }

    /// Takes one event and says what follows from it.
    pub fn on(&mut self, input: Input, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        match input {
            Input::Frame(frame) => self.on_frame(frame, now, &mut out),
            Input::Unprepared(reason) => {
                self.gone = true;
                self.end(OutcomeKind::NotStarted, Some(reason), now, &mut out);
            }
            Input::Gap => self.on_gap(now, &mut out),
            Input::Mail(mail) => self.on_mail(mail, now, &mut out),
            Input::Up { takes_back } => {
                self.facts.takes_back = takes_back;
                self.on_up(now, &mut out);
            }
            Input::Gone { autopsy, stderr } => self.on_gone(&autopsy, &stderr, now, &mut out),
            Input::OutOfReach(why) => self.on_out_of_reach(why, now),
            Input::NotKilled(why) => self.on_not_killed(why, now, &mut out),
            Input::Tick => self.on_tick(now, &mut out),
        }
        self.over = out.iter().any(|a| matches!(a, Action::Done(_) | Action::Abandon));
        out
    }

    fn on_frame(&mut self, frame: FromRunner, now: Now, out: &mut Vec<Action>) {
        self.hearing.heard();
        self.reach.regained();
        match frame {
            FromRunner::Hello { started, .. } => self.on_hello(started, now, out),
            FromRunner::StartRequest => self.on_asked(now, out),
            FromRunner::Started { at_us } => self.on_started(at_us, now, out),
            FromRunner::Log { block } => {
                if !self.deaf {
                    if self.acked_seq == self.sent_seq {
                        self.lines_at = now.at;
                    }
                    self.sent_seq = self.sent_seq.max(block::last_seq(&block).unwrap_or(0));
                    let claim = self.facts.claim;
                    out.push(Action::Server(AgentToServer::Log { claim, block }));
                }
            }
            FromRunner::Exit {
                report,
                usage,
                last_seq,
            } => {
                if !self.deaf {
                    self.on_exit(report, usage, last_seq, now, out);
                }
            }
            // A second payload would be refused too, and that would say nothing of the first one.
            FromRunner::Refused { refusal } if !self.may_have_started() => {
                let reason = format!("the runner refused the payload: {refusal}");
                self.end(OutcomeKind::NotStarted, Some(reason), now, out);
            }
            FromRunner::Refused { .. } | FromRunner::Pong => {}
            // After a resume it comes again.
            FromRunner::Call { id, request } if !self.deaf => out.push(self.call(id, request)),
            FromRunner::Call { .. } => {}
        }
    }

    fn on_hello(&mut self, started: bool, now: Now, out: &mut Vec<Action>) {
        self.deaf = false;
        if self.stage != Stage::Silent {
            return;
        }
        match &mut self.origin {
            Origin::Fresh(payload) => {
                // The server is asked while the runner verifies and unpacks.
                self.stage = Stage::Verifying;
                let payload = std::mem::replace(payload.as_mut(), ToRunner::Ping);
                out.push(Action::Runner(payload));
                if self.facts.takes_back {
                    out.push(self.start_request());
                }
            }
            Origin::Adopted { .. } if started => {
                self.stage = Stage::Running;
                self.overdue_at = Some(self.facts.overdue(now));
            }
            Origin::Adopted { .. } => {
                self.stage = Stage::Verifying;
                self.setup_until = now.at + PAYLOAD_LIMIT;
            }
        }
    }

    fn on_started(&mut self, at_us: i64, now: Now, out: &mut Vec<Action>) {
        self.stage = Stage::Running;
        // By our clock: the runner's may be another.
        self.overdue_at.get_or_insert(now.at + self.facts.patience());
        let first = self.facts.started_at_us.replace(at_us) != Some(at_us);
        if first {
            out.push(Action::Started);
        }
        out.push(self.phase(Phase::Started, at_us));
    }

    fn on_exit(
        &mut self,
        report: ExitReport,
        usage: UsageReport,
        last_seq: u64,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if let Some(ending) = &mut self.ending {
            ending.repeat_at = now.at + REPEAT;
            out.extend(self.finish());
            return;
        }
        self.sent_seq = self.sent_seq.max(last_seq);
        if report.spawn_error.is_none() {
            self.facts.started_at_us.get_or_insert(report.started_at_us);
        }
        out.push(self.phase(Phase::Ended, report.ended_at_us));
        let (kind, reason) = reason::of_exit(&report, self.limits());
        if report.cancelled {
            self.cancel = Some(CancelReport {
                signal_sent: true,
                escalated: report.escalated,
                process_gone: true,
            });
        } else if let Some(cancel) = &mut self.cancel {
            cancel.process_gone = true;
        }
        let mut outcome = self.outcome(kind, reason, now);
        outcome.ended_at_us = Some(report.ended_at_us);
        outcome.exit = Some(report);
        outcome.usage = Some(usage);
        self.conclude(outcome, true, now, out);
    }

    fn on_mail(&mut self, mail: Mail, now: Now, out: &mut Vec<Action>) {
        match mail {
            Mail::Grant { granted } if self.is_waiting_for_grant() => self.on_grant(granted, now, out),
            Mail::Grant { .. } => {}
            Mail::LogAck { seq } => {
                if seq > self.acked_seq {
                    (self.acked_seq, self.lines_at) = (seq, now.at);
                }
                out.push(Action::Runner(ToRunner::Ack { seq }));
                self.leave_if_settled(now, out);
            }
            Mail::FinishAck => {
                if let Some(ending) = &mut self.ending {
                    ending.acknowledged_at.get_or_insert(now.at);
                    self.leave_if_settled(now, out);
                }
            }
            Mail::Cancel => self.on_cancel(now, out),
            Mail::Reply { id, reply } => out.push(Action::Runner(ToRunner::Reply { id, reply })),
            Mail::Renewed => {
                if self.lease.renewed(now.at) && self.is_waiting_for_grant() {
                    out.push(self.start_request());
                }
            }
            Mail::Lost => out.push(Action::Abandon),
        }
    }

    fn on_cancel(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.ending.is_some() || self.cancel.is_some() {
            return;
        }
        let maybe_started = self.may_have_started();
        self.cancel = Some(CancelReport {
            signal_sent: maybe_started && !self.reach.is_lost(),
            escalated: false,
            process_gone: !maybe_started,
        });
        if maybe_started {
            self.killing = Some(Killing::Cancelled);
            self.kill_at = Some(now.at + self.facts.grace + KILL_MARGIN);
            out.push(Action::Runner(ToRunner::Cancel));
        } else {
            let reason = "cancelled before it started";
            self.end(OutcomeKind::Cancelled, Some(reason.into()), now, out);
        }
    }

    fn on_up(&mut self, now: Now, out: &mut Vec<Action>) {
        if let Some(at) = self.facts.setup_at_us {
            out.push(self.phase(Phase::Setup, at));
        }
        if let Some(at) = self.facts.started_at_us {
            out.push(self.phase(Phase::Started, at));
        }
        if self.is_waiting_for_grant() {
            if self.lease.holds(now.at) {
                out.push(self.start_request());
            } else {
                self.lease.ask_when_renewed();
            }
        }
        if self.stage >= Stage::Granted && self.acked_seq < self.sent_seq && !self.gone {
            // What was under way may be lost: the runner repeats it, its exit included.
            self.resume(out);
        } else if let Some(ending) = &mut self.ending {
            ending.repeat_at = now.at + REPEAT;
            out.extend(self.finish());
        } else if self.stage >= Stage::Granted {
            self.resume(out);
        }
    }

    fn on_tick(&mut self, now: Now, out: &mut Vec<Action>) {
        if !self.gone && now.at >= self.ping_at {
            self.ping_at = now.at + REPEAT;
            self.ping(out);
        }
        if self.is_beyond_hope(now) {
            return self.on_silence(now, out);
        }
        if self.acked_seq < self.sent_seq && now.at >= self.lines_at + RECEIPT {
            self.lines_at = now.at;
            self.resume(out);
        }
        if let Some(ending) = &mut self.ending {
            // A runner that has lines left repeats its exit behind them: the end must not overtake them.
            let told = !ending.reported || self.acked_seq >= self.sent_seq;
            if ending.acknowledged_at.is_none() && now.at >= ending.repeat_at && !self.deaf && told {
                ending.repeat_at = now.at + REPEAT;
                out.extend(self.finish());
            }
            return self.leave_if_settled(now, out);
        }
        if !self.may_have_started() {
            if self.lease.is_over(now.at) {
                // It may be granted by now. The server hears it when it can, and takes it if nobody else has it then.
                let reason = "contact with the server was lost before the start";
                return self.end(OutcomeKind::NotStarted, Some(reason.into()), now, out);
            }
            if now.at >= self.setup_until {
                let reason = self.why_not_started();
                return self.end(OutcomeKind::NotStarted, Some(reason), now, out);
            }
        }
        if self.overdue_at.is_some_and(|at| now.at >= at) && self.killing.is_none() {
            self.killing = Some(Killing::TimedOut);
            self.kill_at = Some(now.at);
        }
        if !self.gone && self.kill_at.is_some_and(|at| now.at >= at) {
            self.kill_at = Some(now.at + REPEAT);
            out.push(Action::Kill);
        }
    }

    /// Ends what has not started, and stops the runner.
    fn end(&mut self, kind: OutcomeKind, reason: Option<String>, now: Now, out: &mut Vec<Action>) {
        if self.ending.is_none() {
            let mut outcome = self.outcome(kind, reason, now);
            outcome.unstarted = true;
            self.conclude(outcome, false, now, out);
            if !self.gone {
                out.push(Action::Kill);
            }
        }
    }

    fn conclude(&mut self, outcome: Outcome, reported: bool, now: Now, out: &mut Vec<Action>) {
        self.kill_at = None;
        self.ending = Some(Ending {
            outcome,
            reported,
            acknowledged_at: None,
            repeat_at: now.at + REPEAT,
        });
        out.extend(self.finish());
    }

    /// After the receipt the last lines' receipts are awaited for a moment: then the spool can go.
    fn leave_if_settled(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(ending) = &self.ending else { return };
        let Some(since) = ending.acknowledged_at else {
            return;
        };
        let lines_kept = !ending.reported || self.acked_seq >= self.sent_seq;
        if lines_kept || now.at >= since + REPEAT {
            let kind = ending.outcome.kind;
            out.push(Action::Runner(ToRunner::Bye));
            out.push(Action::Done(kind));
        }
    }

    fn resume(&mut self, out: &mut Vec<Action>) {
        if !self.gone {
            self.deaf = true;
            let after_seq = self.acked_seq;
            out.push(messages::resume(after_seq));
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            timeout: self.facts.timeout,
            memory_bytes: self.facts.memory_bytes,
        }
    }
}
