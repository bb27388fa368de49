//! Checks that nobody asks for: wanted when their time has come, given up when nobody takes them, forgotten when they are
//! old. Each of these can be done by many servers side by side, and again at any time.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::ServerTrouble;

use crate::kernel::ids::ServerId;
use crate::kernel::{Kernel, Result, Timestamp};

use super::errands::Errands;
use super::model::Trouble;
use super::store::errands as store;

/// How often it is looked whose check is due.
pub const LOOK: Duration = Duration::from_secs(5);
/// Servers whose checks are wanted together.
const TOGETHER: i64 = 500;
/// A check that nobody takes for so long has found that nobody does.
const UNTAKEN: Duration = Duration::from_secs(60);
/// Checks that are given up in one look.
const GIVEN_UP: i64 = 500;
/// Checks are kept for so long, and dropped so many at a time.
const KEPT: TimeDelta = TimeDelta::days(7);
const DROPPED: i64 = 10_000;

/// When a server with so many seconds between its checks comes next: a little earlier or later, so that those that were
/// made together do not stay together. None: never by itself.
pub fn next_check(kernel: &Kernel, interval_secs: i32) -> Option<Timestamp> {
    let interval = u64::try_from(interval_secs).ok().filter(|secs| *secs > 0)?;
    let interval = Duration::from_secs(interval);
    let wait = interval.mul_f64(0.9) + kernel.entropy.up_to(interval.mul_f64(0.2));
    Some(kernel.now() + TimeDelta::milliseconds(wait.as_millis() as i64))
}

impl Errands {
    /// Wants the checks that are due; gives how many.
    pub async fn want_due(&self) -> Result<usize> {
        let mut wanted = 0;
        loop {
            let next = |interval| next_check(&self.kernel, interval);
            let some = store::want_due(&self.kernel, self.kernel.now(), TOGETHER, next).await?;
            if some == 0 {
                return Ok(wanted);
            }
            wanted += some;
            self.kernel.signals.errand_wanted();
        }
    }

    /// Gives up checks that nobody takes, which is what they have found, and forgets what nobody waits for.
    pub async fn sweep(&self) -> Result<()> {
        store::forget_old(&self.kernel.pool).await?;
        for (id, server) in store::left(&self.kernel.pool, UNTAKEN.as_secs_f64(), GIVEN_UP).await? {
            let trouble = Trouble::of(ServerTrouble::NoOrchestrator);
            self.conclude(id, ServerId(server), None, Err(trouble)).await?;
        }
        Ok(())
    }

    /// Forgets old checks, but for the last one of each server.
    pub async fn tidy(&self) -> Result<()> {
        let before = self.kernel.now() - KEPT;
        while store::drop_checks(&self.kernel.pool, before, DROPPED).await? == DROPPED as u64 {}
        Ok(())
    }
}
