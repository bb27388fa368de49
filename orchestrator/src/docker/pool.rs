//! Containers that wait ahead of jobs, each with its runner listening on attached stdin: taking one costs a message
//! where making one costs hundreds of milliseconds. Each serves one execution. It must not know executions.

mod demand;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cronium_protocol::frame::{self, ToRunner};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::executor::{Attached, Target};
use crate::problem::ExecutorError;
use demand::Demand;

/// Containers are alike when all of this is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    /// The image's id: a name may get another image.
    pub image: String,
    pub memory_bytes: u64,
    pub cpu_millis: u32,
    pub pids: u32,
    pub verify_key: [u8; 32],
}

/// A container whose runner waits.
#[derive(Debug)]
struct Waiting {
    target: Target,
    attached: Attached,
    since: Instant,
    pinged_at: Instant,
    /// Frames that it had said by then; nobody reads them before it is taken.
    frames: usize,
    /// It did not answer.
    silent: bool,
}

/// What the pool asks of Docker.
pub trait Maker: Send + Sync {
    /// Makes a container of this class under this name, and starts its runner.
    fn make(
        &self,
        class: &Class,
        target: &Target,
    ) -> impl Future<Output = Result<Attached, ExecutorError>> + Send;

    fn remove(&self, target: &Target) -> impl Future<Output = Result<(), ExecutorError>> + Send;
}

/// For the look at what is to be done when nobody takes anything.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A runner that hears nothing for 10 min leaves.
const PING_EVERY: Duration = Duration::from_mins(2);
/// Nothing waits for ever: its answers to pings would fill the queue.
const OLDEST: Duration = Duration::from_mins(30);
/// What has just begun has the machine to itself for so long: its first line does not wait for the next container.
const SETTLE: Duration = Duration::from_millis(50);
const MAKE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Class, VecDeque<Waiting>>,
    demand: Demand<Class>,
    /// Of this process: waiting, being made, or taken and not yet cleaned up. A sweep leaves them alone.
    names: HashSet<Target>,
    closed: bool,
}

impl State {
    fn show(&self) {
        let count: usize = self.waiting.values().map(VecDeque::len).sum();
        metrics::gauge!("cronium_orchestrator_containers_ahead").set(count as f64);
    }
}

/// What is to become of those that can't serve any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Stay,
    Go,
}

/// All containers that wait.
#[derive(Debug)]
pub struct Pool {
    /// At a time, over all classes; 0: there is no pool.
    most: usize,
    state: Mutex<State>,
    changed: Notify,
}

impl Waiting {
    /// The runner and the connection to it live, as far as is known.
    fn is_fit(&self, now: Instant) -> bool {
        let connected = !self.attached.input.is_closed() && !self.attached.frames.is_closed();
        connected && !self.silent && now - self.since < OLDEST
    }
}

impl Pool {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waiting container, told whom it serves; None: make one. Either way the pool learns what is wanted, but makes
    /// nothing before `refill`, so that it does not hinder the very start that it is for.
    pub fn take(&self, class: &Class, serves: &str) -> Option<(Target, Attached)> {
        if self.most == 0 {
            return None;
        }
        let now = Instant::now();
        let taken = {
            let mut state = self.lock();
            state.demand.asked(class, now);
            let queue = state.waiting.get_mut(class);
            // Unfit ones stay: the keeper removes them.
            let taken = queue.and_then(|queue| {
                let at = queue.iter().position(|one| one.is_fit(now))?;
                queue.remove(at)
            });
            state.show();
            taken
        };
        let how = if taken.is_some() { "warm" } else { "cold" };
        metrics::counter!("cronium_orchestrator_containers_total", "start" => how).increment(1);
        let Waiting { target, attached, .. } = taken?;
        let target_of = ToRunner::Serve {
            target: serves.to_owned(),
        };
        match frame::encode(&target_of) {
            // A closed input shows as the end of the frames.
            Ok(bytes) => drop(attached.input.send(bytes)),
            Err(error) => tracing::error!(%error, %target, "a frame can't be sent"),
        }
        Some((target, attached))
    }

    /// Now is a good time to make what was taken.
    pub fn refill(&self) {
        self.changed.notify_one();
    }

    /// Names of those that wait.
    pub fn waiting(&self) -> Vec<Target> {
        let state = self.lock();
        state
            .waiting
            .values()
            .flatten()
            .map(|one| one.target.clone())
            .collect()
    }

    /// Whether a container is the pool's or was taken from it.
    pub fn knows(&self, target: &Target) -> bool {
        self.lock().names.contains(target)
    }

    /// What was taken is about to be removed: a sweep may help. False: it was none of these.
    pub fn forget(&self, target: &Target) -> bool {
        self.lock().names.remove(target)
    }

    /// Keeps as many waiting as are wanted, one made at a time so that jobs have the machine.
    pub async fn keep(self: Arc<Self>, maker: impl Maker) {
        if self.most == 0 {
            return;
        }
        loop {
            if timeout(LOOK_EVERY, self.changed.notified()).await.is_ok() {
                sleep(SETTLE).await;
            }
            self.remove_surplus(&maker, Unfit::Go).await;
            if self.lock().closed {
                return;
            }
            self.ping();
            while let Some((class, target)) = self.next() {
                let made = timeout(MAKE_LIMIT, maker.make(&class, &target)).await;
                let failure = match made {
                    Ok(Ok(attached)) => {
                        if let Err(late) = self.put(class, target, attached) {
                            self.dispose(&maker, late).await;
                        }
                        // Another class may want the place by now. What is unfit keeps its own for this round: one
                        // that dies as soon as it is made is made again with the next.
                        self.remove_surplus(&maker, Unfit::Stay).await;
                        continue;
                    }
                    Ok(Err(error)) => Some(error),
                    Err(_) => None,
                };
                let cause = failure.as_ref().and_then(ExecutorError::cause);
                tracing::warn!(cause, "a container can't be made ahead; jobs make their own");
                self.dispose(&maker, target).await;
                // Until it is asked for again: whoever asks makes one too, and sees what is wrong.
                self.lock().demand.forget(&class);
            }
        }
    }

    /// From now on nothing waits: the keeper removes what does, and ends.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// The class that lacks most and the name of its next container.
    fn next(&self) -> Option<(Class, Target)> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let wanted = state.demand.wanted(self.most, Instant::now());
        let lacking = |(class, wanted): (Class, usize)| {
            let there = state.waiting.get(&class).map_or(0, VecDeque::len);
            (there < wanted).then(|| (wanted - there, class))
        };
        let (_, class) = wanted
            .into_iter()
            .filter_map(lacking)
            .max_by_key(|(lack, _)| *lack)?;
        let target = Target::new(format!("cronium-ahead-{}", crate::clock::new_id().as_simple()));
        state.names.insert(target.clone());
        Some((class, target))
    }

    /// Too late after the end.
    fn put(&self, class: Class, target: Target, attached: Attached) -> Result<(), Target> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.closed {
            return Err(target);
        }
        let one = Waiting {
            target,
            attached,
            since: now,
            pinged_at: now,
            frames: 0,
            silent: false,
        };
        state.waiting.entry(class).or_default().push_back(one);
        state.show();
        Ok(())
    }

    async fn remove_surplus(&self, maker: &impl Maker, unfit_ones: Unfit) {
        let surplus: Vec<Target> = {
            let now = Instant::now();
            let mut state = self.lock();
            let most = if state.closed { 0 } else { self.most };
            let wanted: HashMap<_, _> = state.demand.wanted(most, now).into_iter().collect();
            let mut surplus = Vec::new();
            for (class, queue) in &mut state.waiting {
                let wanted = wanted.get(class).copied().unwrap_or(0);
                let (mut fit, mut unfit): (VecDeque<_>, VecDeque<_>) =
                    queue.drain(..).partition(|one| one.is_fit(now));
                if unfit_ones == Unfit::Go {
                    surplus.extend(unfit.drain(..));
                }
                // The oldest ones go first.
                let excess = (fit.len() + unfit.len()).saturating_sub(wanted).min(fit.len());
                surplus.extend(fit.drain(..excess));
                unfit.append(&mut fit);
                *queue = unfit;
            }
            state.waiting.retain(|_, queue| !queue.is_empty());
            state.show();
            surplus.into_iter().map(|one| one.target).collect()
        };
        for target in surplus {
            self.dispose(maker, target).await;
        }
    }

    fn ping(&self) {
        let now = Instant::now();
        let Ok(bytes) = frame::encode(&ToRunner::Ping) else {
            return;
        };
        for one in self.lock().waiting.values_mut().flatten() {
            if now - one.pinged_at >= PING_EVERY {
                // Its hello at first, then an answer each time.
                let frames = one.attached.frames.len();
                one.silent = frames <= one.frames;
                (one.pinged_at, one.frames) = (now, frames);
                let _ = one.attached.input.send(bytes.clone());
            }
        }
    }

    async fn dispose(&self, maker: &impl Maker, target: Target) {
        if let Err(error) = maker.remove(&target).await {
            // Forgotten all the same: the sweep tries again.
            tracing::warn!(%error, cause = error.cause(), %target, "a container made ahead can't be removed yet");
        }
        self.forget(&target);
    }
}
