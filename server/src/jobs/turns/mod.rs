//! Work that waits: for a moment (a later start, another attempt) or for its turn among the runs of its event. Decides
//! when it may be claimed; says nothing of who runs it.
//!
//! A place is given under a lock of the event's turns, which is asked for before any execution is locked. So whoever ends
//! work, which holds executions, gives its place away after its commit, and a look each second stands behind.

mod store;

use std::time::Duration;

use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::events::Policy;
use crate::kernel::ids::JobId;
use crate::kernel::{Kernel, Result, Timestamp};

use super::cancel::{self, Stopped};
use super::model::overlap::{self, Line, Turn};

pub use store::RANK;

/// A look stands behind the signals while something waits for its turn …
const LOOK: Duration = Duration::from_secs(1);
/// … and while nothing does: another server may have died before it let go what it had accepted.
const FAR_LOOK: Duration = Duration::from_secs(10);

/// Gives places and moments to what waits for them.
#[derive(Clone, Debug)]
pub struct Turns {
    kernel: Kernel,
}

/// One more run of an event.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub event: Uuid,
    pub owner: Uuid,
    pub actor: Option<Uuid>,
    pub policy: &'a Policy,
}

/// What an arrival is told, and who gives way to it.
#[derive(Debug, Default)]
pub struct Answer {
    pub held: Option<String>,
    pub skipped: Option<&'static str>,
    /// To be announced after the commit.
    pub stopped: Stopped,
}

impl Turns {
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel }
    }

    /// Decides about a run that is about to be accepted in this transaction. Until it ends nobody else decides about the
    /// same event.
    pub async fn arrive(&self, tx: &DatabaseTransaction, arrival: &Arrival<'_>) -> Result<Answer> {
        store::lock(tx, arrival.event).await?;
        self.decide(tx, arrival, None).await
    }

    /// `job` is the arrival itself where it is stored already, so that it is locked with those who give way.
    async fn decide(
        &self,
        tx: &DatabaseTransaction,
        arrival: &Arrival<'_>,
        job: Option<Uuid>,
    ) -> Result<Answer> {
        let active = store::active(tx, arrival.event, arrival.owner).await?;
        let waiting = store::in_line(tx, arrival.event).await?;
        let line = Line {
            active: active.len(),
            stopping: active.iter().filter(|job| job.stopping).count(),
            waiting: waiting.len(),
        };
        let policy = arrival.policy;
        let wait = || Answer {
            held: Some(overlap::waits(policy)),
            ..Answer::default()
        };
        Ok(match overlap::turn(policy, line) {
            Turn::Go => Answer::default(),
            Turn::Wait => wait(),
            Turn::Skip => Answer {
                skipped: Some(overlap::skipped(policy)),
                ..Answer::default()
            },
            Turn::Replace { stop } => {
                let oldest = active.iter().filter(|job| !job.stopping).take(stop);
                let out = waiting.iter().map(|one| one.job).chain(oldest.map(|job| job.id));
                let stopped = cancel::stop(
                    &self.kernel,
                    tx,
                    out.collect(),
                    arrival.actor,
                    Some(overlap::REPLACED),
                    job,
                )
                .await?;
                let left = store::active(tx, arrival.event, arrival.owner).await?.len();
                let free = overlap::released(left, &[policy.places()]) == 1;
                let answer = if free { Answer::default() } else { wait() };
                Answer { stopped, ..answer }
            }
        })
    }

    /// Gives the free places of these events to whoever waits for them. After the commit that freed them; a failure is
    /// no failure of that: the look behind does it again.
    pub async fn release(&self, events: Vec<Uuid>) {
        if events.is_empty() {
            return;
        }
        if let Err(problem) = self.try_release(events).await {
            tracing::warn!(
                problem = problem.private_text(),
                "waiting work was not released; it is tried again"
            );
        }
    }

    async fn try_release(&self, events: Vec<Uuid>) -> Result<()> {
        for event in store::with_a_line(&self.kernel, events).await? {
            self.move_up(event).await?;
        }
        Ok(())
    }

    async fn move_up(&self, event: Uuid) -> Result<()> {
        loop {
            let tx = self.kernel.db.begin().await?;
            store::lock(&tx, event).await?;
            let waiting = store::in_line(&tx, event).await?;
            let Some(first) = waiting.first() else {
                return Ok(());
            };
            let active = store::active(&tx, event, first.owner).await?.len();
            let places: Vec<_> = waiting.iter().map(|one| one.policy().places()).collect();
            let free = overlap::released(active, &places);
            if free == 0 {
                return Ok(());
            }
            let chosen = waiting.iter().take(free).map(|one| one.job).collect();
            let jobs = store::give_places(&tx, chosen).await?;
            tx.commit().await?;
            self.went(&jobs);
            // Somebody cancelled one of them meanwhile, or there may be more: the next one moves up.
            if jobs.len() == free && waiting.len() < store::BATCH as usize {
                return Ok(());
            }
        }
    }

    fn went(&self, jobs: &[Uuid]) {
        for job in jobs {
            self.kernel.signals.job_changed(JobId(*job), false);
        }
        if !jobs.is_empty() {
            self.kernel.signals.work_queued();
        }
    }

    /// Lets go what is due, and decides about the turns of what was to start later. Gives how many jobs moved.
    pub async fn release_due(&self) -> Result<usize> {
        let now = self.kernel.now();
        let mut moved = 0;
        loop {
            let mut jobs = store::let_go(&self.kernel, now).await?;
            let more = jobs.len() == store::BATCH as usize;
            jobs.sort_unstable();
            jobs.dedup();
            self.went(&jobs);
            moved += jobs.len();
            if !more {
                break;
            }
        }
        for event in store::due_turns(&self.kernel, now).await? {
            moved += self.arrive_late(event, now).await?;
        }
        Ok(moved)
    }

    /// Runs that were to start later arrive now, one after the other.
    async fn arrive_late(&self, event: Uuid, now: Timestamp) -> Result<usize> {
        let mut moved = 0;
        loop {
            let tx = self.kernel.db.begin().await?;
            store::lock(&tx, event).await?;
            let Some(one) = store::due(&tx, event, now).await? else {
                return Ok(moved);
            };
            let policy = one.policy();
            let arrival = Arrival {
                event,
                owner: one.owner,
                actor: one.actor,
                policy: &policy,
            };
            let Answer {
                held,
                skipped,
                stopped,
            } = self.decide(&tx, &arrival, Some(one.job)).await?;
            let (jobs, goes) = match (skipped, held) {
                (Some(reason), _) => (store::skip(&tx, one.job, reason, now).await?, false),
                (None, Some(reason)) => (store::put_in_line(&tx, one.job, reason).await?, false),
                (None, None) => (store::give_places(&tx, vec![one.job]).await?, true),
            };
            tx.commit().await?;
            moved += jobs.len();
            cancel::announce(&self.kernel, &stopped);
            if goes {
                self.went(&jobs);
            } else {
                for job in jobs {
                    self.kernel.signals.job_changed(JobId(job), false);
                }
                self.kernel.signals.outbox_filled();
            }
        }
    }

    /// Everything at once: idempotent, for the timer and the start. Gives the next moment that something waits for, and
    /// whether anything waits for its turn.
    pub async fn look(&self) -> Result<(Option<Timestamp>, bool)> {
        let (next, line) = store::ahead(&self.kernel).await?;
        if line {
            for event in store::lines(&self.kernel).await? {
                self.move_up(event).await?;
            }
        }
        if next.is_some_and(|at| at <= self.kernel.now()) {
            self.release_due().await?;
            return store::ahead(&self.kernel).await;
        }
        Ok((next, line))
    }

    /// Looks until the token is cancelled: when something is due, when somebody says that something will be, and now
    /// and then.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let look = match self.look().await {
                Ok((next, line)) => {
                    let until = next.map(|at| (at - self.kernel.now()).to_std().unwrap_or_default());
                    let look = if line { LOOK } else { FAR_LOOK };
                    until.map_or(look, |until| until.min(look))
                }
                Err(problem) => {
                    tracing::warn!(
                        problem = problem.private_text(),
                        "waiting work was not looked at; it is tried again"
                    );
                    LOOK
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.kernel.signals.waits() => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }
}
