//! Runs executions on servers, each by a runner that is detached from the connection over which it was started. What a
//! user gives goes to it in frames alone. It must not know the agent channel or what a payload holds.

mod ahead;
mod answer;
mod begun;
mod breaker;
mod ground;
mod keeper;
mod master;
mod names;
mod noise;
mod runners;
mod server;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cronium_protocol::agent::{Claim, HostOrder};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Ssh;
use crate::clock;
use crate::docker::serves;
use crate::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Target};
use crate::hex::hex;
use crate::on_server::{OnServer, Token};
use crate::problem::{ExecutorError, Problem, ServerProblem};
use crate::state::StateDir;
use answer::Answer;
use ground::Ground;
use server::{Means, Patience, Server};

pub use runners::Runners;

/// Longest text about a trouble, in characters.
const MAX_WORDS: usize = 200;
/// With sign-in, a look around, and a runner over a slow line.
const PREPARE: Duration = Duration::from_mins(3);
/// Whoever is to be run there waits so long at most for a server that is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(10);
const START: Patience = Patience {
    connect: Duration::from_secs(20),
    answer: Duration::from_secs(15),
};
/// For what is tried again all the time, while its run has other things to do than to wait.
const QUICK: Patience = Patience {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(4),
};
/// The runner takes up to 10 s itself.
const KILL: Patience = Patience {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(12),
};
const CLEAN_UP: Patience = Patience {
    connect: Duration::from_secs(10),
    ..KILL
};
/// A runner that hears nothing for 10 min stops itself, and then there is nothing left to end.
const ITS_OWN_END: Duration = Duration::from_mins(15);

/// The executor for all servers.
#[derive(Debug)]
pub struct SshExecutor {
    inner: Arc<Inner>,
    _keeper: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Inner {
    means: Arc<Means>,
    state: StateDir,
    servers: Mutex<HashMap<Uuid, Arc<Server>>>,
    runs: Mutex<HashMap<Target, Run>>,
}

/// A run that this process has to do with.
#[derive(Debug, Clone)]
struct Run {
    on: OnServer,
    /// What the runner is started with; None: it was, in an earlier life.
    start: Option<String>,
    /// Since when it could not be cleaned up.
    unclean_since: Option<Instant>,
}

impl SshExecutor {
    /// Without `ssh`, no server can be reached, and what it is asked for fails with that.
    pub fn new(ssh: Option<Arc<Ssh>>, state: StateDir, runners: Runners) -> Self {
        let (left, found) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            means: Arc::new(Means {
                ssh,
                runners,
                orchestrator: state.orchestrator_id(),
                left,
            }),
            state,
            servers: Mutex::default(),
            runs: Mutex::default(),
        });
        let keeper = tokio::spawn(keeper::keep(Arc::clone(&inner), found));
        Self {
            inner,
            _keeper: AbortOnDropHandle::new(keeper),
        }
    }

    /// Whether this is the name of a run on a server.
    pub fn owns(target: &Target) -> bool {
        names::owns(target.name())
    }
}

impl Inner {
    fn servers(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Server>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<Target, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server as it is to be reached now. With another way to sign in it is another one: whatever runs over the
    /// connections of before keeps them.
    fn meet(&self, order: &HostOrder) -> Arc<Server> {
        let mut servers = self.servers();
        if let Some(known) = servers.get(&order.server_id)
            && known.is_at(&order.host)
        {
            known.meet();
            return Arc::clone(known);
        }
        let server = Server::new(order.server_id, (*order.host).clone(), Arc::clone(&self.means));
        servers.insert(order.server_id, Arc::clone(&server));
        server
    }

    fn run(&self, target: &Target) -> Result<(Run, Arc<Server>), ExecutorError> {
        let run = self.runs().get(target).cloned();
        let run = run.ok_or(ServerProblem::Unknown)?;
        let server = self.servers().get(&run.on.server_id).cloned();
        Ok((run, server.ok_or(ServerProblem::Unknown)?))
    }

    /// Whether a run that can't be cleaned up has had the time to end by itself.
    fn has_ended_itself(&self, target: &Target) -> bool {
        let mut runs = self.runs();
        let Some(run) = runs.get_mut(target) else {
            return true;
        };
        let since = *run.unclean_since.get_or_insert_with(Instant::now);
        since.elapsed() >= ITS_OWN_END
    }

    fn forget(&self, target: &Target) {
        self.runs().remove(target);
    }
}

/// One connection that fails does so for all that wait for it: each of them is there for the next attempt, too.
async fn reach(server: &Arc<Server>) -> Result<Arc<Ground>, ExecutorError> {
    let until = Instant::now() + PREPARE;
    let error = match server.ground(PREPARE).await {
        Ok(ground) => return Ok(ground),
        Err(error) => error,
    };
    let now = Instant::now();
    match server.opens_at(now) {
        Some(at) if at <= now + LEFT_ALONE => {
            sleep_until(at).await;
            server.ground(until.saturating_duration_since(at)).await
        }
        _ => Err(error),
    }
}

async fn end(server: &Arc<Server>, on: &OnServer, patience: Patience) -> Result<(), ExecutorError> {
    match server.ask(&format!("kill --dir {}", on.dir), patience).await? {
        Answer::Gone => Ok(()),
        Answer::Running => Err(ServerProblem::Runner("it still runs".into()).into()),
    }
}

impl Executor for SshExecutor {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        let Some(host) = &order.host else {
            return Err(ServerProblem::Unknown.into());
        };
        let target = self.target(order.claim, Some(host));
        let ground = reach(&self.inner.meet(host)).await?;
        let on = OnServer {
            server_id: host.server_id,
            token: Token::new(clock::random()),
            dir: ground.run(order.claim),
        };
        let (key, serves) = (hex(&order.verify_key), serves(order.claim));
        let run = Run {
            on: on.clone(),
            start: Some(format!("--verify-key {key} --target {serves}")),
            unclean_since: None,
        };
        // Before there is a directory: what is found on the server and is not here belongs to nobody.
        self.inner.runs().insert(target.clone(), run);
        Ok(Prepared {
            target,
            image_digest: None,
            attached: None,
            on_server: Some(on),
        })
    }

    fn target(&self, claim: Claim, host: Option<&HostOrder>) -> Target {
        names::target(host.map(|host| host.server_id).unwrap_or_default(), claim)
    }

    fn meet(&self, host: &HostOrder) {
        self.inner.meet(host);
    }

    async fn start(&self, target: &Target) -> Result<Attached, ExecutorError> {
        let (run, server) = self.inner.run(target)?;
        let start = run.start.ok_or(ServerProblem::Unknown)?;
        let words = format!("open --dir {} {start}", run.on.dir);
        server.start(&words, run.on.token.reveal(), START).await
    }

    async fn attach(&self, target: &Target) -> Result<Attached, ExecutorError> {
        let (run, server) = self.inner.run(target)?;
        let words = format!("attach --dir {}", run.on.dir);
        let attached = server.open(&words, run.on.token.reveal(), QUICK).await?;
        metrics::counter!("cronium_orchestrator_ssh_attached_again_total").increment(1);
        Ok(attached)
    }

    async fn kill(&self, target: &Target) -> Result<(), ExecutorError> {
        if !self.inner.runs().contains_key(target) {
            return Ok(());
        }
        let (run, server) = self.inner.run(target)?;
        end(&server, &run.on, KILL).await
    }

    fn begun(&self) {}

    async fn inspect(&self, target: &Target) -> Result<Autopsy, ExecutorError> {
        let (run, server) = self.inner.run(target)?;
        let answer = server.ask(&format!("look --dir {}", run.on.dir), QUICK).await?;
        Ok(Autopsy {
            running: answer == Answer::Running,
            ..Autopsy::default()
        })
    }

    async fn clean_up(&self, target: &Target) -> Result<(), ExecutorError> {
        // Of what is not known there is nothing to end; where the way there is not known any more, it ends by itself.
        if let Ok((run, server)) = self.inner.run(target)
            && let Err(error) = end(&server, &run.on, CLEAN_UP).await
        {
            if !self.inner.has_ended_itself(target) {
                return Err(error);
            }
            tracing::info!(%target, %error, "a run that can't be reached has ended by itself by now");
        }
        self.inner.forget(target);
        Ok(())
    }

    /// Those that there is a record of, and those without one that this process knows: directories that are neither are
    /// looked for when a server is used.
    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        let unreadable = |error: std::io::Error| ExecutorError::new(Problem::NoRecord, error.to_string());
        let mut found = Vec::new();
        for (name, _) in self.inner.state.records().await.map_err(unreadable)? {
            let target = Target::new(name);
            if !Self::owns(&target) {
                continue;
            }
            if !self.inner.runs().contains_key(&target) {
                let record = self.inner.state.recall(target.name()).await.map_err(unreadable)?;
                if let Some(on) = record.and_then(|record| record.host) {
                    let run = Run {
                        on,
                        start: None,
                        unclean_since: None,
                    };
                    self.inner.runs().entry(target.clone()).or_insert(run);
                }
            }
            found.push(Found {
                target,
                run: None,
                whole: true,
            });
        }
        let recorded: HashSet<_> = found.iter().map(|found| found.target.clone()).collect();
        let runs = self.inner.runs();
        let others = runs.keys().filter(|target| !recorded.contains(*target));
        found.extend(others.map(|target| Found {
            target: target.clone(),
            run: None,
            whole: false,
        }));
        drop(runs);
        Ok(found)
    }

    async fn close(&self) {}

    fn leave(&self) {
        self.inner.servers().values().for_each(|server| server.hang_up());
    }
}
