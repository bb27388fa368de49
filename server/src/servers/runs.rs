//! Servers that scripts run on: who may use which, what they are called, and how to get there. Knows nothing of events
//! and jobs; those who ask say whose they are.

use std::collections::{BTreeSet, HashMap};

use cronium_protocol::agent::HostOrder;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::ids::UserId;
use crate::kernel::{Op, Result};

use super::model::MAX_JUMPS;
use super::service::Servers;
use super::store::{self as servers, ServerRow, runs as store};
use super::vault::Opened;

/// How to get to a server; or why nothing may run there, with what to do.
pub type Order = std::result::Result<HostOrder, String>;

/// What is hidden is told as what is gone.
const GONE: &str = "This server was removed, or is not shared any more with the owner of this run. Choose another one \
                    for the event.";
const UNCONFIRMED: &str = "Nobody has confirmed the host key of this server. Probe it, compare the fingerprint, and \
                           save the server with it.";
const UNSEEN: &str = "This server has not shown the host key that was confirmed. Run a check of the server, then run \
                      this again.";
const UNREADABLE: &str = "How to sign in on this server can't be read: Cronium's log says why.";

/// The servers on the way to one, the nearest first; one more than there may be.
fn way<'a>(rows: &'a HashMap<Uuid, ServerRow>, to: &ServerRow) -> Vec<&'a ServerRow> {
    let nearest = to.jump_server_id.and_then(|id| rows.get(&id));
    std::iter::successors(nearest, |hop| rows.get(&hop.jump_server_id?))
        .take(MAX_JUMPS + 1)
        .collect()
}

impl Servers {
    /// How to get to servers for jobs of these people: own or shared servers whose host key was confirmed. One
    /// statement however many are wanted, and what it takes to sign in is opened once for each server.
    pub async fn orders(&self, wanted: &[(UserId, Uuid)]) -> Result<HashMap<(UserId, Uuid), Order>> {
        let ids: BTreeSet<Uuid> = wanted.iter().map(|(_, server)| *server).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = store::with_ways(&self.kernel.db, ids.into_iter().collect()).await?;
        let rows: HashMap<Uuid, ServerRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        let (mut opened, mut orders) = (Opened::default(), HashMap::new());
        for &(owner, server) in wanted {
            // One that can't be opened keeps nobody from the others.
            let order = self
                .order(&rows, &mut opened, owner, server)
                .unwrap_or_else(|problem| {
                    let problem = problem.private_text();
                    tracing::error!(%server, problem, "nothing can be run on a server");
                    Err(UNREADABLE.to_owned())
                });
            orders.insert((owner, server), order);
        }
        Ok(orders)
    }

    fn order(
        &self,
        rows: &HashMap<Uuid, ServerRow>,
        opened: &mut Opened,
        owner: UserId,
        server: Uuid,
    ) -> Result<Order> {
        let usable = |row: &&ServerRow| row.owner_id == owner.0 || row.shared;
        let Some(row) = rows.get(&server).filter(usable) else {
            return Ok(Err(GONE.to_owned()));
        };
        if row.host_key_fingerprint.is_none() {
            return Ok(Err(UNCONFIRMED.to_owned()));
        }
        let jump = match self.vault.over(&way(rows, row), row.owner_id, opened)? {
            Ok(jump) => jump,
            Err(trouble) => return Ok(Err(trouble.message())),
        };
        let host = self.vault.spec(row, jump, opened)?.map(Box::new);
        let order = host.map(|host| HostOrder {
            server_id: server,
            host,
        });
        Ok(order.ok_or_else(|| UNSEEN.to_owned()))
    }

    /// Those of the servers that somebody's scripts may run on, with their names. Who asks has asked the policy.
    pub async fn usable(&self, owner: UserId, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = store::usable(&self.kernel.db, owner, ids).await?;
        Ok(found.into_iter().collect())
    }

    /// Names of those of the servers that may be seen; of none for who sees none.
    pub async fn names_seen(&self, op: &Op, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
        let Ok(grant) = access::decide(op, Action::ReadServers) else {
            return Ok(HashMap::new());
        };
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = servers::seen(&self.kernel.db, &grant, ids.iter().copied()).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
    }

    /// Somebody's own servers that have one of these names, case ignored, and shared ones where no own one has it: the
    /// name that was asked for, the server, and how it is written. Who asks has asked the policy.
    pub async fn named(&self, owner: UserId, names: &[String]) -> Result<Vec<(String, Uuid, String)>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        store::named(&self.kernel.db, owner, names).await
    }
}
