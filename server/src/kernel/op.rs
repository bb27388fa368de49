//! One operation: who asks, with what permissions, and under which request id.

use uuid::Uuid;

use super::denials::{Denial, Denials};
use super::ids::{ApiTokenId, SessionId, UserId};
use super::permission::Permissions;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Actor {
    #[default]
    Anonymous,
    User {
        id: UserId,
        /// What the role allows, and of that what the credential allows.
        permissions: Permissions,
        credential: Credential,
    },
}

/// What a user's request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Session(SessionId),
    Token(ApiTokenId),
    /// The program itself acts for the user: commands and the first start.
    Process,
}

/// Handed to every service call.
#[derive(Debug, Clone, Default)]
pub struct Op {
    pub actor: Actor,
    /// Shown in logs and in INTERNAL errors.
    pub request_id: Uuid,
    /// Address of the client, for throttling and the audit log.
    pub client: Option<std::net::IpAddr>,
    /// What the client says it is.
    pub user_agent: Option<String>,
    /// True when the principal came by `Authorization: Bearer`, false for the cookie.
    pub bearer: bool,
    /// Where refusals are noted.
    pub denials: Denials,
}

impl Op {
    /// The program acts for a user: commands and the first start.
    pub fn process(id: UserId, permissions: Permissions) -> Self {
        let credential = Credential::Process;
        Self {
            actor: Actor::User {
                id,
                permissions,
                credential,
            },
            ..Self::default()
        }
    }

    pub fn user(&self) -> Option<UserId> {
        match self.actor {
            Actor::User { id, .. } => Some(id),
            Actor::Anonymous => None,
        }
    }

    pub fn session(&self) -> Option<SessionId> {
        match self.actor {
            Actor::User {
                credential: Credential::Session(id),
                ..
            } => Some(id),
            _ => None,
        }
    }

    pub fn token(&self) -> Option<ApiTokenId> {
        match self.actor {
            Actor::User {
                credential: Credential::Token(id),
                ..
            } => Some(id),
            _ => None,
        }
    }

    /// Everything that the credential allows.
    pub fn permissions(&self) -> Permissions {
        match self.actor {
            Actor::User { permissions, .. } => permissions,
            Actor::Anonymous => Permissions::NONE,
        }
    }

    /// The same for somebody who is known by now, and asks for nothing yet: for the log.
    pub fn known_as(&self, id: UserId) -> Self {
        let actor = Actor::User {
            id,
            permissions: Permissions::NONE,
            credential: Credential::Process,
        };
        Self {
            actor,
            ..self.clone()
        }
    }

    /// Notes a refusal for the audit log.
    pub fn denied(&self, what: impl Into<std::borrow::Cow<'static, str>>, why: &'static str) {
        let denial = Denial {
            user: self.user().map(|id| id.0),
            token: self.token().map(|id| id.0),
            client: self.client,
            what: what.into(),
            why,
        };
        self.denials.add(denial, 1);
    }
}
