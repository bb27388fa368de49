//! A connection to a server that stands: an `ssh` of ours that is signed in, and over whose socket commands are begun.
//! It must not know which ones.

use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cronium_protocol::host::{HostSpec, HostTrouble, TroubleKind};
use openssh::Session;
use tokio::process::ChildStderr;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ssh::Ssh;
use crate::ssh::config::PlainPath;
use crate::ssh::process::{Group, Leash};
use crate::ssh::route::{Route, ours};
use crate::ssh::trouble::{Ending, trouble};

/// For signing in.
const LIMIT: Duration = Duration::from_secs(20);
/// The socket is there once ssh has signed in, and nothing else tells of it.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A connection that nobody uses for so long is ended.
const IDLE: Duration = Duration::from_mins(1);

/// A connection. Dropped, it is ended with all that runs over it.
#[derive(Debug)]
pub struct Master {
    session: Arc<Session>,
    leash: Leash,
    over: CancellationToken,
    usage: Mutex<Usage>,
    /// Told of places that are free again, and of the end.
    changed: Arc<watch::Sender<()>>,
    _keeping: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Usage {
    places: usize,
    /// Of those, taken by what only waits to be used.
    waiting: usize,
    since: Instant,
}

/// A place on a connection, for one command.
#[derive(Debug)]
pub struct Held {
    master: Arc<Master>,
    waits: bool,
}

impl Master {
    /// Signs in, in at most 20 s. A key that has not been used yet is tried before, for a better answer than a server
    /// would give.
    pub async fn make(
        ssh: Arc<Ssh>,
        host: Arc<HostSpec>,
        is_new: bool,
        changed: Arc<watch::Sender<()>>,
    ) -> Result<Arc<Self>, HostTrouble> {
        let (tell, told) = oneshot::channel();
        let over = CancellationToken::new();
        let keeping = keep(ssh, host, is_new, tell, over.clone(), changed.clone());
        let keeping = AbortOnDropHandle::new(tokio::spawn(keeping));
        let (session, leash) = told
            .await
            .unwrap_or_else(|_| Err(trouble(TroubleKind::Other, "The task of a connection has ended.")))?;
        let usage = Usage {
            places: 0,
            waiting: 0,
            since: Instant::now(),
        };
        Ok(Arc::new(Self {
            session: Arc::new(session),
            leash,
            over,
            usage: Mutex::new(usage),
            changed,
            _keeping: keeping,
        }))
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it at once, with all that runs over it.
    pub fn hang_up(&self) {
        self.leash.kill();
    }

    /// It has ended, or is about to.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub fn places(&self) -> usize {
        self.usage().places
    }

    pub fn is_idle(&self, now: Instant) -> bool {
        let usage = self.usage();
        usage.places == usage.waiting && now >= usage.since + IDLE
    }

    /// A place on it, where so many may be taken.
    pub fn hold(self: &Arc<Self>, most: usize) -> Option<Held> {
        let mut usage = self.usage();
        if usage.places >= most {
            return None;
        }
        usage.places += 1;
        Some(Held {
            master: Arc::clone(self),
            waits: false,
        })
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // At once: its task ends when it is looked at, which may be never.
        self.hang_up();
    }
}

impl Held {
    pub fn master(&self) -> &Arc<Master> {
        &self.master
    }

    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.master.session)
    }

    /// Whether it only waits: a connection that does nothing else is one that nobody uses.
    pub fn wait(&mut self, waits: bool) {
        if self.waits != waits {
            let mut usage = self.master.usage();
            usage.waiting = if waits {
                usage.waiting + 1
            } else {
                usage.waiting.saturating_sub(1)
            };
            usage.since = Instant::now();
            self.waits = waits;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.wait(false);
        let mut usage = self.master.usage();
        usage.places = usage.places.saturating_sub(1);
        usage.since = Instant::now();
        drop(usage);
        self.master.changed.send_replace(());
    }
}

/// Has the files and the process of a connection for as long as it stands.
async fn keep(
    ssh: Arc<Ssh>,
    host: Arc<HostSpec>,
    is_new: bool,
    tell: oneshot::Sender<Result<(Session, Leash), HostTrouble>>,
    over: CancellationToken,
    changed: Arc<watch::Sender<()>>,
) {
    let over = over.drop_guard();
    let mut route = match Route::to(&ssh, &host) {
        Ok(route) => route,
        Err(trouble) => return drop(tell.send(Err(trouble))),
    };
    let (session, mut output, group) = match sign_in(&mut route, is_new).await {
        Ok(signed_in) => signed_in,
        Err(trouble) => return drop(tell.send(Err(trouble))),
    };
    route.stands();
    drop(tell.send(Ok((session, group.leash()))));
    until_its_end(&mut output).await;
    drop(over);
    changed.send_replace(());
    group.end().await;
    let found = route.trouble(Ending::Itself);
    tracing::info!(kind = ?found.kind, told = found.told, "a connection to a server has ended");
}

async fn sign_in(route: &mut Route<'_>, is_new: bool) -> Result<(Session, ChildStderr, Group), HostTrouble> {
    let until = Instant::now() + LIMIT;
    if is_new {
        route.try_keys(until).await?;
    }
    let control = route.control();
    let mut command = route.master();
    let mut group = route.start(command.stderr(Stdio::piped()))?;
    let Some(mut output) = group.stderr() else {
        return Err(ours(std::io::ErrorKind::BrokenPipe.into()));
    };
    let ending = tokio::select! {
        session = answers(&control) => return Ok((session, output, group)),
        () = until_its_end(&mut output) => Ending::Itself,
        () = sleep_until(until) => Ending::OutOfTime,
    };
    group.end().await;
    Err(route.trouble(ending))
}

async fn answers(control: &PlainPath) -> Session {
    loop {
        // Dropped, it leaves the connection to us.
        let session = Session::resume_mux(control.as_path().into(), None);
        if session.check().await.is_ok() {
            return session;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Hardly anything is written there, because there is a log, but its end is that of the process. Its standard output it
/// closes once it has signed in.
async fn until_its_end(output: &mut ChildStderr) {
    let mut nowhere = tokio::io::sink();
    let _ = tokio::io::copy(output, &mut nowhere).await;
}
