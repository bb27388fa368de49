//! Asks the server for work: only with free slots, one question at a time, at once when woken, slowly
//! otherwise. It must not know how work is done.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, Assignment, MAX_CLAIM};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::channel::{Link, Session};
use crate::registry::{Load, Registry};
use crate::status::Status;

const BUSY_POLL: Duration = Duration::from_secs(1);
const IDLE_POLL: Duration = Duration::from_secs(10);

/// What the claimer works with.
#[derive(Debug)]
pub struct Claimer {
    pub link: Link,
    pub registry: Registry,
    pub capacity: Load,
    pub wake: Arc<Notify>,
    /// Answers of the server.
    pub claimed: mpsc::UnboundedReceiver<Claimed>,
    /// True: take no new work.
    pub paused: watch::Receiver<bool>,
    pub status: Arc<Status>,
}

/// A part of the server's answer.
#[derive(Debug)]
pub struct Claimed {
    pub assignments: Vec<Assignment>,
    /// It goes on.
    pub more: bool,
}

#[derive(Debug)]
struct Question {
    generation: u64,
    asked: Load,
    /// In the parts of the answer that have come.
    got: Load,
    at: Instant,
}

impl Question {
    /// Where it got all that it asked for, there may be more; the other places are none.
    fn filled(&self, places: Load) -> Load {
        let of = |asked: usize, got: usize, places| {
            if got > 0 && got >= asked.min(MAX_CLAIM as usize) {
                places
            } else {
                0
            }
        };
        Load {
            here: of(self.asked.here, self.got.here, places.here),
            on_servers: of(self.asked.on_servers, self.got.on_servers, places.on_servers),
        }
    }
}

impl Claimer {
    /// Claims until dropped. `launch` has registered the execution when it returns.
    pub async fn drive(mut self, mut launch: impl FnMut(Assignment, Arc<Session>)) {
        let mut question: Option<Question> = None;
        let mut next_at = Instant::now();
        let (mut filled, mut woken) = (Load::default(), false);
        loop {
            self.status.beat();
            let session = self.link.session();
            let now = Instant::now();
            if let Some(q) = &question {
                // While the connection lives the answer comes: asked again, it would come twice.
                if session.as_ref().is_none_or(|s| s.generation != q.generation) {
                    question = None;
                    next_at = now;
                }
            }
            let free = self.capacity.left(self.registry.load());
            let mut wait_until = now + IDLE_POLL;
            if let Some(session) = &session
                && question.is_none()
                && free != Load::default()
                && !*self.paused.borrow()
            {
                if now >= next_at {
                    let ask = AgentToServer::Claim {
                        free_slots: free.here as u32,
                        on_servers: free.on_servers as u32,
                    };
                    if session.send(ask).await.is_ok() {
                        question = Some(Question {
                            generation: session.generation,
                            asked: free,
                            got: Load::default(),
                            at: now,
                        });
                        next_at = now + IDLE_POLL;
                    }
                } else {
                    wait_until = next_at;
                }
            }
            tokio::select! {
                answer = self.claimed.recv() => {
                    let Some(Claimed { assignments, more }) = answer else { return };
                    if let Some(q) = &mut question {
                        let on_servers = assignments.iter().filter(|one| one.host.is_some()).count();
                        q.got.on_servers += on_servers;
                        q.got.here += assignments.len() - on_servers;
                    }
                    if let Some(q) = question.take_if(|_| !more) {
                        metrics::histogram!("cronium_orchestrator_claim_seconds").record(q.at.elapsed());
                        let all = q.filled(q.asked);
                        // An answer says nothing of places that were not asked for.
                        if q.asked.here > 0 {
                            filled.here = all.here;
                        }
                        if q.asked.on_servers > 0 {
                            filled.on_servers = all.on_servers;
                        }
                        let pause = if q.got == Load::default() {
                            IDLE_POLL
                        } else if q.filled(q.asked.left(q.got)) != Load::default() {
                            Duration::ZERO
                        } else {
                            BUSY_POLL
                        };
                        next_at = Instant::now() + if std::mem::take(&mut woken) { Duration::ZERO } else { pause };
                    }
                    if let Some(session) = &session {
                        for assignment in assignments {
                            launch(assignment, session.clone());
                        }
                    }
                }
                () = self.wake.notified() => {
                    // An answer under way may have been made before the work came: ask again after it.
                    woken = question.is_some();
                    next_at = Instant::now();
                }
                () = self.registry.freed() => {
                    if filled != Load::default() {
                        next_at = Instant::now();
                    }
                }
                _ = self.link.changed() => next_at = Instant::now(),
                changed = self.paused.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    next_at = Instant::now();
                }
                () = sleep_until(wait_until) => {}
            }
        }
    }
}
