//! Asks the server for work: only with free slots, one question at a time, at once when woken, slowly
//! otherwise. It must not know how work is done.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, Assignment, MAX_CLAIM};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::channel::{Link, Session};
use crate::registry::Registry;
use crate::status::Status;

const BUSY_POLL: Duration = Duration::from_secs(1);
const IDLE_POLL: Duration = Duration::from_secs(10);

/// What the claimer works with.
#[derive(Debug)]
pub struct Claimer {
    pub link: Link,
    pub registry: Registry,
    pub capacity: u32,
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
    asked: usize,
    /// In the parts of the answer that have come.
    got: usize,
    at: Instant,
}

impl Claimer {
    /// Claims until dropped. `launch` has registered the execution when it returns.
    pub async fn drive(mut self, mut launch: impl FnMut(Assignment, Arc<Session>)) {
        let mut question: Option<Question> = None;
        let mut next_at = Instant::now();
        let (mut filled, mut woken) = (false, false);
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
            let free = (self.capacity as usize).saturating_sub(self.registry.len());
            let mut wait_until = now + IDLE_POLL;
            if let Some(session) = &session
                && question.is_none()
                && free > 0
                && !*self.paused.borrow()
            {
                if now >= next_at {
                    let ask = AgentToServer::Claim {
                        free_slots: free as u32,
                    };
                    if session.send(ask).await.is_ok() {
                        question = Some(Question {
                            generation: session.generation,
                            asked: free,
                            got: 0,
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
                        q.got += assignments.len();
                    }
                    if let Some(q) = question.take_if(|_| !more) {
                        metrics::histogram!("cronium_orchestrator_claim_seconds").record(q.at.elapsed());
                        filled = q.got >= q.asked.min(MAX_CLAIM as usize);
                        let room = (self.capacity as usize) > self.registry.len() + assignments.len();
                        let pause = match q.got {
                            0 => IDLE_POLL,
                            _ if filled && room => Duration::ZERO,
                            _ => BUSY_POLL,
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
                    if filled {
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
