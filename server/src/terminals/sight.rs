//! Which terminals somebody may watch: their own, those on servers that they may use, and with ALL_RESOURCES those in
//! others' containers. An API token's own are those that it has opened itself: it was given to do some things, and a
//! shell in which somebody else is signed in may do others. Asks the policy, and is the proof of it that the store asks
//! for.

use uuid::Uuid;

use crate::access::{self, Action, Reach};
use crate::kernel::ids::UserId;
use crate::kernel::{Op, Result};

use super::store::TerminalRow;

/// What is in sight of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    viewer: Uuid,
    /// The API token that they came with.
    token: Option<Uuid>,
    /// None: no servers.
    servers: Option<Reach>,
    containers: bool,
}

impl Sight {
    pub fn of(op: &Op) -> Result<Self> {
        let grant = access::allow(op, Action::OpenTerminals)?;
        let servers = access::decide(op, Action::ReadServers);
        Ok(Self {
            viewer: grant.user().0,
            token: grant.token().map(|id| id.0),
            servers: servers.ok().map(|grant| grant.reach()),
            containers: grant.reach() == Reach::All,
        })
    }

    pub fn viewer(&self) -> Uuid {
        self.viewer
    }

    /// None: everything that the viewer has opened is their own here.
    pub fn token(&self) -> Option<Uuid> {
        self.token
    }

    /// Terminals on all servers.
    pub fn all_servers(&self) -> bool {
        self.servers == Some(Reach::All)
    }

    /// Those on one's own and shared servers, at least.
    pub fn own_and_shared_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// Those in others' containers.
    pub fn containers(&self) -> bool {
        self.containers
    }
}

/// Whether the actor has opened it, and so may type: by themselves, or with this very token.
pub fn is_own(op: &Op, row: &TerminalRow) -> bool {
    let token = op.token().map(|id| id.0);
    op.user() == Some(UserId(row.owner_id)) && (token.is_none() || token == row.api_token_id)
}
