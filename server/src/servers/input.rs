//! Inputs of servers, and how they become the slice's own types. Those with keys and passwords don't print themselves.

use async_graphql::{Enum, ID, InputObject, MaybeUndefined};
use cronium_entity::enums::{
    ServerSignIn as SignInValue, ServerStatus as StatusValue, ServerTrouble as TroubleValue,
};
use cronium_protocol::host::Concealed;

use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{ServerId, UserId};
use crate::kernel::{Error, Result};

use super::credentials::Credentials;
use super::model::{DEFAULT_INTERVAL, Profile};
use super::save::{NewServer, ServerChange};
use super::store::Filter;

/// How to sign in on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "SignInValue")]
pub enum ServerSignIn {
    /// With a private key.
    Key,
    /// With a password.
    Password,
}

/// How a server is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "StatusValue")]
pub enum ServerStatus {
    /// Nobody has confirmed its host key: nothing is asked of it.
    Unconfirmed,
    /// It was not checked since it was made or changed.
    Unknown,
    /// The last check could use it.
    Online,
    /// The last check could not use it.
    Unreachable,
    /// It shows another host key than the confirmed one.
    KeyChanged,
    /// It does not let this user in.
    SignInRefused,
}

/// Why a server could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "TroubleValue")]
pub enum ServerTrouble {
    /// The name is unknown.
    Unresolved,
    /// Nobody listens there, or it can't be reached at all.
    Refused,
    /// There was no answer in time.
    Silent,
    /// What answers does not speak SSH, or not well.
    NotSsh,
    /// It shows another host key than the confirmed one: nothing was said to it.
    KeyChanged,
    /// User, key or password is not accepted.
    Denied,
    /// The private key can't be used.
    BadKey,
    /// It lets nobody begin another session.
    NoSession,
    /// The sign-in works, but commands can't be run there.
    NoShell,
    /// A server on the way has trouble of its own.
    Jump,
    /// No orchestrator that reaches servers took it up.
    NoOrchestrator,
    /// Anything else.
    Other,
}

/// Narrows a list of servers; all given fields must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ServerFilter {
    /// Part of the name or the address.
    pub text: Option<String>,
    /// Has all of these tags.
    pub tags: Option<Vec<String>>,
    /// Any of these states.
    pub status: Option<Vec<ServerStatus>>,
    /// Shared ones only, or none.
    pub shared: Option<bool>,
    /// Of this person.
    pub owner_id: Option<ID>,
}

impl ServerFilter {
    /// None: somebody who is not there has none.
    pub fn filter(self) -> Option<Filter> {
        Some(Filter {
            text: self.text,
            tags: self.tags.unwrap_or_default(),
            statuses: self.status.into_iter().flatten().map(Into::into).collect(),
            shared: self.shared,
            owner: match self.owner_id {
                Some(id) => Some(UserId::parse(&id).ok()?),
                None => None,
            },
        })
    }
}

/// Where to look for a host.
#[derive(Debug, InputObject)]
pub struct ProbeServerInput {
    /// Name or IP address; a port may follow, as in `db.example.org:2222` or `[2001:db8::1]:2222`.
    pub address: String,
    /// 1 to 65535; 22 by default.
    pub port: Option<i32>,
    /// The server on the way, one's own or a shared one.
    pub jump_server_id: Option<ID>,
}

/// A server to register.
#[derive(InputObject)]
pub struct CreateServerInput {
    /// 1 to 100 characters; another one than those of one's other servers, case ignored.
    pub name: String,
    /// Name or IP address; a port may follow, as in `db.example.org:2222` or `[2001:db8::1]:2222`.
    pub address: String,
    /// 1 to 65535; 22 by default.
    pub port: Option<i32>,
    /// Who signs in: at most 64 letters, digits and `. _ - @`.
    pub username: String,
    /// A private key in OpenSSH's own format, at most 16 KiB: Ed25519, ECDSA or RSA. Give this or `password`. It is never
    /// shown again.
    pub private_key: Option<String>,
    /// Opens the private key.
    pub passphrase: Option<String>,
    /// Give this or `privateKey`. It is never shown again.
    pub password: Option<String>,
    /// The fingerprint that probeServer showed and that was found to be the host's: its key is pinned, and no other is
    /// accepted from then on. Required unless `allowUnreachable`.
    pub host_key_fingerprint: Option<String>,
    /// The server on the way, one's own or a shared one; at most three may be on the way.
    pub jump_server_id: Option<ID>,
    /// At most 20 tags of 1 to 40 characters.
    pub tags: Option<Vec<String>>,
    /// Others may see it, run their scripts on it and reach their servers through it, not change it. False by default.
    pub shared: Option<bool>,
    /// Seconds between checks: 15 to 86,400, or 0 for none; 60 by default.
    pub check_interval_seconds: Option<i32>,
    /// Save it also when it can't be reached or does not let this user in; without a fingerprint nothing is asked of it. A
    /// host that shows another key than the confirmed one is refused in any case.
    #[graphql(default_with = "Some(false)")]
    pub allow_unreachable: Option<bool>,
}

impl CreateServerInput {
    pub fn new_server(self) -> Result<NewServer> {
        Ok(NewServer {
            profile: Profile {
                name: self.name,
                tags: self.tags.unwrap_or_default(),
                shared: self.shared.unwrap_or_default(),
            },
            address: self.address,
            port: self.port,
            username: self.username,
            credentials: credentials(self.private_key, self.passphrase, self.password),
            fingerprint: filled(self.host_key_fingerprint),
            jump: jump(self.jump_server_id.as_ref())?,
            check_interval_secs: self.check_interval_seconds.unwrap_or(DEFAULT_INTERVAL),
            allow_unreachable: self.allow_unreachable.unwrap_or_default(),
        })
    }
}

/// A change of a server; absent fields stay as they are.
#[derive(InputObject)]
pub struct UpdateServerInput {
    /// The server.
    pub id: ID,
    /// The version that was seen; another one is refused with CONFLICT.
    pub expected_version: Option<i32>,
    /// 1 to 100 characters; another one than those of its owner's other servers, case ignored.
    pub name: Option<String>,
    /// Name or IP address; a port may follow. The pinned key stays: another machine is refused until its fingerprint is
    /// given too.
    pub address: Option<String>,
    /// 1 to 65535.
    pub port: Option<i32>,
    /// Who signs in: at most 64 letters, digits and `. _ - @`.
    pub username: Option<String>,
    /// A private key in OpenSSH's own format, at most 16 KiB, instead of how one signed in until now.
    pub private_key: Option<String>,
    /// Opens the private key that is given with it.
    pub passphrase: Option<String>,
    /// A password instead of how one signed in until now.
    pub password: Option<String>,
    /// Another fingerprint that was found to be the host's: this key is pinned instead.
    pub host_key_fingerprint: Option<String>,
    /// The server on the way, its owner's or a shared one; null: it is reached without another one.
    pub jump_server_id: MaybeUndefined<ID>,
    /// At most 20 tags of 1 to 40 characters.
    pub tags: Option<Vec<String>>,
    /// Others may see it, run their scripts on it and reach their servers through it, not change it.
    pub shared: Option<bool>,
    /// Seconds between checks: 15 to 86,400, or 0 for none.
    pub check_interval_seconds: Option<i32>,
    /// Save it also when it can't be reached or does not let this user in. A host that shows another key than the
    /// confirmed one is refused in any case.
    #[graphql(default_with = "Some(false)")]
    pub allow_unreachable: Option<bool>,
}

impl UpdateServerInput {
    pub fn change(self) -> Result<ServerChange> {
        Ok(ServerChange {
            name: self.name,
            address: self.address,
            port: self.port,
            username: self.username,
            credentials: credentials(self.private_key, self.passphrase, self.password),
            fingerprint: filled(self.host_key_fingerprint),
            jump: match self.jump_server_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(jump(Some(&id))?),
            },
            tags: self.tags,
            shared: self.shared,
            check_interval_secs: self.check_interval_seconds,
            allow_unreachable: self.allow_unreachable.unwrap_or_default(),
        })
    }
}

/// A server to check now.
#[derive(Debug, InputObject)]
pub struct CheckServerInput {
    /// The server.
    pub id: ID,
}

/// A server to remove.
#[derive(Debug, InputObject)]
pub struct DeleteServerInput {
    /// The server.
    pub id: ID,
    /// The version that was seen; another one is refused with CONFLICT.
    pub expected_version: Option<i32>,
}

/// A form sends an empty field for one that was left out.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn credentials(
    private_key: Option<String>,
    passphrase: Option<String>,
    password: Option<String>,
) -> Credentials {
    Credentials {
        private_key: private_key.map(Concealed::from),
        passphrase: passphrase.map(Concealed::from),
        password: password.map(Concealed::from),
    }
}

/// The server on the way: one that is none is wrong at its own field.
pub fn jump(id: Option<&ID>) -> Result<Option<ServerId>> {
    let wrong = |_| {
        Error::field(
            UserErrorCode::NotFound,
            "jumpServerId",
            "There is no such server.",
        )
    };
    id.map(ServerId::parse).transpose().map_err(wrong)
}
