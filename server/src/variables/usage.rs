//! Where variables are used: events whose present version names the key. What a script puts together from pieces is
//! not found.

use std::collections::{BTreeSet, HashMap};

use sea_orm::prelude::Uuid;

use crate::access::{self, Action, Reach};
use crate::events::EventRow;
use crate::kernel::ids::UserId;
use crate::kernel::{Op, Result};

use super::model::{self, Candidate};
use super::service::Variables;
use super::store::{self, VariableRow};

/// Events of one variable that are loaded.
pub const MOST_EVENTS: usize = 100;

/// A variable, and who looks at what uses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Used {
    pub variable: Uuid,
    pub key: String,
    /// None: may see all events.
    pub viewer: Option<UserId>,
}

impl Used {
    /// None: somebody who sees no events.
    pub fn seen_by(op: &Op, row: &VariableRow) -> Option<Self> {
        let grant = access::decide(op, Action::ReadEvents).ok()?;
        Some(Self {
            variable: row.id,
            key: row.key.clone(),
            viewer: match grant.reach() {
                Reach::All => None,
                Reach::Own(user) | Reach::OwnAndShared(user) => Some(user),
            },
        })
    }
}

impl Variables {
    /// Events of each variable, by name. An event that means another variable by the same key does not count: its
    /// owner's own one comes first.
    pub async fn used(&self, asked: &[Used]) -> Result<HashMap<Used, Vec<EventRow>>> {
        let keys: BTreeSet<&str> = asked.iter().map(|used| used.key.as_str()).collect();
        let mut candidates: HashMap<String, Vec<Candidate>> = HashMap::new();
        for (key, candidate) in store::candidates(&self.kernel.db, keys.iter().copied()).await? {
            candidates.entry(key).or_default().push(candidate);
        }
        let mut found = HashMap::new();
        let viewers: BTreeSet<_> = asked.iter().map(|used| used.viewer).collect();
        for viewer in viewers {
            let words: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            let mut by_variable: HashMap<Uuid, Vec<EventRow>> = HashMap::new();
            for (word, event) in self.events.naming(viewer, &words).await? {
                let known = candidates.get(&word).map(Vec::as_slice).unwrap_or_default();
                if let Some(variable) = model::meant_by(event.owner_id, known) {
                    let events = by_variable.entry(variable).or_default();
                    if events.len() < MOST_EVENTS {
                        events.push(event);
                    }
                }
            }
            for used in asked.iter().filter(|used| used.viewer == viewer) {
                let events = by_variable.get(&used.variable).cloned().unwrap_or_default();
                found.insert(used.clone(), events);
            }
        }
        Ok(found)
    }
}
