//! A server as runs use it: some connections, made when they are needed, and the runner there. It must not know runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cronium_protocol::host::{HostSpec, TroubleKind};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::ahead::Ahead;
use super::answer::Answer;
use super::begun::{Begun, NotBegun, Unanswered, begin};
use super::breaker::Breaker;
use super::ground::{self, Ground};
use super::master::{Held, Master};
use super::names;
use super::runners::Runners;
use crate::executor::Attached;
use crate::problem::{ExecutorError, Problem, ServerProblem};
use crate::ssh::Ssh;
use crate::ssh::trouble::trouble;

/// Commands at a time over one connection: `sshd` allows ten (`MaxSessions`), and takes a moment to forget one.
const MOST: usize = 8;
const MOST_MASTERS: usize = 16;
const MAX_ANSWER: usize = 4096;
/// Places that one who waits for the next run leaves to others.
const LEFT_FREE: usize = 2;
const BEGIN_AHEAD: Duration = Duration::from_secs(15);
/// What is there is looked at again over a connection that is made later than that.
const LOOK_AGAIN: Duration = Duration::from_hours(1);
/// A server that was used is remembered for so long: whoever met it is about to use it.
const REMEMBERED: Duration = Duration::from_mins(15);
/// What programs end with where the one that they were to start is not there, or is none.
const NOT_THERE: [i32; 2] = [126, 127];

/// What all servers are used with.
#[derive(Debug)]
pub struct Means {
    /// None: it is not installed.
    pub ssh: Option<Arc<Ssh>>,
    pub runners: Runners,
    pub orchestrator: Uuid,
    /// Told what is in the directory of runs whenever somebody has looked.
    pub left: mpsc::UnboundedSender<Left>,
}

/// Directories that were found on a server.
#[derive(Debug)]
pub struct Left {
    pub server: Uuid,
    pub names: Vec<String>,
}

/// How long something may take: to have a connection, and then to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub connect: Duration,
    pub answer: Duration,
}

/// A server with one way to sign in there.
#[derive(Debug)]
pub struct Server {
    id: Uuid,
    host: Arc<HostSpec>,
    means: Arc<Means>,
    lines: Mutex<Lines>,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct Lines {
    masters: Vec<Arc<Master>>,
    /// Known while there is a connection: behind the next one there may be a machine that was set up anew.
    ground: Option<Arc<Ground>>,
    /// Where it stays, it is tried first behind the next connection; and when it was looked at.
    last_ground: Option<(Arc<Ground>, Instant)>,
    ahead: Ahead,
    /// With what is known of how to sign in.
    has_signed_in: bool,
    breaker: Breaker<ExecutorError>,
    /// Places on one connection.
    most: usize,
    making: Option<AbortOnDropHandle<()>>,
    met_at: Instant,
}

type Made = Result<New, ExecutorError>;

/// A connection that was made.
struct New {
    master: Arc<Master>,
    ground: Arc<Ground>,
    has_looked: bool,
}

/// What a connection is made from.
struct Known {
    ground: Option<Arc<Ground>>,
    has_signed_in: bool,
}

impl Server {
    pub fn new(id: Uuid, host: HostSpec, means: Arc<Means>) -> Arc<Self> {
        Arc::new(Self {
            id,
            host: Arc::new(host),
            means,
            lines: Mutex::new(Lines {
                masters: Vec::new(),
                ground: None,
                last_ground: None,
                ahead: Ahead::default(),
                has_signed_in: false,
                breaker: Breaker::default(),
                most: MOST,
                making: None,
                met_at: Instant::now(),
            }),
            changed: Arc::new(watch::Sender::new(())),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_at(&self, host: &HostSpec) -> bool {
        *self.host == *host
    }

    /// Somebody is about to use it.
    pub fn meet(&self) {
        self.lock().met_at = Instant::now();
    }

    /// Ends connections that nobody uses. False: nobody has used it for long.
    pub fn tidy(&self) -> bool {
        let now = Instant::now();
        let mut lines = self.lock();
        lines.masters.retain(|master| !master.is_idle(now));
        lines.bury();
        !lines.masters.is_empty() || lines.making.is_some() || now < lines.met_at + REMEMBERED
    }

    /// Ends all connections at once.
    pub fn hang_up(&self) {
        self.lock().masters.iter().for_each(|master| master.hang_up());
    }

    /// Where runs are there, once somebody has looked and the runner is there.
    pub async fn ground(self: &Arc<Self>, patience: Duration) -> Result<Arc<Ground>, ExecutorError> {
        let (_held, ground) = self.hold(patience).await?;
        Ok(ground)
    }

    /// When a connection may be made again, while the server is left alone; None: now.
    pub fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.lock().breaker.opens_at(now)
    }

    /// Starts a runner there with these words, by one that waits for them if there is one, as a channel to it; it is
    /// told the token.
    pub async fn start(
        self: &Arc<Self>,
        words: &str,
        token: &[u8],
        patience: Patience,
    ) -> Result<Attached, ExecutorError> {
        let waiting = self.lock().take_waiting();
        if let Some(waiting) = waiting {
            let master = Arc::clone(waiting.master());
            let input = [words.as_bytes(), b"\n", token].concat();
            match waiting.greeted(&input, Instant::now() + patience.answer).await {
                Ok(greeted) => return Ok(self.channel(greeted)),
                // It was ended while it waited, or says why it can't: so will another one.
                Err(Unanswered::Ended { .. }) if !master.is_over() => {}
                Err(unanswered) => return Err(self.lost(&master, unanswered)),
            }
        }
        self.open(words, token, patience).await
    }

    /// Starts the runner there with these words, as a channel to one that is told the token.
    pub async fn open(
        self: &Arc<Self>,
        words: &str,
        token: &[u8],
        patience: Patience,
    ) -> Result<Attached, ExecutorError> {
        let greeted = self.run(words, token, patience).await?;
        Ok(self.channel(greeted))
    }

    fn channel(self: &Arc<Self>, (begun, first): (Begun, Vec<u8>)) -> Attached {
        begun.into_channel(first, Next(Arc::downgrade(self)))
    }

    /// Starts the runner there with these words; its answer.
    pub async fn ask(self: &Arc<Self>, words: &str, patience: Patience) -> Result<Answer, ExecutorError> {
        let (begun, first) = self.run(words, &[], patience).await?;
        let until = Instant::now() + patience.answer;
        let said = timeout_at(until, begun.rest(first, MAX_ANSWER)).await;
        Answer::read(&said.map_err(|_| ServerProblem::NoAnswer)?)
    }

    async fn run(
        self: &Arc<Self>,
        words: &str,
        input: &[u8],
        patience: Patience,
    ) -> Result<(Begun, Vec<u8>), ExecutorError> {
        let mut again = true;
        loop {
            let (held, ground) = self.hold(patience.connect).await?;
            let until = Instant::now() + patience.answer;
            let master = Arc::clone(held.master());
            let begun = match begin(held, &ground.command(words), until).await {
                Ok(begun) => begun,
                Err(NotBegun::Refused) if self.lock().ahead.give_up() => continue,
                Err(NotBegun::Refused) if self.is_full(&master) => continue,
                // It may not have forgotten what has ended yet: once more, over a connection of its own.
                Err(NotBegun::Refused) if std::mem::take(&mut again) => {
                    self.retire(&master);
                    continue;
                }
                Err(NotBegun::Refused) => return Err(trouble(TroubleKind::NoSession, "").into()),
                // It was about to end when it was chosen.
                Err(NotBegun::Broken(_)) if std::mem::take(&mut again) => {
                    self.retire(&master);
                    continue;
                }
                Err(NotBegun::Broken(cause)) => {
                    self.retire(&master);
                    return Err(ExecutorError::new(Problem::Server(ServerProblem::Cut), cause));
                }
            };
            match begun.greeted(input, until).await {
                Ok(greeted) => return Ok(greeted),
                // Somebody has removed it.
                Err(Unanswered::Ended { code: Some(code), .. })
                    if NOT_THERE.contains(&code) && std::mem::take(&mut again) =>
                {
                    self.lock().forget_ground();
                }
                Err(unanswered) => return Err(self.lost(&master, unanswered)),
            }
        }
    }

    fn lost(&self, master: &Arc<Master>, unanswered: Unanswered) -> ExecutorError {
        if matches!(unanswered, Unanswered::OutOfTime) {
            // It may stand and carry nothing.
            self.retire(master);
        }
        unanswered.into()
    }

    /// Has a runner wait there for the next run, if there is room for one.
    fn have_one_wait(self: &Arc<Self>) {
        let mut lines = self.lock();
        lines.bury();
        let Some(ground) = lines.ground.clone().filter(|_| lines.ahead.is_wanted()) else {
            return;
        };
        let most = lines.most.saturating_sub(LEFT_FREE);
        let Some(mut held) = lines.masters.iter().find_map(|master| master.hold(most)) else {
            return;
        };
        held.wait(true);
        let (server, master) = (Arc::downgrade(self), Arc::clone(held.master()));
        let beginning = tokio::spawn(async move {
            let begun = begin(held, &ground.command("ahead"), Instant::now() + BEGIN_AHEAD).await;
            if let Some(server) = server.upgrade() {
                server.lock().ahead.begun(begun);
            }
        });
        lines.ahead = Ahead::Begins(master, AbortOnDropHandle::new(beginning));
    }

    /// A place on a connection. One is made where there is none, and goes on being made when nobody waits any more.
    async fn hold(self: &Arc<Self>, patience: Duration) -> Result<(Held, Arc<Ground>), ExecutorError> {
        let until = Instant::now() + patience;
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = self.look()? {
                return Ok(found);
            }
            if timeout_at(until, changed.changed()).await.is_err() {
                return Err(self.lock().why_not());
            }
        }
    }

    fn look(self: &Arc<Self>) -> Result<Option<(Held, Arc<Ground>)>, ExecutorError> {
        let mut lines = self.lock();
        lines.bury();
        if let Some(ground) = &lines.ground
            && let Some(held) = lines.masters.iter().find_map(|master| master.hold(lines.most))
        {
            return Ok(Some((held, Arc::clone(ground))));
        }
        if lines.making.is_none() && lines.masters.len() < MOST_MASTERS {
            if let Some(why) = lines.breaker.refusal(Instant::now()) {
                return Err(why);
            }
            lines.making = Some(self.make(lines.known()));
        }
        Ok(None)
    }

    fn make(self: &Arc<Self>, known: Known) -> AbortOnDropHandle<()> {
        let (server, changed) = (Arc::downgrade(self), Arc::clone(&self.changed));
        let (id, host, means) = (self.id, Arc::clone(&self.host), Arc::clone(&self.means));
        AbortOnDropHandle::new(tokio::spawn(async move {
            let made = make(id, host, &means, known, changed).await;
            // A server that nobody knows any more needs no connection.
            if let Some(server) = server.upgrade() {
                server.made(made);
            }
        }))
    }

    fn made(&self, made: Made) {
        let outcome = if made.is_ok() { "made" } else { "failed" };
        metrics::counter!("cronium_orchestrator_ssh_connections_total", "outcome" => outcome).increment(1);
        let mut lines = self.lock();
        if let Some(making) = lines.making.take() {
            // It is the task that runs this.
            drop(making.detach());
        }
        match made {
            Ok(New {
                master,
                ground,
                has_looked,
            }) => {
                lines.breaker.succeeded();
                lines.masters.push(master);
                if has_looked {
                    lines.last_ground = Some((Arc::clone(&ground), Instant::now()));
                }
                lines.ground = Some(ground);
                lines.has_signed_in = true;
            }
            Err(error) => {
                tracing::warn!(server = %self.id, %error, cause = error.cause(), "a server can't be used");
                lines.breaker.failed(error, Instant::now());
            }
        }
        drop(lines);
        self.changed.send_replace(());
    }

    /// Whether other commands run on a connection: then the server takes fewer on one than it was asked for.
    fn is_full(&self, master: &Arc<Master>) -> bool {
        let others = master.places();
        if others > 0 {
            let mut lines = self.lock();
            lines.most = fewer(lines.most, others);
        }
        others > 0
    }

    /// Nobody else is given a place on it; whoever has one keeps it as long as that goes well.
    fn retire(&self, master: &Arc<Master>) {
        let mut lines = self.lock();
        lines.masters.retain(|other| !Arc::ptr_eq(other, master));
        lines.bury();
    }
}

/// Has a runner wait for the next run when one has ended: while that goes on, it would only be in its way.
#[derive(Debug)]
pub struct Next(Weak<Server>);

impl Drop for Next {
    fn drop(&mut self) {
        // Whoever drops it may be a runtime that ends.
        if let (Some(server), Ok(_)) = (self.0.upgrade(), Handle::try_current()) {
            server.have_one_wait();
        }
    }
}

impl Lines {
    fn bury(&mut self) {
        self.masters.retain(|master| !master.is_over());
        if self.masters.is_empty() {
            self.ground = None;
            self.most = MOST;
        }
        self.ahead.keep_on(&self.masters);
    }

    fn take_waiting(&mut self) -> Option<Begun> {
        self.bury();
        self.ahead.take()
    }

    fn forget_ground(&mut self) {
        (self.ground, self.last_ground) = (None, None);
    }

    fn known(&self) -> Known {
        let last = self.last_ground.as_ref();
        let last = last.filter(|(ground, looked)| ground.stays() && looked.elapsed() < LOOK_AGAIN);
        Known {
            ground: self
                .ground
                .clone()
                .or_else(|| last.map(|(ground, _)| Arc::clone(ground))),
            has_signed_in: self.has_signed_in,
        }
    }

    fn why_not(&self) -> ExecutorError {
        if self.making.is_none() && self.masters.len() >= MOST_MASTERS {
            return ServerProblem::Full.into();
        }
        self.breaker.last().unwrap_or_else(|| ServerProblem::Slow.into())
    }
}

/// Places on a connection after a refusal there, beside so many others. One less at a time: what has just ended may not
/// be forgotten yet, and counts as if it were there.
fn fewer(most: usize, others: usize) -> usize {
    most.saturating_sub(1).max(others).min(most)
}

async fn make(
    id: Uuid,
    host: Arc<HostSpec>,
    means: &Means,
    known: Known,
    changed: Arc<watch::Sender<()>>,
) -> Made {
    let ssh = means.ssh.clone().ok_or(ServerProblem::NoSsh)?;
    let master = Master::make(ssh, host, !known.has_signed_in, changed).await?;
    if let Some(ground) = known.ground {
        return Ok(New {
            master,
            ground,
            has_looked: false,
        });
    }
    let owner = names::owner(means.orchestrator, id);
    let (ground, names) = ground::find(&master, &means.runners, &owner).await?;
    if !names.is_empty() {
        // Nobody is there who would end them when the orchestrator itself ends.
        let _ = means.left.send(Left { server: id, names });
    }
    Ok(New {
        master,
        ground: Arc::new(ground),
        has_looked: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_takes_one_place_and_none_that_is_held() {
        assert_eq!(fewer(8, 2), 7);
        assert_eq!(fewer(3, 2), 2);
        assert_eq!(fewer(2, 2), 2);
        assert_eq!(fewer(2, 5), 2);
        assert_eq!(fewer(1, 1), 1);
    }
}
