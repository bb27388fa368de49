//! Does what the server asks an orchestrator to find out, some at once and the others after them. An answer that nobody
//! is there for is dropped: the server asks again. It must not know what there is to find out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::AgentToServer;
use cronium_protocol::host::{Errand, Report};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::Ssh;
use crate::channel::Link;

/// Errands under way.
const AT_ONCE: usize = 8;
/// The server gives an errand to somebody else after 90 s; one takes up to 20 s.
const STALE: Duration = Duration::from_secs(60);

/// An errand with its number.
pub type Asked = (Uuid, Errand);

/// Runs errands until nobody can ask any more; those under way end with it.
pub async fn drive(ssh: Arc<Ssh>, link: Link, asked: mpsc::UnboundedReceiver<Asked>) {
    let find_out = move |errand: Errand| {
        let ssh = ssh.clone();
        async move { ssh.report(&errand).await }
    };
    let tell = move |id: Uuid, report: Report| {
        let session = link.session();
        async move {
            if let Some(session) = session {
                let _ = session.send(AgentToServer::Reported { id, report }).await;
            }
        }
    };
    run(find_out, tell, asked).await;
}

async fn run<F, T>(
    find_out: impl Fn(Errand) -> F + Clone + Send + Sync + 'static,
    tell: impl Fn(Uuid, Report) -> T + Clone + Send + Sync + 'static,
    mut asked: mpsc::UnboundedReceiver<Asked>,
) where
    F: Future<Output = Report> + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = HashMap::<_, Uuid>::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            next = asked.recv() => {
                let Some((id, errand)) = next else { return };
                // Asked again by a server that has lost the connection, or by another one.
                if running.values().any(|known| *known == id) {
                    continue;
                }
                let (find_out, tell, places, at) = (find_out.clone(), tell.clone(), places.clone(), Instant::now());
                let task = tasks.spawn(async move {
                    let Ok(place) = places.acquire().await else { return };
                    if at.elapsed() > STALE {
                        tracing::debug!(%id, "an errand has waited for too long");
                        return;
                    }
                    let report = find_out(errand).await;
                    drop(place);
                    if let Report::Trouble(trouble) = &report {
                        tracing::debug!(%id, kind = ?trouble.kind, "an errand found trouble");
                    }
                    tell(id, report).await;
                });
                running.insert(task.id(), id);
            }
            Some(ended) = tasks.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "an errand's task failed");
                        error.id()
                    }
                };
                running.remove(&task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use tokio::time::timeout;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::clock;

    /// Errands that end when they are told to.
    struct World {
        ask: mpsc::UnboundedSender<Asked>,
        told: mpsc::UnboundedReceiver<Uuid>,
        begun: Arc<AtomicUsize>,
        go_on: Arc<Notify>,
        _running: AbortOnDropHandle<()>,
    }

    fn errand() -> Errand {
        Errand::HostKeys {
            address: "db".parse().unwrap(),
            jump: None,
        }
    }

    fn world() -> World {
        let (ask, asked) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let (begun, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, notify) = (begun.clone(), go_on.clone());
        let find_out = move |_: Errand| {
            let (count, notify) = (count.clone(), notify.clone());
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                notify.notified().await;
                Report::HostKeys {
                    keys: Vec::new(),
                    latency_us: 0,
                }
            }
        };
        let tell = move |id: Uuid, _: Report| {
            tell.send(id).unwrap();
            std::future::ready(())
        };
        let running = AbortOnDropHandle::new(tokio::spawn(run(find_out, tell, asked)));
        World {
            ask,
            told,
            begun,
            go_on,
            _running: running,
        }
    }

    impl World {
        fn ask(&self, id: Uuid) {
            self.ask.send((id, errand())).unwrap();
        }

        async fn until_begun(&self, n: usize) {
            let begun = async {
                while self.begun.load(Ordering::SeqCst) < n {
                    tokio::task::yield_now().await;
                }
            };
            begun.await;
            assert_eq!(self.begun.load(Ordering::SeqCst), n);
        }

        async fn told(&mut self) -> Uuid {
            timeout(Duration::from_secs(5), self.told.recv())
                .await
                .unwrap()
                .unwrap()
        }
    }

    #[tokio::test]
    async fn eight_are_under_way_and_the_others_follow() {
        let mut world = world();
        for _ in 0..=AT_ONCE {
            world.ask(clock::new_id());
        }
        world.until_begun(AT_ONCE).await;
        world.go_on.notify_one();
        world.told().await;
        world.until_begun(AT_ONCE + 1).await;
    }

    #[tokio::test]
    async fn one_that_comes_twice_is_run_once_while_it_runs() {
        let mut world = world();
        let (id, other) = (clock::new_id(), clock::new_id());
        for id in [id, id, other] {
            world.ask(id);
        }
        world.until_begun(2).await;
        for _ in 0..2 {
            world.go_on.notify_one();
        }
        let mut told = [world.told().await, world.told().await];
        told.sort_unstable();
        let mut all = [id, other];
        all.sort_unstable();
        assert_eq!(told, all);
        // Once it is answered, it is a new one: its answer may be lost.
        let ended = async {
            while world.begun.load(Ordering::SeqCst) < 3 {
                world.ask(id);
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), ended).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_waited_for_too_long_is_somebody_elses() {
        let mut world = world();
        for _ in 0..AT_ONCE {
            world.ask(clock::new_id());
        }
        world.until_begun(AT_ONCE).await;
        world.ask(clock::new_id());
        // It is taken before the time goes on.
        tokio::task::yield_now().await;
        tokio::time::advance(STALE + Duration::from_secs(1)).await;
        world.go_on.notify_waiters();
        for _ in 0..AT_ONCE {
            world.told().await;
        }
        // The one after it is run, and it is not: there is one more that has begun, and it is this one.
        let last = clock::new_id();
        world.ask(last);
        world.until_begun(AT_ONCE + 1).await;
        world.go_on.notify_waiters();
        assert_eq!(world.told().await, last);
    }
}
