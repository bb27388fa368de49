//! Which end of an execution is not yet the end of its job. Pure.

use std::time::Duration;

use cronium_protocol::agent::{Outcome, OutcomeKind};

use crate::events::{Policy, RetryOn};

/// What ended an execution, as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// User code could not be started.
    Infrastructure,
    Timeout,
    /// The exit code; of a signal 128 and its number, as shells count.
    Exit(i32),
    /// User code had started, and what became of it is not known.
    Lost,
}

/// The exit code of what the kernel or an operator killed.
const KILLED: i32 = 128 + 9;

impl Cause {
    /// None for an end that nobody repeats.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let exit = outcome.exit.as_ref();
        match outcome.kind {
            OutcomeKind::Succeeded | OutcomeKind::Cancelled => None,
            OutcomeKind::TimedOut => Some(Self::Timeout),
            OutcomeKind::NotStarted => Some(Self::Infrastructure),
            OutcomeKind::Lost => Some(Self::Lost),
            OutcomeKind::Failed if exit.is_some_and(|e| e.spawn_error.is_some()) => {
                Some(Self::Infrastructure)
            }
            OutcomeKind::Failed => {
                let code = exit.and_then(|e| e.code.or(e.signal.map(|n| 128 + n)));
                Some(Self::Exit(code.unwrap_or(KILLED)))
            }
        }
    }
}

/// What an execution's row says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    pub attempt: i32,
    pub starts: i32,
    pub max_starts: i32,
    pub cancel_requested: bool,
}

/// The attempt that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The longest wait before it.
    pub within: Duration,
    /// Whether the wait is a random part of that.
    pub jitter: bool,
    pub max_starts: i32,
}

/// What follows from this end; None: the job has ended.
///
/// Work that was lost after its start is started again where that does no harm, as long as starts are left, and never
/// otherwise, whatever the policy names: whoever lost it does not know that it has ended.
pub fn again(cause: Cause, past: Past, policy: &Policy) -> Option<Again> {
    if past.cancel_requested {
        return None;
    }
    // For the whole job: what earlier attempts used is not there any more.
    let max_starts = if policy.idempotent {
        past.max_starts - past.starts
    } else {
        policy.max_starts()
    };
    if max_starts < 1 {
        return None;
    }
    let retry = &policy.retry;
    let covered = match cause {
        Cause::Lost => {
            return policy.idempotent.then_some(Again {
                within: Duration::ZERO,
                jitter: false,
                max_starts,
            });
        }
        Cause::Infrastructure => retry.on.contains(&RetryOn::Infrastructure),
        Cause::Timeout => retry.on.contains(&RetryOn::Timeout),
        Cause::Exit(code) => {
            retry.on.contains(&RetryOn::ExitCode)
                && (retry.exit_codes.is_empty() || retry.exit_codes.contains(&code))
        }
    };
    (covered && past.attempt < retry.attempts).then(|| Again {
        within: retry.delay(past.attempt),
        jitter: retry.jitter,
        max_starts,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::RetryPolicy;

    const FIRST: Past = Past {
        attempt: 1,
        starts: 1,
        max_starts: 1,
        cancel_requested: false,
    };

    fn policy(on: &[RetryOn], exit_codes: &[i32]) -> Policy {
        Policy {
            retry: RetryPolicy {
                attempts: 3,
                on: on.to_vec(),
                exit_codes: exit_codes.to_vec(),
                ..RetryPolicy::default()
            },
            ..Policy::default()
        }
    }

    #[test]
    fn only_what_the_policy_names_is_tried_again() {
        let causes = [
            Cause::Infrastructure,
            Cause::Timeout,
            Cause::Exit(1),
            Cause::Exit(75),
            Cause::Lost,
        ];
        let tried = |policy: &Policy| causes.map(|cause| again(cause, FIRST, policy).is_some());
        assert_eq!(tried(&Policy::default()), [false; 5]);
        assert_eq!(
            tried(&policy(&[RetryOn::Infrastructure], &[])),
            [true, false, false, false, false]
        );
        assert_eq!(
            tried(&policy(&[RetryOn::Timeout], &[])),
            [false, true, false, false, false]
        );
        assert_eq!(
            tried(&policy(&[RetryOn::ExitCode], &[])),
            [false, false, true, true, false]
        );
        assert_eq!(
            tried(&policy(&[RetryOn::ExitCode], &[75])),
            [false, false, false, true, false]
        );
    }

    #[test]
    fn nothing_is_tried_again_that_somebody_cancelled_or_that_was_the_last_attempt() {
        let all = policy(&[RetryOn::ExitCode], &[]);
        let cancelled = Past {
            cancel_requested: true,
            ..FIRST
        };
        let last = Past { attempt: 3, ..FIRST };
        assert_eq!(again(Cause::Exit(1), cancelled, &all), None);
        assert_eq!(again(Cause::Exit(1), last, &all), None);
        let second = again(Cause::Exit(1), Past { attempt: 2, ..FIRST }, &all);
        assert_eq!(second.map(|a| (a.within.as_secs(), a.jitter)), Some((20, true)));
    }

    proptest! {
        /// However a job's attempts end, its user code starts no oftener than it may.
        #[test]
        fn starts_are_bounded(ends in proptest::collection::vec(0..4_usize, 1..40), idempotent: bool, attempts in 1..=10_i32) {
            let retry = RetryPolicy { attempts, ..RetryPolicy::default() };
            let policy = Policy { retry, idempotent, ..Policy::default() };
            let (mut past, mut starts, mut lost) = (Past { starts: 0, max_starts: policy.max_starts(), ..FIRST }, 0, 0);
            for end in ends {
                let cause = [Cause::Exit(1), Cause::Timeout, Cause::Lost, Cause::Infrastructure][end];
                past.starts = i32::from(cause != Cause::Infrastructure);
                starts += past.starts;
                lost += i32::from(cause == Cause::Lost);
                let Some(next) = again(cause, past, &policy) else { break };
                prop_assert!(next.max_starts >= 1);
                prop_assert!(idempotent || cause != Cause::Lost);
                past = Past { attempt: past.attempt + 1, max_starts: next.max_starts, ..past };
            }
            let most = if idempotent { 10 } else { attempts };
            prop_assert!(starts <= most);
            prop_assert!(idempotent || lost <= 1);
        }
    }
}
