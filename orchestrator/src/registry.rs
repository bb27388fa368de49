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
    pub fn register(&self, claim: Claim, target: Target) -> Option<Slot> {
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

    pub fn claims(&self) -> Vec<Claim> {
        self.lock().keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.lock().len()
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
    fn a_newer_lease_ends_the_older_task_and_a_freed_slot_is_gone() {
        let registry = Registry::default();
        let old = Claim {
            execution_id: clock::new_id(),
            epoch: 1,
        };
        let new = Claim { epoch: 2, ..old };
        let mut first = registry.register(old, Target::new("a")).unwrap();
        assert!(registry.register(old, Target::new("a")).is_none());
        let second = registry.register(new, Target::new("b")).unwrap();
        assert_eq!(first.inbox.try_recv().unwrap(), Mail::Lost);
        drop(first);
        assert_eq!(registry.claims(), vec![new]);
        assert!(registry.holds(&Target::new("b")) && !registry.holds(&Target::new("a")));
        drop(second);
        assert!(registry.is_empty());
    }
}
