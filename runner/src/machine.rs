//! The life of one execution as a pure state machine: events and a monotonic time go in, at most one
//! action comes out. It knows no processes, files or frames.

/// A runner that hears nothing for this long stops itself.
pub const SILENCE_MS: u64 = 10 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waiting for the payload.
    Idle,
    /// The payload was refused; nothing will ever run.
    Refused,
    /// The payload is unpacked; waiting for permission to start.
    Asked,
    Running,
    /// The main process has ended; what it left behind is being killed.
    Sweeping,
    /// Every process is gone; the pipes are being read to their end.
    Draining,
    /// The exit is known; waiting for word that it was kept.
    Finished,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Any sign of life from the orchestrator.
    Heard,
    PayloadAccepted {
        timeout_ms: u64,
        grace_ms: u64,
    },
    PayloadRefused,
    StartAnswered {
        granted: bool,
    },
    SpawnFailed,
    Cancel,
    MainExited,
    Swept,
    Drained,
    /// The channel is gone for good.
    CutOff,
    Bye,
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    AskToStart,
    Spawn,
    /// TERM to the process group.
    Term,
    /// KILL to everything.
    Kill,
    Sweep,
    Drain,
    Report,
    Leave,
}

#[derive(Debug)]
pub struct Machine {
    state: State,
    timeout_ms: u64,
    grace_ms: u64,
    last_heard: u64,
    time_out_at: Option<u64>,
    kill_at: Option<u64>,
    pub timed_out: bool,
    pub cancelled: bool,
    pub escalated: bool,
    cut_off: bool,
}

impl Machine {
    pub fn new(now: u64) -> Self {
        Self {
            state: State::Idle,
            timeout_ms: 0,
            grace_ms: 0,
            last_heard: now,
            time_out_at: None,
            kill_at: None,
            timed_out: false,
            cancelled: false,
            escalated: false,
            cut_off: false,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether nobody will listen any more, by hang-up or by silence.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// When the next `Tick` can matter.
    pub fn next_deadline(&self) -> u64 {
        let silence = self.last_heard.saturating_add(SILENCE_MS);
        [self.time_out_at, self.kill_at]
            .into_iter()
            .flatten()
            .fold(silence, u64::min)
    }

    pub fn on(&mut self, event: Event, now: u64) -> Option<Action> {
        match (self.state, event) {
            (_, Event::Heard) => {
                self.last_heard = now;
                None
            }
            (State::Idle, Event::PayloadAccepted { timeout_ms, grace_ms }) => {
                (self.timeout_ms, self.grace_ms) = (timeout_ms, grace_ms);
                Some(self.become_with(State::Asked, Action::AskToStart))
            }
            (State::Idle, Event::PayloadRefused) => {
                self.state = State::Refused;
                None
            }
            (State::Asked, Event::StartAnswered { granted: true }) => {
                self.time_out_at = Some(now.saturating_add(self.timeout_ms));
                Some(self.become_with(State::Running, Action::Spawn))
            }
            (State::Asked, Event::StartAnswered { granted: false } | Event::Cancel)
            | (State::Idle | State::Refused | State::Asked | State::Finished, Event::Bye | Event::CutOff)
            | (State::Idle, Event::Cancel) => Some(self.become_with(State::Left, Action::Leave)),
            (State::Running, Event::SpawnFailed) => {
                self.clear_deadlines();
                Some(self.become_with(State::Finished, Action::Report))
            }
            (State::Running, Event::Cancel) => {
                self.cancelled |= !self.timed_out;
                self.end(now)
            }
            (State::Running, Event::CutOff) => {
                self.cut_off = true;
                self.cancelled |= !self.timed_out;
                self.end(now)
            }
            (State::Sweeping | State::Draining, Event::CutOff) => {
                self.cut_off = true;
                None
            }
            (State::Running, Event::MainExited) => {
                self.clear_deadlines();
                Some(self.become_with(State::Sweeping, Action::Sweep))
            }
            (State::Sweeping, Event::Swept) => Some(self.become_with(State::Draining, Action::Drain)),
            (State::Draining, Event::Drained) => Some(self.become_with(State::Finished, Action::Report)),
            (_, Event::Tick) => self.tick(now),
            _ => None,
        }
    }

    fn become_with(&mut self, state: State, action: Action) -> Action {
        self.state = state;
        action
    }

    fn clear_deadlines(&mut self) {
        (self.time_out_at, self.kill_at) = (None, None);
    }

    /// TERM once; asking again does not extend the grace.
    fn end(&mut self, now: u64) -> Option<Action> {
        self.time_out_at = None;
        if self.kill_at.is_some() || self.escalated {
            return None;
        }
        self.kill_at = Some(now.saturating_add(self.grace_ms));
        Some(Action::Term)
    }

    fn tick(&mut self, now: u64) -> Option<Action> {
        if self.state == State::Left {
            return None;
        }
        if self.cut_off && self.state == State::Finished {
            return Some(self.become_with(State::Left, Action::Leave));
        }
        if self.time_out_at.is_some_and(|at| now >= at) {
            self.timed_out = true;
            return self.end(now);
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill_at = None;
            self.escalated = true;
            return Some(Action::Kill);
        }
        if now >= self.last_heard.saturating_add(SILENCE_MS) {
            self.last_heard = now;
            return self.on(Event::CutOff, now);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn running() -> Machine {
        let mut machine = Machine::new(0);
        let payload = Event::PayloadAccepted {
            timeout_ms: 1000,
            grace_ms: 100,
        };
        assert_eq!(machine.on(payload, 0), Some(Action::AskToStart));
        assert_eq!(
            machine.on(Event::StartAnswered { granted: true }, 0),
            Some(Action::Spawn)
        );
        machine
    }

    #[test]
    fn a_run_goes_from_payload_to_bye() {
        let mut machine = running();
        assert_eq!(machine.on(Event::Bye, 5), None);
        assert_eq!(machine.on(Event::MainExited, 10), Some(Action::Sweep));
        assert_eq!(machine.on(Event::Cancel, 11), None);
        assert_eq!(machine.on(Event::Swept, 12), Some(Action::Drain));
        assert_eq!(machine.on(Event::Drained, 13), Some(Action::Report));
        assert_eq!(machine.on(Event::Tick, 5000), None);
        assert_eq!(machine.on(Event::Bye, 5001), Some(Action::Leave));
        assert!(!machine.timed_out && !machine.cancelled && !machine.escalated);
    }

    #[test]
    fn without_a_grant_nothing_starts() {
        let mut machine = Machine::new(0);
        assert_eq!(machine.on(Event::StartAnswered { granted: true }, 0), None);
        machine.on(
            Event::PayloadAccepted {
                timeout_ms: 1,
                grace_ms: 1,
            },
            0,
        );
        assert_eq!(
            machine.on(Event::StartAnswered { granted: false }, 0),
            Some(Action::Leave)
        );
        assert_eq!(machine.on(Event::StartAnswered { granted: true }, 0), None);
    }

    #[test]
    fn a_timeout_asks_first_and_kills_after_the_grace() {
        let mut machine = running();
        assert_eq!(machine.on(Event::Tick, 999), None);
        assert_eq!(machine.on(Event::Tick, 1000), Some(Action::Term));
        assert_eq!(machine.on(Event::Cancel, 1050), None);
        assert_eq!(machine.next_deadline(), 1100);
        assert_eq!(machine.on(Event::Tick, 1100), Some(Action::Kill));
        assert_eq!(machine.on(Event::Cancel, 1101), None);
        assert!(machine.timed_out && machine.escalated && !machine.cancelled);
    }

    #[test]
    fn a_cancelled_run_does_not_time_out_as_well() {
        let mut machine = running();
        assert_eq!(machine.on(Event::Cancel, 950), Some(Action::Term));
        assert_eq!(machine.on(Event::Tick, 1049), None);
        assert_eq!(machine.on(Event::Tick, 1050), Some(Action::Kill));
        assert!(machine.cancelled && !machine.timed_out);
    }

    #[test]
    fn silence_ends_the_run_and_the_runner() {
        let mut machine = Machine::new(0);
        machine.on(
            Event::PayloadAccepted {
                timeout_ms: u64::MAX,
                grace_ms: 100,
            },
            0,
        );
        machine.on(Event::StartAnswered { granted: true }, 0);
        machine.on(Event::Heard, 500);
        assert_eq!(machine.on(Event::Tick, SILENCE_MS + 499), None);
        assert_eq!(machine.on(Event::Tick, SILENCE_MS + 500), Some(Action::Term));
        assert!(machine.is_cut_off());
        assert_eq!(
            machine.on(Event::MainExited, SILENCE_MS + 501),
            Some(Action::Sweep)
        );
        machine.on(Event::Swept, SILENCE_MS + 502);
        assert_eq!(machine.on(Event::Drained, SILENCE_MS + 503), Some(Action::Report));
        assert_eq!(machine.on(Event::Tick, SILENCE_MS + 504), Some(Action::Leave));
    }

    #[test]
    fn a_waiting_runner_leaves_when_nobody_speaks() {
        let mut machine = Machine::new(0);
        assert_eq!(machine.on(Event::Tick, SILENCE_MS), Some(Action::Leave));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Heard),
            Just(Event::PayloadAccepted {
                timeout_ms: 50,
                grace_ms: 10
            }),
            Just(Event::PayloadRefused),
            any::<bool>().prop_map(|granted| Event::StartAnswered { granted }),
            Just(Event::SpawnFailed),
            Just(Event::Cancel),
            Just(Event::MainExited),
            Just(Event::Swept),
            Just(Event::Drained),
            Just(Event::CutOff),
            Just(Event::Bye),
            Just(Event::Tick),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_user_code_starts_once_and_only_when_granted(
            events in prop::collection::vec((any_event(), 0u64..40), 0..60),
        ) {
            let (mut machine, mut now) = (Machine::new(0), 0);
            let (mut spawned, mut terms, mut kills, mut reports) = (0, 0, 0, 0);
            for (event, later) in events {
                now += later;
                match machine.on(event, now) {
                    Some(Action::Spawn) => {
                        prop_assert_eq!(event, Event::StartAnswered { granted: true });
                        spawned += 1;
                    }
                    Some(Action::Term) => terms += 1,
                    Some(Action::Kill) => kills += 1,
                    Some(Action::Report) => reports += 1,
                    _ => {}
                }
            }
            prop_assert!(spawned <= 1 && terms <= spawned && kills <= terms && reports <= spawned);
        }
    }
}
