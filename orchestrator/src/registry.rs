//! Who runs here: one entry per live execution, with the inbox that its task reads.
//! It must not know what those tasks do with a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cronium_protocol::agent::Claim;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::executor::Target;

/// What the server or the lease keeper says to one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    Grant {
        granted: bool,
    },
    LogAck {
        seq: u64,
    },
    FinishAck,
    Cancel,
    /// The lease was extended.
    Renewed,
    /// To a runtime call; unread.
    Reply {
        id: Uuid,
        reply: Vec<u8>,
    },
    /// The lease ended: stop and clean up.
    Lost,
}

#[derive(Debug)]
struct Entry {
    inbox: mpsc::UnboundedSender<Mail>,
    target: Target,
    on_server: bool,
}

/// How many run where, or have a place there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub here: usize,
    pub on_servers: usize,
}

impl Load {
    /// Of so many places, those that are free.
    pub fn left(self, taken: Self) -> Self {
        Self {
            here: self.here.saturating_sub(taken.here),
            on_servers: self.on_servers.saturating_sub(taken.on_servers),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<HashMap<Claim, Entry>>,
    freed: Notify,
}

/// All live executions of this process.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Shared>);

/// Keeps one execution registered; dropping it frees the slot.
#[derive(Debug)]
pub struct Slot {
    registry: Registry,
    claim: Claim,
    pub inbox: mpsc::UnboundedReceiver<Mail>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Claim, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an execution; None when this very claim is live already.
    pub fn register(&self, claim: Claim, target: Target, on_server: bool) -> Option<Slot> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let mut entries = self.lock();
        if entries.contains_key(&claim) {
            return None;
        }
        // An older lease on the same execution is over: its task has to go.
        for (other, entry) in entries.iter() {
            if other.execution_id == claim.execution_id {
                let _ = entry.inbox.send(Mail::Lost);
            }
        }
        entries.insert(
            claim,
            Entry {
                inbox: sender,
                target,
                on_server,
            },
        );
        metrics::gauge!("cronium_orchestrator_running").set(entries.len() as f64);
        Some(Slot {
            registry: self.clone(),
            claim,
            inbox,
        })
    }

    /// Delivers a message; one for an execution that is gone is dropped.
    pub fn deliver(&self, claim: Claim, mail: Mail) {
        if let Some(entry) = self.lock().get(&claim) {
            let _ = entry.inbox.send(mail);
        }
    }

    /// Where an execution is, as far as is known.
    pub fn target(&self, claim: Claim) -> Option<Target> {
        self.lock().get(&claim).map(|entry| entry.target.clone())
    }

    pub fn claims(&self) -> Vec<Claim> {
        self.lock().keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn load(&self) -> Load {
        let entries = self.lock();
        let on_servers = entries.values().filter(|entry| entry.on_server).count();
        Load {
            here: entries.len() - on_servers,
            on_servers,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn holds(&self, target: &Target) -> bool {
        self.lock().values().any(|entry| entry.target == *target)
    }

    /// Waits until some slot was freed since the last call.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Slot {
    /// It is in this environment, which may have another name than was thought.
    pub fn is_in(&self, target: &Target) {
        if let Some(entry) = self.registry.lock().get_mut(&self.claim) {
            entry.target.clone_from(target);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let left = {
            let mut entries = self.registry.lock();
            entries.remove(&self.claim);
            entries.len()
        };
        metrics::gauge!("cronium_orchestrator_running").set(left as f64);
        self.registry.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_execution_is_found_in_the_environment_that_it_got() {
        let registry = Registry::default();
        let claim = Claim {
            execution_id: clock::new_id(),
            epoch: 1,
        };
        assert_eq!(registry.target(claim), None);
        let slot = registry
            .register(claim, Target::new("by its claim"), false)
            .unwrap();
        slot.is_in(&Target::new("made ahead"));
        assert_eq!(registry.target(claim), Some(Target::new("made ahead")));
        assert!(registry.holds(&Target::new("made ahead")));
        let older = Claim { epoch: 0, ..claim };
        assert_eq!(registry.target(older), None, "a lease that is over");
    }

    #[test]
    fn a_newer_lease_ends_the_older_task_and_a_freed_slot_is_gone() {
        let registry = Registry::default();
        let old = Claim {
            execution_id: clock::new_id(),
            epoch: 1,
        };
        let new = Claim { epoch: 2, ..old };
        let mut first = registry.register(old, Target::new("a"), false).unwrap();
        assert!(registry.register(old, Target::new("a"), false).is_none());
        let second = registry.register(new, Target::new("b"), true).unwrap();
        assert_eq!(first.inbox.try_recv().unwrap(), Mail::Lost);
        let both = Load {
            here: 1,
            on_servers: 1,
        };
        assert_eq!(registry.load(), both);
        drop(first);
        assert_eq!(registry.load(), Load { here: 0, ..both });
        assert_eq!(registry.claims(), vec![new]);
        assert!(registry.holds(&Target::new("b")) && !registry.holds(&Target::new("a")));
        drop(second);
        assert!(registry.is_empty());
    }
}
