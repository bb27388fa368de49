//! What ends terminals by itself: rights that are gone, limits, openers and orchestrators that stay away. And what
//! becomes of old recordings. Each of these can be done by many servers side by side, and again at any time.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::kernel::{Op, Result};

use super::limits::{LOOK, LOOSE};
use super::service::Terminals;
use super::store::looks as store;

/// Changes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(100);
/// Terminals that are removed at a time.
const REMOVED: i64 = 100;

impl Terminals {
    /// Looks every five seconds, and as soon as somebody's rights or a server may have changed.
    pub async fn watch_over(self, stop: CancellationToken) {
        let (mut access, mut servers) = (self.kernel.signals.access(), self.kernel.signals.servers());
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
                _ = access.recv() => sleep(GATHER).await,
                _ = servers.recv() => sleep(GATHER).await,
            }
            while access.try_recv().is_ok() || servers.try_recv().is_ok() {}
            if let Err(problem) = self.look().await {
                let problem = problem.private_text();
                tracing::warn!(problem, "terminals could not be looked at; they are again");
            }
        }
    }

    /// Ends those that may not go on. Two statements however many there are, and one where there is none.
    pub async fn look(&self) -> Result<()> {
        let open = store::open(&self.kernel.pool).await?;
        metrics::gauge!("cronium_terminals_open").set(open.len() as f64);
        if open.is_empty() {
            return Ok(());
        }
        let credentials: Vec<Uuid> = open.iter().map(|one| one.credential).collect();
        let allowed = self.identity.still(&credentials).await?;
        let now = self.kernel.now();
        for one in open {
            let allowed = allowed.get(&one.credential).copied();
            let Some(why) = one.standing.over(allowed, now) else {
                continue;
            };
            // None stays because another one can't be ended: they are looked at again.
            if let Err(problem) = self.end(&Op::default(), one.id, None, &why.into()).await {
                let problem = problem.private_text();
                tracing::error!(problem, terminal = %one.id, "a terminal was not ended");
            }
        }
        Ok(())
    }

    /// Removes recordings that are old, and of others what no recording keeps.
    pub async fn tidy(&self) -> Result<()> {
        let now = self.kernel.now();
        let loose = store::drop_loose(&self.kernel.relaxed, now - LOOSE).await?;
        let days = self.settings.load().await?.terminals.recording_days;
        let before = now - TimeDelta::days(days.into());
        let mut removed = 0;
        loop {
            let some = store::drop_old(&self.kernel.relaxed, before, REMOVED).await?;
            removed += some;
            if some < REMOVED.unsigned_abs() {
                break;
            }
        }
        if loose + removed > 0 {
            tracing::info!(terminals = removed, pieces = loose, "old recordings are removed");
        }
        Ok(())
    }
}
