//! How to sign in on servers: sealed in their rows, opened only to tell an orchestrator, and the way over other servers.
//! Must not know who asks; whoever calls has asked the policy.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cronium_protocol::host::{Address, HostKey, HostSpec, Login, SignIn};
use uuid::Uuid;
use zeroize::Zeroizing;

use cronium_entity::enums::ServerTrouble;

use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Result};

use super::model::{Found, MAX_JUMPS, Trouble};
use super::store::{self, ServerRow};

/// Opens and seals.
#[derive(Clone, Debug)]
pub struct Vault {
    kernel: Kernel,
    master: KeyRing,
}

/// What it takes to sign in on servers that were looked at together: each is opened once.
#[derive(Default)]
pub struct Opened(HashMap<Uuid, SignIn>);

/// What a server's sign-in is bound to: its row, in the only sealed column of this table.
fn server(id: Uuid) -> String {
    format!("servers/{id}")
}

/// The same for an errand.
fn errand(id: Uuid) -> String {
    format!("server_errands/{id}")
}

impl Vault {
    pub fn new(kernel: Kernel, master: KeyRing) -> Self {
        Self { kernel, master }
    }

    fn seal<T: serde::Serialize>(&self, context: &str, value: &T) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(value).map(Zeroizing::new);
        let plain = plain.map_err(Error::internal)?;
        self.master.seal(self.kernel.entropy, context, &plain)
    }

    fn open<T: serde::de::DeserializeOwned>(&self, context: &str, sealed: &[u8]) -> Result<T> {
        let plain = self.master.open(context, sealed)?;
        // What serde says of it could hold a part of it.
        serde_json::from_slice(&plain).map_err(|_| Error::internal(format!("{context} is not what it was")))
    }

    /// For the server with this id.
    pub fn seal_sign_in(&self, id: Uuid, sign_in: &SignIn) -> Result<Vec<u8>> {
        self.seal(&server(id), sign_in)
    }

    pub fn sign_in(&self, row: &ServerRow) -> Result<SignIn> {
        self.open(&server(row.id), &row.sealed)
    }

    /// For the errand with this id.
    pub fn seal_errand(&self, id: Uuid, asked: &cronium_protocol::host::Errand) -> Result<Vec<u8>> {
        self.seal(&errand(id), asked)
    }

    pub fn errand(&self, id: Uuid, sealed: &[u8]) -> Result<cronium_protocol::host::Errand> {
        self.open(&errand(id), sealed)
    }

    /// All that it takes to sign in; None while its host key was not seen.
    pub fn spec(
        &self,
        row: &ServerRow,
        jump: Option<Box<HostSpec>>,
        opened: &mut Opened,
    ) -> Result<Option<HostSpec>> {
        let Some(host_key) = host_key(row)? else {
            return Ok(None);
        };
        let sign_in = match opened.0.entry(row.id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(sealed) => sealed.insert(self.sign_in(row)?).clone(),
        };
        Ok(Some(HostSpec {
            address: address(row)?,
            login: login(row)?,
            sign_in,
            host_key,
            jump,
        }))
    }

    /// The way over this server, and over those that it is reached through itself. Each of them belongs to whom the one
    /// behind it belongs, or is shared: who stops sharing one closes the way.
    pub async fn way(&self, jump: Option<Uuid>, owner: Uuid) -> Result<Found<Option<Box<HostSpec>>>> {
        let Some(first) = jump else {
            return Ok(Ok(None));
        };
        let chain = store::way(&self.kernel.db, first).await?;
        let chain: Vec<&ServerRow> = chain.iter().collect();
        self.over(&chain, owner, &mut Opened::default())
    }

    /// The same over servers that were read already, the nearest first.
    pub fn over(
        &self,
        chain: &[&ServerRow],
        owner: Uuid,
        opened: &mut Opened,
    ) -> Result<Found<Option<Box<HostSpec>>>> {
        let trouble = |told: &str| Ok(Err(Trouble::telling(ServerTrouble::Jump, told)));
        if chain.len() > MAX_JUMPS {
            return trouble("there are more than three servers on the way");
        }
        let mut behind = owner;
        for hop in chain {
            if hop.owner_id != behind && !hop.shared {
                return trouble("a server on the way is not shared any more");
            }
            behind = hop.owner_id;
        }
        let mut spec = None;
        for hop in chain.iter().rev() {
            match self.spec(hop, spec, opened)? {
                Some(next) => spec = Some(Box::new(next)),
                None => return trouble("the host key of a server on the way is not confirmed"),
            }
        }
        Ok(Ok(spec))
    }
}

/// Where a saved server is.
pub fn address(row: &ServerRow) -> Result<Address> {
    let port = u16::try_from(row.port).map_err(Error::internal)?;
    Address::parse(&row.host, Some(port)).map_err(Error::internal)
}

/// Who signs in on a saved server.
pub fn login(row: &ServerRow) -> Result<Login> {
    row.login.parse().map_err(Error::internal)
}

/// The key that a saved server must show; None while it was not seen.
pub fn host_key(row: &ServerRow) -> Result<Option<HostKey>> {
    let key = row.host_key.as_deref().map(str::parse::<HostKey>);
    key.transpose().map_err(Error::internal)
}
