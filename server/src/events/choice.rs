//! Choosing servers: whoever saves an event sees those that they add, and its owner may use each of them. What may be
//! used when a job comes to run is asked again then, by the queue.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::error::{Checks, FieldError, UserErrorCode};
use crate::kernel::ids::UserId;
use crate::kernel::{Error, Op, Result};

use super::model::{MOST_SERVERS, SERVERS, ServerName, ServerTarget};
use super::service::{Events, NewEvent};

pub const NO_SUCH_SERVER: &str = "There is no such server.";

impl Events {
    /// Gives servers the names that they have now, and notes which of them may not be chosen. `owner` is whose jobs
    /// will run there. `kept` were chosen before: whoever saves need not see those.
    pub async fn choose(
        &self,
        op: &Op,
        owner: UserId,
        target: &mut ServerTarget,
        kept: &[ServerName],
        checks: &mut Checks,
    ) -> Result<()> {
        use UserErrorCode::{Forbidden, Invalid, NotFound};
        let ids: Vec<Uuid> = target.servers.iter().map(|server| server.id).collect();
        // That there are too many was noted already.
        let ids = &ids[..ids.len().min(MOST_SERVERS)];
        let added = |id: &Uuid| kept.iter().all(|server| server.id != *id);
        let blind = access::decide(op, Action::ReadServers).is_err();
        if blind && ids.iter().any(added) {
            let message = "Choosing servers needs the permission to see servers.";
            checks.add(Forbidden, SERVERS, message);
            return Ok(());
        }
        let usable = self.servers.usable(owner, ids).await?;
        let seen = self.servers.names_seen(op, ids).await?;
        for (index, server) in target.servers.iter_mut().enumerate().take(MOST_SERVERS) {
            let field = format!("{SERVERS}.{index}");
            let (new, visible) = (added(&server.id), seen.contains_key(&server.id));
            match usable.get(&server.id) {
                _ if new && !visible => {
                    op.denied(Action::ReadServers.name(), "NOT_FOUND");
                    checks.add(NotFound, &field, NO_SUCH_SERVER);
                }
                None if new => {
                    let message = "This server is not shared: only its owner's events may run on it.";
                    checks.add(Invalid, &field, message);
                }
                None => {
                    let message = "This server was removed, or is not shared with the event's owner any more: choose \
                                   another one.";
                    checks.add(NotFound, &field, message);
                }
                Some(name) if visible => server.name.clone_from(name),
                // What it is called by now is not for these eyes.
                Some(_) => {
                    let known = kept.iter().find(|kept| kept.id == server.id);
                    server.name = known.map(|kept| kept.name.clone()).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// The same for those of an old version: what is wrong is at `versionId`, and says of which server.
    pub(super) async fn choose_again(
        &self,
        op: &Op,
        owner: UserId,
        target: &mut ServerTarget,
        kept: &[ServerName],
    ) -> Result<()> {
        let mut checks = Checks::default();
        self.choose(op, owner, target, kept, &mut checks).await?;
        let at_version = |error: FieldError| {
            let index = error.field.last().and_then(|index| index.parse::<usize>().ok());
            let message = match index.and_then(|index| target.servers.get(index)) {
                Some(server) => format!("{}: {}", server.name, error.message),
                None => error.message,
            };
            FieldError::new(error.code, "versionId", message)
        };
        checks.done().map_err(|problem| match problem {
            Error::Invalid(errors) => Error::Invalid(errors.into_iter().map(at_version).collect()),
            other => other,
        })
    }

    /// Servers by these names that somebody may see and that their own events may run on. None: who sees no servers.
    pub async fn servers_named(
        &self,
        op: &Op,
        names: &[String],
    ) -> Result<Option<HashMap<String, Vec<ServerName>>>> {
        let Ok(grant) = access::decide(op, Action::ReadServers) else {
            return Ok(None);
        };
        let mut found: HashMap<String, Vec<ServerName>> = HashMap::new();
        for (wanted, id, name) in self.servers.named(grant.user(), names).await? {
            found.entry(wanted).or_default().push(ServerName { id, name });
        }
        Ok(Some(found))
    }

    /// Calls the servers of events as they are called now, as far as somebody may see them.
    pub(super) async fn call_by_present_names(&self, op: &Op, events: &mut [NewEvent]) -> Result<()> {
        let targets = events
            .iter()
            .filter_map(|event| event.definition.servers.as_ref());
        let ids: BTreeSet<Uuid> = targets
            .flat_map(|target| target.servers.iter().map(|server| server.id))
            .collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let names = self.servers.names_seen(op, &ids).await?;
        let targets = events
            .iter_mut()
            .filter_map(|event| event.definition.servers.as_mut());
        for server in targets.flat_map(|target| target.servers.iter_mut()) {
            if let Some(name) = names.get(&server.id) {
                server.name.clone_from(name);
            }
        }
        Ok(())
    }
}
