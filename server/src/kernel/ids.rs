//! Typed identifiers: UUIDv7 inside, opaque global ids (base64url of a kind byte and the UUID) outside.

use async_graphql::ID;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::error::{Error, Result};

/// Which kind of node a global id names. The numbers are part of ids that clients keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NodeKind {
    User = 1,
    Event = 2,
    EventVersion = 3,
    Job = 4,
    Execution = 5,
    Orchestrator = 6,
    Session = 20,
    ApiToken = 21,
    Role = 22,
    AuditEntry = 23,
    Invite = 25,
    OidcLink = 24,
    Variable = 26,
    Server = 27,
    Terminal = 28,
}

impl NodeKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::User,
            2 => Self::Event,
            3 => Self::EventVersion,
            4 => Self::Job,
            5 => Self::Execution,
            6 => Self::Orchestrator,
            20 => Self::Session,
            21 => Self::ApiToken,
            22 => Self::Role,
            23 => Self::AuditEntry,
            25 => Self::Invite,
            24 => Self::OidcLink,
            26 => Self::Variable,
            27 => Self::Server,
            28 => Self::Terminal,
            _ => return None,
        })
    }
}

/// Reads any global id; None when it is not one of ours.
pub fn parse(id: &str) -> Option<(NodeKind, Uuid)> {
    let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
    let (kind, rest) = bytes.split_first()?;
    Some((NodeKind::from_byte(*kind)?, Uuid::from_slice(rest).ok()?))
}

/// The global id of a node whose kind is known only now.
pub fn global(kind: NodeKind, id: Uuid) -> ID {
    ID(encode(kind, id))
}

fn encode(kind: NodeKind, id: Uuid) -> String {
    let mut bytes = vec![kind as u8];
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

macro_rules! typed_id {
    ($name:ident, $kind:ident, $what:literal) => {
        #[doc = concat!("Identifies one ", $what, ".")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the global form; one of another kind, or none at all, does not exist.
            pub fn parse(id: &ID) -> Result<Self> {
                match parse(id) {
                    Some((NodeKind::$kind, uuid)) => Ok(Self(uuid)),
                    _ => Err(Error::NotFound($what)),
                }
            }

            pub fn global(self) -> ID {
                ID(encode(NodeKind::$kind, self.0))
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

typed_id!(UserId, User, "user");
typed_id!(EventId, Event, "event");
typed_id!(EventVersionId, EventVersion, "event version");
typed_id!(JobId, Job, "job");
typed_id!(ExecutionId, Execution, "execution");
typed_id!(OrchestratorId, Orchestrator, "orchestrator");
typed_id!(SessionId, Session, "session");
typed_id!(ApiTokenId, ApiToken, "API token");
typed_id!(RoleId, Role, "role");
typed_id!(AuditEntryId, AuditEntry, "audit entry");
typed_id!(InviteId, Invite, "invitation");
typed_id!(OidcLinkId, OidcLink, "link to a provider");
typed_id!(VariableId, Variable, "variable");
typed_id!(ServerId, Server, "server");
typed_id!(TerminalId, Terminal, "terminal");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_global_id_names_its_kind() {
        let id = EventId(Uuid::from_u128(7));
        assert_eq!(EventId::parse(&id.global()).unwrap(), id);
        assert!(matches!(JobId::parse(&id.global()), Err(Error::NotFound("job"))));
        assert!(parse("not an id").is_none());
    }
}
