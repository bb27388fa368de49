//! How runs of an event are repeated and how they stand beside each other. Pure.

use std::time::Duration;

pub use cronium_entity::enums::Overlap;
use serde::{Deserialize, Serialize};

use crate::kernel::error::{Checks, UserErrorCode};

const DAY_MS: i64 = 86_400_000;

/// What an end was for: causes that a policy repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryOn {
    Infrastructure,
    Timeout,
    ExitCode,
}

/// When a run is tried again, and after how long. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// With the first one.
    pub attempts: i32,
    pub initial_delay_ms: i64,
    pub max_delay_ms: i64,
    pub factor: f64,
    /// Full jitter: a delay is anything between nothing and its whole length.
    pub jitter: bool,
    pub on: Vec<RetryOn>,
    /// Empty: any but 0.
    pub exit_codes: Vec<i32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            initial_delay_ms: 10_000,
            max_delay_ms: 600_000,
            factor: 2.0,
            jitter: true,
            on: vec![RetryOn::Infrastructure, RetryOn::Timeout, RetryOn::ExitCode],
            exit_codes: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// The longest wait after this attempt (1, 2, 3 …): the initial delay, times the factor for each attempt after the
    /// first, at most the maximum.
    pub fn delay(&self, attempt: i32) -> Duration {
        let grown = self.initial_delay_ms as f64 * self.factor.powi(attempt.saturating_sub(1).max(0));
        // A float that is too large, or not a number, becomes the largest integer or 0.
        let millis = (grown as i64).clamp(0, self.max_delay_ms.max(0));
        Duration::from_millis(millis.unsigned_abs())
    }

    fn check(&self, checks: &mut Checks) {
        use UserErrorCode::{Invalid, Required, TooLong};
        let mut must = |holds: bool, code, field: &str, message: &str| {
            checks.require(holds, code, &format!("retry.{field}"), message);
        };
        let attempts = (1..=10).contains(&self.attempts);
        must(attempts, Invalid, "attempts", "Between 1 and 10 attempts.");
        let initial = (0..=DAY_MS).contains(&self.initial_delay_ms);
        must(
            initial,
            Invalid,
            "initialDelay",
            "A delay is between PT0S and PT24H.",
        );
        let most = (0..=DAY_MS).contains(&self.max_delay_ms);
        must(most, Invalid, "maxDelay", "A delay is between PT0S and PT24H.");
        let ordered = !initial || !most || self.initial_delay_ms <= self.max_delay_ms;
        let message = "The longest delay is not shorter than the first one.";
        must(ordered, Invalid, "maxDelay", message);
        let factor = (1.0..=10.0).contains(&self.factor);
        must(factor, Invalid, "factor", "A factor is between 1 and 10.");
        must(!self.on.is_empty(), Required, "on", "Name what is tried again.");
        let codes = self.on.contains(&RetryOn::ExitCode) || self.exit_codes.is_empty();
        must(codes, Invalid, "exitCodes", "Exit codes need EXIT_CODE in `on`.");
        must(
            self.exit_codes.len() <= 64,
            TooLong,
            "exitCodes",
            "At most 64 exit codes.",
        );
        for (index, code) in self.exit_codes.iter().enumerate().take(64) {
            let field = format!("exitCodes.{index}");
            must(
                (1..=599).contains(code),
                Invalid,
                &field,
                "An exit code that can be tried again is between 1 and 599; from 100 on it is a status that a request was answered with.",
            );
        }
    }
}

/// What a version says of its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub retry: RetryPolicy,
    pub overlap: Overlap,
    /// None: as many as come, or one where the overlap policy is another than ALLOW.
    pub max_concurrent: Option<i32>,
    /// Running it twice does no harm.
    pub idempotent: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            overlap: Overlap::Allow,
            max_concurrent: None,
            idempotent: false,
        }
    }
}

/// So often user code of an idempotent event may start for one job.
const IDEMPOTENT_STARTS: i32 = 10;

impl Policy {
    /// How many runs there may be at a time; None: as many as come.
    pub fn places(&self) -> Option<i32> {
        match (self.max_concurrent, self.overlap) {
            (None, Overlap::Allow) => None,
            (most, _) => Some(most.unwrap_or(1)),
        }
    }

    /// How often user code of one job may start, when contact with a start was lost.
    pub fn max_starts(&self) -> i32 {
        if self.idempotent { IDEMPOTENT_STARTS } else { 1 }
    }

    pub fn check(&self, checks: &mut Checks) {
        self.retry.check(checks);
        let most = self.max_concurrent.is_none_or(|most| (1..=1000).contains(&most));
        let message = "Between 1 and 1,000 runs at a time; null: no limit.";
        checks.require(most, UserErrorCode::Invalid, "maxConcurrent", message);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::Error;

    fn fields(policy: &Policy) -> Vec<String> {
        let mut checks = Checks::default();
        policy.check(&mut checks);
        match checks.done() {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.field.join(".")).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        assert!(fields(&Policy::default()).is_empty());
        let retry = RetryPolicy {
            attempts: 11,
            initial_delay_ms: -1,
            max_delay_ms: DAY_MS + 1,
            factor: f64::NAN,
            jitter: true,
            on: vec![RetryOn::Timeout],
            exit_codes: vec![3, 0, 600],
        };
        let broken = Policy {
            retry: retry.clone(),
            max_concurrent: Some(0),
            ..Policy::default()
        };
        let expected = [
            "retry.attempts",
            "retry.initialDelay",
            "retry.maxDelay",
            "retry.factor",
            "retry.exitCodes",
            "retry.exitCodes.1",
            "retry.exitCodes.2",
            "maxConcurrent",
        ];
        assert_eq!(fields(&broken), expected);
        let crossed = RetryPolicy {
            initial_delay_ms: 2,
            max_delay_ms: 1,
            on: Vec::new(),
            ..RetryPolicy::default()
        };
        let crossed = Policy {
            retry: crossed,
            ..Policy::default()
        };
        assert_eq!(fields(&crossed), ["retry.maxDelay", "retry.on"]);
    }

    #[test]
    fn a_limit_of_one_comes_with_every_overlap_policy_but_allow() {
        let places = |overlap, max_concurrent| {
            Policy {
                overlap,
                max_concurrent,
                ..Policy::default()
            }
            .places()
        };
        assert_eq!(places(Overlap::Allow, None), None);
        assert_eq!(places(Overlap::Allow, Some(3)), Some(3));
        assert_eq!(places(Overlap::Skip, None), Some(1));
        assert_eq!(places(Overlap::Replace, Some(2)), Some(2));
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RetryPolicy {
            max_delay_ms: 60_000,
            ..RetryPolicy::default()
        };
        let seconds: Vec<_> = (1..=5).map(|n| policy.delay(n).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 60, 60]);
    }

    proptest! {
        #[test]
        fn a_delay_never_shrinks_and_never_passes_the_longest(
            initial in 0..=DAY_MS, most in 0..=DAY_MS, factor in 1.0..=10.0_f64, attempt in 1..=1000_i32,
        ) {
            let policy = RetryPolicy { initial_delay_ms: initial, max_delay_ms: most, factor, ..RetryPolicy::default() };
            let delay = policy.delay(attempt);
            prop_assert!(delay <= Duration::from_millis(most.unsigned_abs()));
            prop_assert!(policy.delay(attempt + 1) >= delay);
            prop_assert!(initial > most || attempt > 1 || delay.as_millis() == initial.unsigned_abs().into());
        }

        #[test]
        fn a_policy_is_kept_as_it_is(
            attempts in 1..=10_i32, factor in 1.0..=10.0_f64, jitter: bool, codes in proptest::collection::vec(1..=255_i32, 0..5),
        ) {
            let policy = RetryPolicy { attempts, factor, jitter, exit_codes: codes, ..RetryPolicy::default() };
            let kept: RetryPolicy = serde_json::from_value(serde_json::to_value(&policy).unwrap()).unwrap();
            prop_assert_eq!(kept, policy);
        }
    }
}
