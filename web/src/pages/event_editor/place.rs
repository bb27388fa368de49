//! Where a version runs, as the contract has it: in a container or on servers, and the servers that there are to choose
//! from. Knows no page.

use cynic::QueryBuilder as _;

use super::draft::servers::{Chosen, OnServers};
use super::draft::{Checked, Draft};
use crate::api::{self, ApiError, schema};
use crate::pages::servers::data::{ServerFilter, place};
use crate::pages::servers::status::ServerStatus;
use crate::pages::targets::ServerName;

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    None,
    Bridge,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ContainerTarget {
    pub image: Option<String>,
    pub memory_bytes: f64,
    pub cpus: f64,
    pub pids: i32,
    pub network: NetworkMode,
}

/// Where somebody signs in.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Host {
    pub address: String,
    pub port: i32,
    pub username: String,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ServerReference {
    pub id: cynic::Id,
    pub name: String,
    pub server: Option<Host>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ServerTarget {
    pub servers: Vec<ServerReference>,
    pub max_parallel: Option<i32>,
}

/// Where a version runs.
#[derive(cynic::InlineFragments, Clone, Debug, PartialEq)]
pub enum TargetConfig {
    Container(ContainerTarget),
    Servers(ServerTarget),
    /// What only a newer server knows.
    #[cynic(fallback)]
    Other,
}

impl TargetConfig {
    pub fn container(&self) -> Option<&ContainerTarget> {
        match self {
            Self::Container(container) => Some(container),
            Self::Servers(_) | Self::Other => None,
        }
    }

    pub fn servers(&self) -> Option<&ServerTarget> {
        match self {
            Self::Servers(target) => Some(target),
            Self::Container(_) | Self::Other => None,
        }
    }

    /// The servers by their names; none for what runs elsewhere.
    pub fn names(&self) -> Vec<ServerName> {
        let name = |one: &ServerReference| ServerName {
            id: one.id.clone(),
            name: one.name.clone(),
        };
        let servers = self.servers().map(|target| &target.servers);
        servers.into_iter().flatten().map(name).collect()
    }

    /// The servers as a form.
    pub fn typed(&self) -> OnServers {
        let Some(target) = self.servers() else {
            return OnServers::default();
        };
        let chosen = |one: &ServerReference| Chosen {
            id: one.id.inner().to_owned(),
            name: one.name.clone(),
            place: one
                .server
                .as_ref()
                .map(|host| place(&host.username, &host.address, host.port))
                .unwrap_or_default(),
        };
        OnServers {
            on: true,
            chosen: target.servers.iter().map(chosen).collect(),
            max_parallel: target
                .max_parallel
                .map(|most| most.to_string())
                .unwrap_or_default(),
        }
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ContainerTargetInput {
    image: Option<String>,
    memory_bytes: Option<f64>,
    cpus: Option<f64>,
    pids: Option<i32>,
    network: Option<NetworkMode>,
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ServerTargetInput {
    servers: Vec<cynic::Id>,
    max_parallel: Option<i32>,
}

#[derive(cynic::InputObject, Clone, Debug)]
pub enum TargetInput {
    Container(ContainerTargetInput),
    Servers(ServerTargetInput),
}

/// Where a form says that it runs; None for a request, which has no place: what a script had stays.
pub fn input(draft: &Draft, checked: &Checked) -> Option<TargetInput> {
    if checked.http.is_some() {
        return None;
    }
    let Some(on) = &checked.servers else {
        return Some(TargetInput::Container(ContainerTargetInput {
            image: checked.image.clone(),
            memory_bytes: Some(checked.memory_bytes),
            cpus: Some(checked.cpus),
            pids: Some(checked.pids),
            network: Some(if draft.network {
                NetworkMode::Bridge
            } else {
                NetworkMode::None
            }),
        }));
    };
    Some(TargetInput::Servers(ServerTargetInput {
        servers: on.ids.iter().map(|id| id.as_str().into()).collect(),
        max_parallel: on.max_parallel,
    }))
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "User")]
pub struct Owner {
    pub id: cynic::Id,
}

/// A server that a script may run on.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Choice {
    pub id: cynic::Id,
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
    pub tags: Vec<String>,
    pub status: ServerStatus,
    pub shared: bool,
    pub owner: Option<Owner>,
}

impl Choice {
    /// Whether events of this person may run on it.
    pub fn is_for(&self, owner: &str) -> bool {
        self.shared || self.owner.as_ref().is_some_and(|own| own.id.inner() == owner)
    }

    pub fn place(&self) -> String {
        place(&self.username, &self.address, self.port)
    }

    pub fn chosen(&self) -> Chosen {
        Chosen {
            id: self.id.inner().to_owned(),
            name: self.name.clone(),
            place: self.place(),
        }
    }
}

#[derive(cynic::QueryVariables)]
struct ChoicesVariables {
    filter: Option<ServerFilter>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "PageInfo")]
struct More {
    has_next_page: bool,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerConnection")]
struct Choices {
    nodes: Vec<Choice>,
    page_info: More,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ChoicesVariables")]
struct ServerChoices {
    #[arguments(filter: $filter, first: 100)]
    servers: Choices,
}

crate::api::listed!(Query ServerChoices, ChoicesVariables);

/// Servers that a text fits, by name, and whether there are more of them.
pub async fn choices(text: &str) -> Result<(Vec<Choice>, bool), ApiError> {
    let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = Some(ServerFilter {
        text,
        ..ServerFilter::default()
    });
    let found = api::run(ServerChoices::build(ChoicesVariables { filter }))
        .await?
        .servers;
    Ok((found.nodes, found.page_info.has_next_page))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Servers by their names, which are their ids; `gone` are those that are there no more.
    pub fn on(names: &[&str], gone: &[&str], max_parallel: Option<i32>) -> TargetConfig {
        let server = |name: &&str| ServerReference {
            id: (*name).into(),
            name: (*name).to_owned(),
            server: (!gone.contains(name)).then(|| Host {
                address: "192.0.2.7".to_owned(),
                port: 22,
                username: "ops".to_owned(),
            }),
        };
        TargetConfig::Servers(ServerTarget {
            servers: names.iter().map(server).collect(),
            max_parallel,
        })
    }

    #[test]
    fn servers_that_are_shown_and_sent_again_are_the_same() {
        let draft = Draft {
            name: "a".to_owned(),
            servers: on(&["web", "db"], &["db"], Some(1)).typed(),
            ..Draft::default()
        };
        let places: Vec<&str> = draft
            .servers
            .chosen
            .iter()
            .map(|one| one.place.as_str())
            .collect();
        assert_eq!(places, ["ops@192.0.2.7:22", ""], "what is gone has no place");
        let checked = draft.check(true).unwrap();
        let sent = serde_json::to_value(input(&draft, &checked)).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({"servers": {"servers": ["web", "db"], "maxParallel": 1}})
        );
    }

    #[test]
    fn a_container_is_sent_as_one_and_a_request_runs_nowhere() {
        let mut draft = Draft {
            name: "a".to_owned(),
            network: true,
            ..Draft::default()
        };
        let checked = draft.check(true).unwrap();
        let sent = serde_json::to_value(input(&draft, &checked)).unwrap();
        assert_eq!(sent["container"]["network"], "BRIDGE");
        assert_eq!(sent["container"]["pids"], 128);
        draft.language = super::super::draft::HTTP.to_owned();
        draft.http.url = "https://example.test".to_owned();
        let checked = draft.check(true).unwrap();
        assert!(input(&draft, &checked).is_none());
    }

    #[test]
    fn a_server_is_for_its_owner_and_when_it_is_shared_for_everybody() {
        let mut one = Choice {
            id: "web".into(),
            name: "web".to_owned(),
            address: "192.0.2.7".to_owned(),
            port: 22,
            username: "ops".to_owned(),
            tags: Vec::new(),
            status: ServerStatus::Online,
            shared: false,
            owner: Some(Owner { id: "marta".into() }),
        };
        assert!(one.is_for("marta") && !one.is_for("ana"));
        one.shared = true;
        assert!(one.is_for("ana"));
    }
}
