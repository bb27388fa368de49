//! How runs of an event are repeated and stand beside each other, in the API.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::kernel::scalars::Duration;

use super::policy::{Overlap, RetryOn as RetryOnValue, RetryPolicy as Policy};

/// What becomes of a run when as many others of its event as may be have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Overlap")]
pub enum OverlapPolicy {
    /// It is SKIPPED.
    Skip,
    /// It waits, unless one waits already: then it is SKIPPED.
    QueueOne,
    /// It runs beside them, or waits for its turn where the number is limited.
    Allow,
    /// It takes the place of the oldest, which is cancelled, and of those that wait.
    Replace,
}

/// What can be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "RetryOnValue")]
pub enum RetryOn {
    /// The script could not be started: no image, no disk, no interpreter, no orchestrator that stays.
    Infrastructure,
    /// It ran longer than its timeout.
    Timeout,
    /// It ended with an exit code other than 0; by a signal: 128 and the signal's number.
    ExitCode,
}

/// When a run is tried again.
#[derive(Debug, Clone, PartialEq, SimpleObject)]
pub struct RetryPolicy {
    /// With the first one; 1: never again.
    attempts: i32,
    /// The wait after the first attempt.
    initial_delay: Duration,
    /// The longest wait.
    max_delay: Duration,
    /// Each wait is so many times the one before.
    factor: f64,
    /// Whether a wait is a random part of its length, so that what failed together does not come back together.
    jitter: bool,
    /// What is tried again. A run that was lost after its start is so only where the event is idempotent.
    on: Vec<RetryOn>,
    /// Exit codes that are tried again; none: every one but 0.
    exit_codes: Vec<i32>,
}

impl From<Policy> for RetryPolicy {
    fn from(p: Policy) -> Self {
        Self {
            attempts: p.attempts,
            initial_delay: Duration(p.initial_delay_ms),
            max_delay: Duration(p.max_delay_ms),
            factor: p.factor,
            jitter: p.jitter,
            on: p.on.into_iter().map(Into::into).collect(),
            exit_codes: p.exit_codes,
        }
    }
}

/// When a run is tried again; what is absent takes its default.
#[derive(Debug, Clone, Default, InputObject)]
pub struct RetryPolicyInput {
    /// With the first one, 1 to 10; 1 by default.
    pub attempts: Option<i32>,
    /// The wait after the first attempt, PT0S to PT24H; PT10S by default.
    pub initial_delay: Option<Duration>,
    /// The longest wait, at most PT24H; PT10M by default.
    pub max_delay: Option<Duration>,
    /// Each wait is so many times the one before, 1 to 10; 2 by default.
    pub factor: Option<f64>,
    /// Whether a wait is a random part of its length; true by default.
    pub jitter: Option<bool>,
    /// What is tried again; everything by default.
    pub on: Option<Vec<RetryOn>>,
    /// Exit codes that are tried again, 1 to 255, or the status of a request's answer, 100 to 599; none: every one but 0.
    #[graphql(default)]
    pub exit_codes: Vec<i32>,
}

impl From<RetryPolicyInput> for Policy {
    fn from(i: RetryPolicyInput) -> Self {
        let default = Self::default();
        Self {
            attempts: i.attempts.unwrap_or(default.attempts),
            initial_delay_ms: i.initial_delay.map_or(default.initial_delay_ms, |d| d.0),
            max_delay_ms: i.max_delay.map_or(default.max_delay_ms, |d| d.0),
            factor: i.factor.unwrap_or(default.factor),
            jitter: i.jitter.unwrap_or(default.jitter),
            on: i
                .on
                .map_or(default.on, |on| on.into_iter().map(Into::into).collect()),
            exit_codes: i.exit_codes,
        }
    }
}
