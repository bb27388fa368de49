//! Where events run, as documents have it: a container's settings, or servers by their names, since ids are those of
//! one installation. Knows nothing of who may use which server.

use async_graphql::InputObject;

use crate::events::{ContainerTargetInput, NetworkMode, ServerTarget, Target};
use crate::kernel::error::UserErrorCode;

use super::document::word;
use super::model::{Problem, Tree, Value};

/// What stands under `target`.
#[derive(Debug, InputObject)]
pub struct TargetDocument {
    #[graphql(flatten)]
    container: ContainerTargetInput,
    servers: Option<Vec<String>>,
    max_parallel: Option<i32>,
}

/// Servers as somebody wrote them down.
#[derive(Debug)]
pub struct NamedServers {
    pub names: Vec<String>,
    pub max_parallel: Option<i32>,
}

impl TargetDocument {
    /// The container, and the servers that there are instead of it. What belongs to the other of both is a problem
    /// where it stands, which is at this path.
    pub fn parts(
        self,
        tree: &Tree,
        path: &[String],
        problems: &mut Vec<Problem>,
    ) -> (Target, Option<NamedServers>) {
        let on_servers = self.servers.is_some();
        let written = match &tree.value {
            Value::Map(parts) => parts.as_slice(),
            _ => &[],
        };
        for (key, part) in written {
            let of_servers = ["servers", "maxParallel"].contains(&key.text.as_str());
            if part.value == Value::Null || of_servers == on_servers {
                continue;
            }
            let message = if on_servers {
                "What runs on servers has no container: leave this out."
            } else {
                "This belongs to servers, and there are none here."
            };
            problems.push(Problem {
                code: UserErrorCode::Invalid,
                path: path.iter().cloned().chain([key.text.clone()]).collect(),
                at: key.at,
                message: message.into(),
            });
        }
        let max_parallel = self.max_parallel;
        let servers = self.servers.map(|names| NamedServers { names, max_parallel });
        let target = if on_servers {
            Target::default()
        } else {
            self.container.into()
        };
        (target, servers)
    }
}

/// Where an event runs; None: in a container with nothing special about it.
pub fn tree(target: &Target, servers: Option<&ServerTarget>) -> Option<Tree> {
    match servers {
        Some(servers) => Some(servers_tree(servers)),
        None => (target != &Target::default()).then(|| container_tree(target)),
    }
}

fn servers_tree(target: &ServerTarget) -> Tree {
    let ServerTarget {
        servers,
        max_parallel,
    } = target;
    let names = servers.iter().map(|server| server.name.as_str().into());
    let parts = [
        Some(("servers", Tree::list(names))),
        max_parallel.map(|most| ("maxParallel", i64::from(most).into())),
    ];
    Tree::map(parts.into_iter().flatten())
}

fn container_tree(target: &Target) -> Tree {
    let Target {
        image,
        memory_bytes,
        cpu_millis,
        pids,
        network,
    } = target;
    let network = if *network {
        NetworkMode::Bridge
    } else {
        NetworkMode::None
    };
    let parts = [
        image.as_ref().map(|image| ("image", image.as_str().into())),
        Some(("memoryBytes", (*memory_bytes).into())),
        Some(("cpus", (f64::from(*cpu_millis) / 1000.0).into())),
        Some(("pids", i64::from(*pids).into())),
        Some(("network", word(network))),
    ];
    Tree::map(parts.into_iter().flatten())
}

/// A path into the input of an event as the path into its document, where a container's settings and servers stand in
/// the target itself.
pub fn path(mut field: Vec<String>) -> Vec<String> {
    let within = field.get(2).is_some_and(|part| part == "target") && field.len() > 4;
    if within && ["container", "servers"].contains(&field[3].as_str()) {
        field.remove(3);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_document() {
        for (input, document) in [
            ("events.0.target.container.pids", "events.0.target.pids"),
            ("events.0.target.servers.servers", "events.0.target.servers"),
            ("events.0.target.servers.servers.3", "events.0.target.servers.3"),
            (
                "events.0.target.servers.maxParallel",
                "events.0.target.maxParallel",
            ),
            ("events.0.target.servers", "events.0.target.servers"),
            ("events.0.retry.attempts", "events.0.retry.attempts"),
            ("events", "events"),
        ] {
            let parts = input.split('.').map(str::to_owned).collect();
            assert_eq!(path(parts).join("."), document);
        }
    }
}
