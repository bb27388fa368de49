//! Which of an event's servers a job runs on. Whether they may be used is asked when it comes to run.

use crate::events::{ServerName, ServerTarget};
use crate::kernel::Result;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{JobId, ServerId};

use super::model::slots::again;
use super::service::Jobs;
use super::store;

/// Those of an event's servers that were asked for; None: all. Notes what is wrong.
pub fn chosen(
    all: Option<ServerTarget>,
    wanted: Option<&[ServerId]>,
    checks: &mut Checks,
) -> Option<ServerTarget> {
    let Some(wanted) = wanted else {
        return all;
    };
    let Some(mut target) = all else {
        let message = "This event runs on no servers: leave this out.";
        checks.add(UserErrorCode::Invalid, "servers", message);
        return None;
    };
    let is_wanted = |server: &ServerName| wanted.contains(&ServerId(server.id));
    let known = |id: &ServerId| target.servers.iter().any(|server| server.id == id.0);
    if wanted.is_empty() {
        let message = "Choose at least one of the event's servers.";
        checks.add(UserErrorCode::Required, "servers", message);
    } else if !wanted.iter().all(known) {
        let message = "This event does not run on one of these servers.";
        checks.add(UserErrorCode::NotFound, "servers", message);
    }
    target.servers.retain(is_wanted);
    Some(target)
}

impl Jobs {
    /// The servers that a job did not succeed on; all of its own, where it did on each. `all` are those of its version.
    pub(super) async fn places_again(
        &self,
        old: JobId,
        all: Option<ServerTarget>,
    ) -> Result<Option<ServerTarget>> {
        let Some(target) = all else {
            return Ok(None);
        };
        let executions = store::executions_of(&self.kernel.db, [old.0]).await?;
        let ends = executions.into_iter().filter_map(|row| {
            let server = ServerName {
                id: row.server_id?,
                name: row.server_name?,
            };
            Some((row.slot, server, row.status))
        });
        let servers = again(ends);
        Ok(Some(if servers.is_empty() {
            target
        } else {
            ServerTarget { servers, ..target }
        }))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kernel::Error;

    fn on(ids: &[u128]) -> ServerTarget {
        let server = |id: &u128| ServerName {
            id: Uuid::from_u128(*id),
            name: format!("server {id}"),
        };
        ServerTarget {
            servers: ids.iter().map(server).collect(),
            max_parallel: Some(2),
        }
    }

    fn wanted(ids: &[u128]) -> Vec<ServerId> {
        ids.iter().map(|id| ServerId(Uuid::from_u128(*id))).collect()
    }

    #[test]
    fn some_of_the_servers_are_chosen_in_the_order_of_the_event() {
        let choose = |all: Option<ServerTarget>, ids: Option<&[u128]>| {
            let mut checks = Checks::default();
            let ids = ids.map(wanted);
            let target = chosen(all, ids.as_deref(), &mut checks);
            match checks.done() {
                Ok(()) => Ok(target),
                Err(Error::Invalid(errors)) => Err((errors[0].code, errors[0].field.join("."))),
                Err(_) => Err((UserErrorCode::Invalid, String::new())),
            }
        };
        let all = || Some(on(&[1, 2, 3]));
        assert_eq!(choose(all(), None), Ok(all()));
        assert_eq!(choose(None, None), Ok(None));
        assert_eq!(choose(all(), Some(&[3, 1, 3])), Ok(Some(on(&[1, 3]))));
        let at = |code| -> Result<Option<ServerTarget>, (UserErrorCode, String)> {
            Err((code, "servers".to_owned()))
        };
        assert_eq!(choose(all(), Some(&[])), at(UserErrorCode::Required));
        assert_eq!(choose(all(), Some(&[1, 4])), at(UserErrorCode::NotFound));
        assert_eq!(choose(None, Some(&[1])), at(UserErrorCode::Invalid));
    }
}
