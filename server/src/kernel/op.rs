//! One operation: who asks, and under which request id.

use super::ids::UserId;
use cronium_entity::enums::UserRole;
use uuid::Uuid;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Anonymous,
    User {
        id: UserId,
        role: UserRole,
        session: Uuid,
    },
}

/// Handed to every service call.
#[derive(Debug, Clone)]
pub struct Op {
    pub actor: Actor,
    /// Shown in logs and in INTERNAL errors.
    pub request_id: Uuid,
    /// Address of the client, for throttling.
    pub client: Option<std::net::IpAddr>,
    /// True when the principal came by `Authorization: Bearer`, false for the cookie.
    pub bearer: bool,
}

impl Op {
    pub fn user(&self) -> Option<UserId> {
        match self.actor {
            Actor::User { id, .. } => Some(id),
            Actor::Anonymous => None,
        }
    }
}
