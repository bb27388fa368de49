//! Terminals: shells on servers and in containers, shown to whoever the server lets look. Each is held by a task of its
//! own; what the server says about them is passed on to these. It must not know who looks, nor what is typed.

pub mod container;
mod filter;
mod hold;
pub mod line;
mod pty;
mod server;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::terminal::{About, End, FromTerminal, Place, ToTerminal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::channel::Link;
use crate::executor::Executor;
use crate::registry::Registry;
use crate::ssh::Ssh;
use hold::{Order, hold, tell};
use line::Back;

/// Open at a time.
const MOST: usize = 50;
/// For all of them to end when the orchestrator stops.
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

/// A word about a terminal.
pub type Asked = About<ToTerminal>;

/// What terminals are opened with.
#[derive(Debug)]
pub struct Places<E> {
    pub executor: Arc<E>,
    pub registry: Registry,
    /// None: servers can't be reached from here.
    pub ssh: Option<Arc<Ssh>>,
}

impl<E: Executor> Places<E> {
    async fn shell(&self, place: Place, back: Back) -> End {
        match place {
            Place::Server(order) => match &self.ssh {
                Some(ssh) => server::run(ssh, &order.host, back).await,
                None => failed("This orchestrator does not reach servers; its log says why."),
            },
            Place::Container(claim) => match self.registry.target(claim) {
                Some(target) => self.executor.shell(&target, back).await,
                None => no_container("The run is not there any more."),
            },
        }
    }
}

/// Ends all terminals.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    asked: CancellationToken,
    done: CancellationToken,
}

impl Closing {
    /// Waits until they have ended, and the server is told.
    pub async fn close(&self) {
        self.asked.cancel();
        if timeout(CLOSE_LIMIT, self.done.cancelled()).await.is_err() {
            tracing::warn!("not all terminals have ended in time");
        }
    }
}

/// Holds terminals until they are closed.
pub async fn drive<E: Executor>(
    places: Places<E>,
    link: Link,
    asked: mpsc::UnboundedReceiver<Asked>,
    closing: Closing,
) {
    let places = Arc::new(places);
    let shell = move |place: Place, back: Back| {
        let places = places.clone();
        async move { places.shell(place, back).await }
    };
    run(shell, link, asked, closing).await;
}

async fn run<F>(
    shell: impl Fn(Place, Back) -> F + Clone + Send + 'static,
    link: Link,
    mut asked: mpsc::UnboundedReceiver<Asked>,
    closing: Closing,
) where
    F: Future<Output = End> + Send + 'static,
{
    let free = Arc::new(Semaphore::new(MOST));
    let mut held = HashMap::<Uuid, mpsc::UnboundedSender<ToTerminal>>::new();
    let mut ids = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = closing.asked.cancelled() => break,
            next = asked.recv() => {
                let Some(About { terminal, word }) = next else { break };
                if let Some(words) = held.get(&terminal) {
                    let _ = words.send(word);
                    continue;
                }
                let (place, size) = match word {
                    ToTerminal::Open { place, size } => (place, size),
                    other => {
                        refuse(&link, terminal, not_here(&other)).await;
                        continue;
                    }
                };
                let Ok(permit) = free.clone().try_acquire_owned() else {
                    let told = format!("{MOST} terminals are open on this orchestrator: close one.");
                    refuse(&link, terminal, Some(failed(&told))).await;
                    continue;
                };
                let (words_in, words) = mpsc::unbounded_channel();
                let (link, stop, shell) = (link.clone(), closing.asked.child_token(), shell.clone());
                let order = Order { id: terminal, size, words, link, stop, place: permit };
                let task = tasks.spawn(hold(order, move |back| shell(place, back)));
                ids.insert(task.id(), terminal);
                held.insert(terminal, words_in);
            }
            Some(ended) = tasks.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a terminal's task failed");
                        error.id()
                    }
                };
                if let Some(id) = ids.remove(&task) {
                    held.remove(&id);
                }
            }
        }
    }
    closing.asked.cancel();
    while tasks.join_next().await.is_some() {}
    if let Some(session) = link.session() {
        session.flushed().await;
    }
    closing.done.cancel();
}

/// What there is to say about one that is not here; None: nothing, it is of no use any more.
fn not_here(word: &ToTerminal) -> Option<End> {
    match word {
        ToTerminal::Close => Some(End::Closed),
        ToTerminal::Input { .. } | ToTerminal::GoOn { .. } => {
            Some(failed("The orchestrator was started anew."))
        }
        ToTerminal::Open { .. } | ToTerminal::Resize(_) | ToTerminal::Seen { .. } => None,
    }
}

async fn refuse(link: &Link, terminal: Uuid, end: Option<End>) {
    if let (Some(session), Some(end)) = (link.session(), end) {
        // Where this fails, the server asks again.
        let _ = tell(&session, terminal, FromTerminal::Ended(end)).await;
    }
}

/// For people.
fn failed(told: &str) -> End {
    End::Failed {
        told: told.to_owned(),
    }
}

/// For people.
pub fn no_container(told: &str) -> End {
    End::NoContainer {
        told: told.to_owned(),
    }
}
