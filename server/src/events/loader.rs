//! Batched loading of what nested fields need: one statement for a whole page.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::access::{self, Action, Reach};
use crate::kernel::ids::{ServerId, UserId};
use crate::kernel::{Kernel, Op};

use super::store::{self, EventRow, VersionRow};

/// Events of one server that are loaded.
const EACH: i64 = 100;

/// Loads versions by id.
#[derive(Debug)]
pub struct VersionLoader(pub Kernel);

impl Loader<Uuid> for VersionLoader {
    type Value = VersionRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, VersionRow>, String> {
        let rows = store::versions_by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Loads events by id.
#[derive(Debug)]
pub struct EventLoader(pub Kernel);

impl Loader<Uuid> for EventLoader {
    type Value = EventRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, EventRow>, String> {
        let rows = store::by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// A server, and who looks at which events run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunsOn {
    server: Uuid,
    /// None: may see all events.
    viewer: Option<UserId>,
}

impl RunsOn {
    /// None: somebody who sees no events.
    pub fn seen_by(op: &Op, server: ServerId) -> Option<Self> {
        let grant = access::decide(op, Action::ReadEvents).ok()?;
        Some(Self {
            server: server.0,
            viewer: match grant.reach() {
                Reach::All => None,
                Reach::Own(user) | Reach::OwnAndShared(user) => Some(user),
            },
        })
    }
}

/// Loads the events that run on servers, by name.
#[derive(Debug)]
pub struct RunsOnLoader(pub Kernel);

impl Loader<RunsOn> for RunsOnLoader {
    type Value = Vec<EventRow>;
    type Error = String;

    async fn load(&self, keys: &[RunsOn]) -> Result<HashMap<RunsOn, Vec<EventRow>>, String> {
        let mut alike: HashMap<Option<UserId>, Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry(key.viewer).or_default().push(key.server);
        }
        let mut found: HashMap<RunsOn, Vec<EventRow>> = HashMap::new();
        for (viewer, servers) in alike {
            let rows = store::running_on(&self.0.db, viewer, servers, EACH).await;
            for (server, event) in rows.map_err(|e| e.private_text())? {
                found.entry(RunsOn { server, viewer }).or_default().push(event);
            }
        }
        Ok(found)
    }
}
