//! The only place that asks the system for time, for fresh identifiers and for secrets.
//! It must not know what they are used for.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use tokio::time::Instant;
use uuid::Uuid;

/// One moment on both clocks: deadlines use the steady one, reports the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub at: Instant,
    /// Microseconds since the Unix epoch.
    pub us: i64,
}

/// The present moment.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the clock that others ask"
)]
pub fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        at: Instant::now(),
        us: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
    }
}

/// A fresh identifier, for an orchestrator that starts for the first time.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the source that others ask"
)]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Bits that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    rand::rng().random()
}
