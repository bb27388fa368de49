//! Where a script runs: in a container, or on servers. Pure.

use cronium_entity::enums::EventKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::error::{Checks, UserErrorCode};

/// Most servers of one event, and most of them at a time.
pub const MOST_SERVERS: usize = 100;
/// Where the list of servers is in an input.
pub const SERVERS: &str = "target.servers.servers";

/// The container that a script runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// None: the installation's execution image.
    pub image: Option<String>,
    pub memory_bytes: i64,
    /// Thousandths of a core.
    pub cpu_millis: i32,
    pub pids: i32,
    /// False: no network at all.
    pub network: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            image: None,
            memory_bytes: 512 << 20,
            cpu_millis: 1000,
            pids: 128,
            network: false,
        }
    }
}

/// Servers that a script runs on, each by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTarget {
    /// In the order in which they were given.
    pub servers: Vec<ServerName>,
    /// None: all at once.
    pub max_parallel: Option<i32>,
}

/// A server, and what it was called when it was chosen.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct ServerName {
    pub id: Uuid,
    pub name: String,
}

impl ServerName {
    /// One whose name is yet to be looked up.
    pub fn unnamed(id: Uuid) -> Self {
        let name = String::new();
        Self { id, name }
    }
}

/// Two are the same whatever they are called.
impl PartialEq for ServerName {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Target {
    /// Notes what is wrong.
    pub fn check(&self, checks: &mut Checks) {
        let mut must = |holds: bool, field: &str, message: &str| {
            let field = format!("target.container.{field}");
            checks.require(holds, UserErrorCode::Invalid, &field, message);
        };
        let memory = (32 << 20..=64 << 30).contains(&self.memory_bytes);
        must(memory, "memoryBytes", "Memory is between 32 MiB and 64 GiB.");
        let cpus = (50..=64_000).contains(&self.cpu_millis);
        must(cpus, "cpus", "Processors are between 0.05 and 64.");
        let pids = (8..=4096).contains(&self.pids);
        must(pids, "pids", "The process limit is between 8 and 4096.");
        let image = self.image.as_deref().is_none_or(is_image);
        must(image, "image", "This is not an image's name.");
    }
}

impl ServerTarget {
    /// Notes what is wrong. Whether the servers may be used is asked elsewhere.
    pub fn check(&self, kind: EventKind, checks: &mut Checks) {
        use UserErrorCode::{Invalid, Required, Taken, TooLong};
        let script = kind != EventKind::HttpRequest;
        let message = "A request is made by an orchestrator: only scripts run on servers.";
        checks.require(script, Invalid, "target.servers", message);
        let some = !self.servers.is_empty();
        checks.require(some, Required, SERVERS, "Choose at least one server.");
        let few = self.servers.len() <= MOST_SERVERS;
        checks.require(few, TooLong, SERVERS, "At most 100 servers.");
        for (index, server) in self.servers.iter().enumerate().take(MOST_SERVERS) {
            if self.servers[..index].contains(server) {
                let field = format!("{SERVERS}.{index}");
                checks.add(Taken, &field, "This server is there already.");
            }
        }
        let most = MOST_SERVERS as i32;
        let parallel = self.max_parallel.is_none_or(|n| (1..=most).contains(&n));
        let message = "Between 1 and 100 servers at a time; null: all at once.";
        checks.require(parallel, Invalid, "target.servers.maxParallel", message);
    }
}

/// `[host[:port]/]path[:tag][@digest]`, as in the distribution reference grammar, without spaces or a
/// leading dash.
fn is_image(image: &str) -> bool {
    image.len() <= 255
        && image.chars().next().is_some_and(|c| c.is_ascii_alphanumeric())
        && image
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c))
        && !image.contains("//")
        && !image.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Error;

    fn on(ids: impl IntoIterator<Item = u128>) -> ServerTarget {
        let server = |id| ServerName {
            id: Uuid::from_u128(id),
            name: format!("server {id}"),
        };
        ServerTarget {
            servers: ids.into_iter().map(server).collect(),
            max_parallel: None,
        }
    }

    fn faults(kind: EventKind, target: &ServerTarget) -> Vec<(UserErrorCode, String)> {
        let mut checks = Checks::default();
        target.check(kind, &mut checks);
        match checks.done() {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|e| (e.code, e.field.join("."))).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn one_to_a_hundred_servers_are_chosen_each_once_and_only_for_scripts() {
        use UserErrorCode::{Invalid, Required, Taken, TooLong};
        let fault = |code, field: &str| vec![(code, field.to_owned())];
        for kind in [EventKind::Bash, EventKind::Python, EventKind::Nodejs] {
            assert!(faults(kind, &on(0..100)).is_empty(), "{kind:?}");
        }
        let servers = "target.servers.servers";
        assert_eq!(faults(EventKind::Bash, &on([])), fault(Required, servers));
        assert_eq!(faults(EventKind::Bash, &on(0..101)), fault(TooLong, servers));
        assert_eq!(
            faults(EventKind::Bash, &on([1, 2, 1])),
            fault(Taken, "target.servers.servers.2")
        );
        assert_eq!(
            faults(EventKind::HttpRequest, &on([1])),
            fault(Invalid, "target.servers")
        );
        for (most, good) in [(0, false), (1, true), (100, true), (101, false)] {
            let target = ServerTarget {
                max_parallel: Some(most),
                ..on([1])
            };
            assert_eq!(faults(EventKind::Bash, &target).is_empty(), good, "{most}");
        }
    }

    #[test]
    fn another_name_is_no_other_server_and_another_order_is_another_target() {
        let mut renamed = on([1, 2]);
        "another".clone_into(&mut renamed.servers[0].name);
        assert_eq!(renamed, on([1, 2]));
        assert_ne!(on([2, 1]), on([1, 2]));
    }

    #[test]
    fn what_is_stored_can_be_asked_for_by_id() {
        let stored = serde_json::to_value(on([7])).unwrap();
        let server = serde_json::json!({ "id": Uuid::from_u128(7), "name": "server 7" });
        let expected = serde_json::json!({ "servers": [server], "maxParallel": null });
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_value::<ServerTarget>(stored).unwrap(), on([7]));
    }
}
