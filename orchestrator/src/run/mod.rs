//! One task per execution: feeds the machine with what happens and does what it says.
//! It must not know what kind of environment the executor makes.

mod block;
mod damage;
pub mod machine;
pub mod reason;

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, Assignment, Claim, OutcomeKind, Phase};
use cronium_protocol::frame::{self, FrameError, FromRunner, ToRunner};
use cronium_protocol::manifest::Manifest;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::channel::{Link, Session};
use crate::clock::{self, Now};
use crate::executor::{Attached, Executor, Order, Prepared, Target};
use crate::problem::{ExecutorError, Problem};
use crate::registry::Slot;
use crate::state::{RunRecord, StateDir};
use damage::{Damage, Remedy};
use machine::{Action, Facts, Input, Machine, Origin};

const PREPARE_LIMIT: Duration = Duration::from_mins(5);
/// A run whose engine does not answer has other things to do than to wait for a better connection.
const REPLACE_LIMIT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(250);
/// Of grace, when a manifest can't be read: the runner will refuse it anyway.
const DEFAULT_GRACE_MS: u64 = 10_000;
const KILLED: i32 = 9;

/// What every execution's task works with.
#[derive(Debug)]
pub struct Context<E> {
    pub executor: Arc<E>,
    pub state: StateDir,
    pub link: Link,
}

impl<E> Clone for Context<E> {
    fn clone(&self) -> Self {
        Self {
            executor: self.executor.clone(),
            state: self.state.clone(),
            link: self.link.clone(),
        }
    }
}

/// Runs a claimed execution to its end.
pub async fn fresh<E: Executor>(
    context: Context<E>,
    mut slot: Slot,
    assignment: Assignment,
    session: Arc<Session>,
) {
    let claimed = clock::now();
    let claim = assignment.claim;
    let target = context.executor.target(claim, assignment.host.as_ref());
    let record = RunRecord {
        claim,
        job_id: assignment.job_id,
        timeout_ms: assignment.timeout_ms,
        grace_ms: grace_ms(&assignment.manifest),
        memory_bytes: assignment.container.memory_bytes,
        image_digest: None,
        setup_at_us: Some(claimed.us),
        started_at_us: None,
        host: None,
    };
    // Told again with every new connection.
    let _ = session.send(setup_phase(claim, claimed.us)).await;
    let order = Order {
        claim,
        job_id: assignment.job_id,
        spec: assignment.container,
        http: assignment.http,
        host: assignment.host,
        verify_key: session.verify_key,
    };
    let payload = ToRunner::Payload {
        manifest: assignment.manifest,
        signature: assignment.signature,
        archive: assignment.archive,
    };
    let machine = Machine::new(
        facts(&record, &session),
        Origin::Fresh(Box::new(payload)),
        claimed,
    );
    let executor = context.executor.clone();
    let mut drive = Drive::new(context, target, record, machine, session, claimed);
    match drive.prepare(&mut slot, executor.prepare(&order)).await {
        Ok(attached) => drive.run(&mut slot, Some(attached)).await,
        Err(error) => {
            if !drive.machine.is_ending() {
                tracing::warn!(%error, cause = error.cause(), execution = %claim.execution_id, "setup failed");
            }
            let reason = reason::unprepared(&error, claim.execution_id);
            drive.feed(Input::Unprepared(reason)).await;
            drive.run(&mut slot, None).await;
        }
    }
    drive.clean_up().await;
}

/// Goes on with an execution that an earlier life left running.
pub async fn adopted<E: Executor>(
    context: Context<E>,
    mut slot: Slot,
    target: Target,
    record: RunRecord,
    origin: Origin,
    session: Arc<Session>,
) {
    let now = clock::now();
    context.state.keep(target.name(), &record).await;
    let machine = Machine::new(facts(&record, &session), origin, now);
    let mut drive = Drive::new(context, target, record, machine, session, now);
    let attached = drive.reattach().await;
    drive.run(&mut slot, attached).await;
    drive.clean_up().await;
}

fn facts(record: &RunRecord, session: &Session) -> Facts {
    Facts {
        claim: record.claim,
        timeout: Duration::from_millis(record.timeout_ms),
        grace: Duration::from_millis(record.grace_ms),
        memory_bytes: record.memory_bytes,
        image_digest: record.image_digest.clone(),
        setup_at_us: record.setup_at_us,
        started_at_us: record.started_at_us,
        lease: session.lease,
        takes_back: session.takes_back,
    }
}

/// Read without verifying: it only decides how long to wait before a kill.
fn grace_ms(manifest: &[u8]) -> u64 {
    rmp_serde::from_slice::<Manifest>(manifest).map_or(DEFAULT_GRACE_MS, |m| m.grace_ms)
}

fn setup_phase(claim: Claim, at_us: i64) -> AgentToServer {
    AgentToServer::Phase {
        claim,
        phase: Phase::Setup,
        at_us,
    }
}

struct Drive<E> {
    context: Context<E>,
    target: Target,
    record: RunRecord,
    machine: Machine,
    /// The connection whose order the machine relies on: a newer one counts from `Input::Up` on.
    session: Arc<Session>,
    attached: Option<Attached>,
    /// Nothing comes over the connection to the runner.
    unheard: bool,
    damage: Damage,
    /// Why it could not be killed where it is, because that can't be reached.
    unkilled: Option<String>,
    /// The trouble that was warned of last: it may come again four times a second.
    warned: Option<ExecutorError>,
    begun: Now,
    over: bool,
}

impl<E: Executor> Drive<E> {
    fn new(
        context: Context<E>,
        target: Target,
        record: RunRecord,
        machine: Machine,
        session: Arc<Session>,
        begun: Now,
    ) -> Self {
        Self {
            context,
            target,
            record,
            machine,
            session,
            attached: None,
            unheard: false,
            damage: Damage::default(),
            unkilled: None,
            warned: None,
            begun,
            over: false,
        }
    }

    /// Prepares and starts; gives up at once when the execution is cancelled or its lease is lost.
    async fn prepare(
        &mut self,
        slot: &mut Slot,
        preparing: impl Future<Output = Result<Prepared, ExecutorError>>,
    ) -> Result<Attached, ExecutorError> {
        let mut preparing = std::pin::pin!(timeout(PREPARE_LIMIT, preparing));
        let prepared = loop {
            tokio::select! {
                mail = slot.inbox.recv() => {
                    if let Some(mail) = mail {
                        self.feed(Input::Mail(mail)).await;
                    }
                    if self.machine.is_ending() {
                        return Err(Problem::Unwanted.into());
                    }
                }
                done = &mut preparing => match done {
                    Ok(prepared) => break prepared?,
                    Err(_) => return Err(Problem::TooSlow.into()),
                },
            }
        };
        self.target = prepared.target;
        slot.is_in(&self.target);
        self.record.image_digest.clone_from(&prepared.image_digest);
        self.record.host = prepared.on_server;
        // Once, before the start: what is not started is not adopted, and the runner itself tells the rest.
        let outlives = self.context.executor.outlives(&self.target);
        let kept = !outlives || self.context.state.keep(self.target.name(), &self.record).await;
        if !kept && (prepared.attached.is_some() || self.record.host.is_some()) {
            // Nothing else would lead a successor to it.
            return Err(Problem::NoRecord.into());
        }
        self.machine.prepared(prepared.image_digest);
        match prepared.attached {
            Some(attached) => Ok(attached),
            None => self.context.executor.start(&self.target).await,
        }
    }

    async fn run(&mut self, slot: &mut Slot, attached: Option<Attached>) {
        self.attached = attached;
        let opening = self.machine.begin();
        self.act(opening).await;
        let mut link = self.context.link.clone();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.over {
            if let Some(session) = link.session()
                && session.generation != self.session.generation
            {
                let takes_back = session.takes_back;
                self.session = session;
                self.feed(Input::Up { takes_back }).await;
                continue;
            }
            if let Some(why) = self.unkilled.take() {
                self.feed(Input::NotKilled(why)).await;
                continue;
            }
            if self.attached.is_none() && !self.machine.is_runner_gone() {
                while let Ok(mail) = slot.inbox.try_recv() {
                    self.feed(Input::Mail(mail)).await;
                }
                self.examine().await;
                continue;
            }
            if std::mem::take(&mut self.unheard) {
                self.replace().await;
                continue;
            }
            let frames = self.attached.as_mut().map(|a| &mut a.frames);
            tokio::select! {
                biased;
                mail = slot.inbox.recv() => match mail {
                    Some(mail) => self.feed(Input::Mail(mail)).await,
                    None => self.over = true,
                },
                _ = link.changed() => {}
                _ = ticks.tick() => self.feed(Input::Tick).await,
                frame = next(frames) => match frame {
                    Some(Ok(frame)) => {
                        self.damage.ends();
                        let frame = self.look_closer(frame).await;
                        self.feed(Input::Frame(frame)).await;
                    }
                    Some(Err(error)) => self.remedy(&error).await,
                    None => self.examine().await,
                },
            }
        }
    }

    /// A frame could not be read.
    async fn remedy(&mut self, error: &FrameError) {
        match self.damage.goes_on(error) {
            Remedy::Wait => {}
            Remedy::Ask => {
                tracing::warn!(%error, target = %self.target, "the runner's frame can't be read");
                self.feed(Input::Gap).await;
            }
            Remedy::Leave => {
                tracing::warn!(%error, target = %self.target, "no frame of the runner can be read: attaching anew");
                // After a moment: it may go on like this.
                self.attached = None;
                self.wait_a_tick().await;
            }
        }
    }

    async fn feed(&mut self, input: Input) {
        let actions = self.machine.on(input, clock::now());
        self.act(actions).await;
    }

    async fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Runner(message) => self.tell_runner(&message),
                Action::Server(AgentToServer::Call { id, .. }) if !self.session.runtime => {
                    self.tell_runner(&machine::unanswered(id));
                }
                // The machine repeats everything that counts when the channel is back.
                Action::Server(message) => {
                    if let AgentToServer::Finish { outcome, .. } = &message {
                        tracing::info!(target = %self.target, kind = ?outcome.kind, reason = outcome.reason, "ended");
                    }
                    let _ = self.session.send(message).await;
                }
                Action::Reattach => self.unheard = true,
                Action::Started => {
                    self.context.executor.begun();
                    let latency = self.begun.at.elapsed();
                    metrics::histogram!("cronium_orchestrator_start_seconds").record(latency);
                }
                Action::Kill => {
                    if let Err(error) = self.context.executor.kill(&self.target).await {
                        let cause = error.cause();
                        tracing::warn!(%error, cause, target = %self.target, "kill failed; it is tried again");
                        self.unkilled = out_of_reach(&error);
                    }
                }
                Action::Done(kind) => {
                    metrics::counter!("cronium_orchestrator_executions_total", "outcome" => outcome_label(kind))
                        .increment(1);
                    self.over = true;
                }
                Action::Abandon => {
                    tracing::info!(target = %self.target, "the lease is over: cleaning up");
                    self.over = true;
                }
            }
        }
    }

    fn tell_runner(&self, message: &ToRunner) {
        let Some(attached) = &self.attached else { return };
        match frame::encode(message) {
            // A closed input shows as the end of the frames, which is looked into.
            Ok(bytes) => drop(attached.input.send(bytes)),
            Err(error) => tracing::error!(%error, target = %self.target, "a frame can't be sent"),
        }
    }

    /// A killed script may have met its memory limit: the environment knows when the runner doesn't.
    async fn look_closer(&self, mut frame: FromRunner) -> FromRunner {
        if let FromRunner::Exit { report, .. } = &mut frame
            && !report.out_of_memory
            && (report.signal == Some(KILLED) || report.code == Some(128 + KILLED))
            && let Ok(autopsy) = self.context.executor.inspect(&self.target).await
        {
            report.out_of_memory = autopsy.out_of_memory;
        }
        frame
    }

    /// The connection to the runner ended: it is made again, or the runner is gone.
    async fn examine(&mut self) {
        let stderr = self.attached.take().map(|a| a.stderr.text()).unwrap_or_default();
        match self.context.executor.inspect(&self.target).await {
            Ok(autopsy) if autopsy.running => {
                self.attached = self.reattach().await;
                if self.attached.is_some() {
                    self.feed(Input::Gap).await;
                } else {
                    self.wait_a_tick().await;
                }
            }
            Ok(autopsy) => self.feed(Input::Gone { autopsy, stderr }).await,
            Err(error) => {
                // Not knowing is not the same as gone: looked at again after a moment.
                if let Some(why) = out_of_reach(&error) {
                    self.feed(Input::OutOfReach(why)).await;
                }
                self.warn(error, "the environment can't be inspected");
                self.wait_a_tick().await;
            }
        }
    }

    /// Makes the connection to a silent runner anew, and keeps the old one until there is another.
    async fn replace(&mut self) {
        // A run that can't be attached to anew ends with its connection.
        if self.attached.is_none() || !self.context.executor.outlives(&self.target) {
            return;
        }
        tracing::warn!(target = %self.target, "the runner does not answer: attaching anew");
        if let Ok(Some(attached)) = timeout(REPLACE_LIMIT, self.reattach()).await {
            self.attached = Some(attached);
            self.feed(Input::Gap).await;
        }
    }

    /// Deadlines count while there is no connection to the runner, too.
    async fn wait_a_tick(&mut self) {
        sleep(TICK).await;
        self.feed(Input::Tick).await;
    }

    /// Attaches to a running runner; a zero byte first, so that half a frame of before is done with.
    async fn reattach(&mut self) -> Option<Attached> {
        match self.context.executor.attach(&self.target).await {
            Ok(attached) => {
                self.warned = None;
                drop(attached.input.send(vec![0]));
                Some(attached)
            }
            Err(error) => {
                self.warn(error, "can't attach to the runner");
                None
            }
        }
    }

    fn warn(&mut self, error: ExecutorError, what: &str) {
        if self.warned.as_ref() != Some(&error) {
            tracing::warn!(%error, cause = error.cause(), target = %self.target, "{what}");
            self.warned = Some(error);
        }
    }

    async fn clean_up(&mut self) {
        self.attached = None;
        let begun = Instant::now();
        while let Err(error) = self.context.executor.clean_up(&self.target).await {
            tracing::warn!(%error, cause = error.cause(), target = %self.target, "clean-up failed; it is tried again");
            if begun.elapsed() > Duration::from_secs(30) {
                // The sweep takes it from here.
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.context.state.forget(self.target.name()).await;
    }
}

/// Why the place where a runner is can't be reached, though it may go on there.
fn out_of_reach(error: &ExecutorError) -> Option<String> {
    matches!(error.problem(), Problem::Server(_)).then(|| error.to_string())
}

/// Waits for ever when there is no runner to listen to.
async fn next<T>(frames: Option<&mut tokio::sync::mpsc::Receiver<T>>) -> Option<T> {
    match frames {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}

fn outcome_label(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Succeeded => "succeeded",
        OutcomeKind::Failed => "failed",
        OutcomeKind::TimedOut => "timed_out",
        OutcomeKind::Cancelled => "cancelled",
        OutcomeKind::Lost => "lost",
        OutcomeKind::NotStarted => "not_started",
    }
}
