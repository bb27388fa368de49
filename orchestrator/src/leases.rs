//! Keeps the leases of live executions, and tells executions whose lease ended.
//! It must not know what an execution is doing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, Claim};
use tokio::time::sleep;

use crate::channel::Link;
use crate::registry::{Mail, Registry};

/// What was last asked to be renewed.
#[derive(Debug, Default)]
pub struct Leases {
    asked: Mutex<Vec<Claim>>,
}

impl Leases {
    /// Renews for ever: at once after a connection was made, then at the server's pace.
    pub async fn drive(&self, mut link: Link, registry: Registry) {
        loop {
            let session = link.up().await;
            let claims = registry.claims();
            if !claims.is_empty() {
                self.note(&claims);
                // When the channel is down, the next connection renews at once.
                let _ = session.send(AgentToServer::Renew { claims }).await;
            }
            let pause = session.renew.max(Duration::from_millis(100));
            tokio::select! {
                () = sleep(pause) => {}
                _ = link.changed() => {}
            }
        }
    }

    fn note(&self, claims: &[Claim]) {
        claims.clone_into(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The server's answer.
    pub fn renewed(&self, lost: &[Claim], registry: &Registry) {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        for claim in asked {
            if !lost.contains(&claim) {
                registry.deliver(claim, Mail::Renewed);
            }
        }
        for claim in lost {
            registry.deliver(*claim, Mail::Lost);
        }
    }
}
