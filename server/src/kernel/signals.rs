//! Signals: hints that something changed, for this process and, where there is a relay, for other servers. The
//! rows are the truth, and whoever listens has a slow poll behind it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use uuid::Uuid;

use super::ids::{ExecutionId, JobId, ServerId, TerminalId, UserId};

/// What watchers of jobs hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSignal {
    /// A job was made or changed.
    Changed { job: JobId, created: bool },
    /// Some signals were lost: any job may have changed.
    Missed,
}

impl JobSignal {
    /// Whether this job may have changed.
    pub fn concerns(self, id: JobId) -> bool {
        match self {
            Self::Changed { job, .. } => job == id,
            Self::Missed => true,
        }
    }
}

/// What watchers of servers hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerSignal {
    /// A server was made, changed, checked or removed.
    Changed(ServerId),
    /// Some signals were lost: any server may have changed.
    Missed,
}

impl ServerSignal {
    /// Whether this server may have changed.
    pub fn concerns(self, id: ServerId) -> bool {
        match self {
            Self::Changed(server) => server == id,
            Self::Missed => true,
        }
    }
}

/// What those hear who carry terminals, or show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalSignal {
    /// One is to be opened.
    Wanted,
    /// There is something for the orchestrator that has it: input, a size, room for more, the end.
    Told(TerminalId),
    /// There is something for who watches it: a piece, or the end.
    Shown(TerminalId),
    /// Some signals were lost: any of these.
    Missed,
}

/// Whose credentials may be worth something else now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Of(UserId),
    Everyone,
}

/// What servers tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    Job {
        job: JobId,
        created: bool,
    },
    Cancel(ExecutionId),
    /// Agents are to claim.
    Work,
    /// Agents that reach servers are to take errands.
    Errand,
    /// What came of an errand is known.
    Reported(Uuid),
    /// A server that somebody owns, not one of these that tell each other.
    Server(ServerId),
    /// A terminal is to be opened.
    TerminalWanted,
    /// There is something for the orchestrator that has a terminal, or for who watches it.
    TerminalTold(TerminalId),
    TerminalShown(TerminalId),
    Access(Access),
    /// Somebody reads this log here, or nobody does any more.
    Reads(ExecutionId),
    Unread(ExecutionId),
    /// A block of lines as it is stored.
    Lines(ExecutionId, Bytes),
    /// No more lines will come.
    Ended(ExecutionId),
}

/// The way to other servers. It takes what it has room for and never waits.
pub trait Relay: std::fmt::Debug + Send + Sync {
    fn tell(&self, hint: Hint);

    /// Whether another server reads this log.
    fn is_read(&self, execution: ExecutionId) -> bool;
}

/// Shared by all services of one process.
#[derive(Clone, Debug)]
pub struct Signals {
    jobs: broadcast::Sender<JobSignal>,
    cancels: broadcast::Sender<ExecutionId>,
    access: broadcast::Sender<Access>,
    servers: broadcast::Sender<ServerSignal>,
    reports: broadcast::Sender<Uuid>,
    terminals: broadcast::Sender<TerminalSignal>,
    work: Arc<Notify>,
    happened: Arc<Notify>,
    waits: Arc<Notify>,
    agents: watch::Sender<()>,
    drains: watch::Sender<()>,
    errands: watch::Sender<()>,
    /// None while this server is alone.
    relay: Arc<OnceLock<Arc<dyn Relay>>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            jobs: broadcast::channel(4096).0,
            cancels: broadcast::channel(1024).0,
            access: broadcast::channel(256).0,
            servers: broadcast::channel(1024).0,
            reports: broadcast::channel(256).0,
            terminals: broadcast::channel(1024).0,
            work: Arc::default(),
            happened: Arc::default(),
            waits: Arc::default(),
            agents: watch::Sender::new(()),
            drains: watch::Sender::new(()),
            errands: watch::Sender::new(()),
            relay: Arc::default(),
        }
    }
}

impl Signals {
    /// From now on other servers hear too. The first relay stays.
    pub fn relay_to(&self, relay: Arc<dyn Relay>) {
        drop(self.relay.set(relay));
    }

    pub fn relay(&self) -> Option<&Arc<dyn Relay>> {
        self.relay.get()
    }

    fn tell(&self, hint: Hint) {
        if let Some(relay) = self.relay.get() {
            relay.tell(hint);
        }
    }

    /// To be called after the commit. A signal without listeners is not an error.
    pub fn job_changed(&self, job: JobId, created: bool) {
        self.job_seen(JobSignal::Changed { job, created });
        self.tell(Hint::Job { job, created });
    }

    /// For this process only: every server sees it by itself.
    pub fn job_seen(&self, signal: JobSignal) {
        drop(self.jobs.send(signal));
    }

    pub fn jobs(&self) -> broadcast::Receiver<JobSignal> {
        self.jobs.subscribe()
    }

    /// Whether anybody watches jobs.
    pub fn has_watchers(&self) -> bool {
        self.jobs.receiver_count() > 0
    }

    pub fn cancel_requested(&self, execution: ExecutionId) {
        drop(self.cancels.send(execution));
        self.tell(Hint::Cancel(execution));
    }

    pub fn cancels(&self) -> broadcast::Receiver<ExecutionId> {
        self.cancels.subscribe()
    }

    /// To be called after the commit that ended a session or a token, or changed what somebody may do.
    pub fn access_changed(&self, whose: Access) {
        drop(self.access.send(whose));
        self.tell(Hint::Access(whose));
    }

    pub fn access(&self) -> broadcast::Receiver<Access> {
        self.access.subscribe()
    }

    /// There is queued work.
    pub fn work_queued(&self) {
        self.work.notify_one();
        self.tell(Hint::Work);
    }

    /// Something is in the outbox.
    pub fn outbox_filled(&self) {
        self.happened.notify_one();
    }

    /// Waits until the outbox was written to; one waiter (the reactions).
    pub async fn happened(&self) {
        self.happened.notified().await;
    }

    /// Something was told to wait for a moment.
    pub fn something_waits(&self) {
        self.waits.notify_one();
    }

    /// Waits until something was told to wait; one waiter (what lets it go).
    pub async fn waits(&self) {
        self.waits.notified().await;
    }

    /// Connected agents are to claim.
    pub fn wake_agents(&self) {
        self.agents.send_replace(());
    }

    /// Tells when agents are to claim, also of what was said while nobody waited.
    pub fn agents(&self) -> watch::Receiver<()> {
        self.agents.subscribe()
    }

    /// Some orchestrator is to take no new work, or to take some again. Other servers see it at its next heartbeat.
    pub fn drain_changed(&self) {
        self.drains.send_replace(());
    }

    pub fn drains(&self) -> watch::Receiver<()> {
        self.drains.subscribe()
    }

    /// To be called after the commit that made, changed, checked or removed a server.
    pub fn server_changed(&self, server: ServerId) {
        drop(self.servers.send(ServerSignal::Changed(server)));
        self.tell(Hint::Server(server));
    }

    pub fn servers(&self) -> broadcast::Receiver<ServerSignal> {
        self.servers.subscribe()
    }

    /// There is an errand that nobody has taken.
    pub fn errand_wanted(&self) {
        self.errands.send_replace(());
        self.tell(Hint::Errand);
    }

    /// Tells when there may be errands, also of what was said while nobody waited.
    pub fn errands(&self) -> watch::Receiver<()> {
        self.errands.subscribe()
    }

    /// What came of an errand is stored.
    pub fn errand_reported(&self, id: Uuid) {
        drop(self.reports.send(id));
        self.tell(Hint::Reported(id));
    }

    pub fn reports(&self) -> broadcast::Receiver<Uuid> {
        self.reports.subscribe()
    }

    /// To be called after the commit of a terminal that is to be opened.
    pub fn terminal_wanted(&self) {
        drop(self.terminals.send(TerminalSignal::Wanted));
        self.tell(Hint::TerminalWanted);
    }

    /// To be called after the commit of what the orchestrator of a terminal is to do.
    pub fn terminal_told(&self, terminal: TerminalId) {
        drop(self.terminals.send(TerminalSignal::Told(terminal)));
        self.tell(Hint::TerminalTold(terminal));
    }

    /// To be called after the commit of what a terminal showed, or of its end.
    pub fn terminal_shown(&self, terminal: TerminalId) {
        drop(self.terminals.send(TerminalSignal::Shown(terminal)));
        self.tell(Hint::TerminalShown(terminal));
    }

    pub fn terminals(&self) -> broadcast::Receiver<TerminalSignal> {
        self.terminals.subscribe()
    }

    /// Waits until work was queued; one waiter (the wake-up pusher).
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// What another server told of jobs, work, errands, servers, terminals and credentials; the rest is not for
    /// signals.
    pub fn hear(&self, hint: &Hint) {
        match hint {
            Hint::Job { job, created } => {
                self.job_seen(JobSignal::Changed {
                    job: *job,
                    created: *created,
                });
            }
            Hint::Cancel(execution) => drop(self.cancels.send(*execution)),
            Hint::Work => self.wake_agents(),
            Hint::Errand => {
                self.errands.send_replace(());
            }
            Hint::Reported(id) => drop(self.reports.send(*id)),
            Hint::Server(server) => drop(self.servers.send(ServerSignal::Changed(*server))),
            Hint::TerminalWanted => drop(self.terminals.send(TerminalSignal::Wanted)),
            Hint::TerminalTold(terminal) => drop(self.terminals.send(TerminalSignal::Told(*terminal))),
            Hint::TerminalShown(terminal) => drop(self.terminals.send(TerminalSignal::Shown(*terminal))),
            Hint::Access(whose) => drop(self.access.send(*whose)),
            Hint::Reads(_) | Hint::Unread(_) | Hint::Lines(..) | Hint::Ended(_) => {}
        }
    }

    /// Other servers may have told anything: whoever listens looks at the rows.
    pub fn missed(&self) {
        self.job_seen(JobSignal::Missed);
        drop(self.cancels.send(ExecutionId(Uuid::nil())));
        drop(self.access.send(Access::Everyone));
        drop(self.servers.send(ServerSignal::Missed));
        drop(self.terminals.send(TerminalSignal::Missed));
        self.errands.send_replace(());
        self.wake_agents();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_to_claim_waits_for_those_who_were_busy_and_comes_once() {
        let signals = Signals::default();
        let mut wakes = signals.agents();
        signals.wake_agents();
        signals.wake_agents();
        assert!(wakes.has_changed().unwrap());
        wakes.mark_unchanged();
        assert!(!wakes.has_changed().unwrap());
        drop(signals);
    }

    #[test]
    fn who_missed_something_is_told_whatever_they_watch() {
        let signals = Signals::default();
        let (mut jobs, mut cancels) = (signals.jobs(), signals.cancels());
        let (mut access, wakes) = (signals.access(), signals.agents());
        let (mut servers, errands) = (signals.servers(), signals.errands());
        let mut terminals = signals.terminals();
        signals.missed();
        assert!(jobs.try_recv().unwrap().concerns(JobId(Uuid::from_u128(1))));
        assert!(servers.try_recv().unwrap().concerns(ServerId(Uuid::from_u128(1))));
        assert!(errands.has_changed().unwrap());
        assert_eq!(terminals.try_recv().unwrap(), TerminalSignal::Missed);
        assert!(cancels.try_recv().is_ok());
        assert_eq!(access.try_recv().unwrap(), Access::Everyone);
        assert!(wakes.has_changed().unwrap());
    }
}
