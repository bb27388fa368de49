//! What the pages of servers ask the API for. Knows no page.

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};

use super::status::{ServerStatus, ServerTrouble};
use crate::api::{self, ApiError, Subscription, Timestamp, schema};
use crate::i18n::t;
use crate::pages::runs::data::{EventRef, PAGE, PageInfo, Permission, Person, Place};

/// How a server lets somebody in.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSignIn {
    Key,
    Password,
}

/// What was found out about a server at a moment.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerCheck")]
pub struct Check {
    pub id: cynic::Id,
    pub at: Timestamp,
    pub reachable: bool,
    pub trouble: Option<ServerTrouble>,
    pub message: Option<String>,
    pub latency_ms: Option<f64>,
    pub system: Option<String>,
    pub machine: Option<String>,
    pub processors: Option<i32>,
    pub load_average: Option<f64>,
    pub memory_used: Option<f64>,
    pub memory_total: Option<f64>,
    pub disk_used: Option<f64>,
    pub disk_total: Option<f64>,
    pub runner_version: Option<String>,
}

fn share(used: Option<f64>, total: Option<f64>) -> Option<f64> {
    let (used, total) = used.zip(total)?;
    (total > 0.0).then(|| used / total)
}

impl Check {
    /// Whether all went well.
    pub fn is_good(&self) -> bool {
        self.reachable && self.trouble.is_none()
    }

    pub fn memory(&self) -> Option<f64> {
        share(self.memory_used, self.memory_total)
    }

    pub fn disk(&self) -> Option<f64> {
        share(self.disk_used, self.disk_total)
    }

    /// The load against what the processors can carry.
    pub fn load(&self) -> Option<f64> {
        share(self.load_average, self.processors.map(f64::from))
    }
}

/// A server that others speak of: the one on the way, or one that is reached through this one.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Hop {
    pub id: cynic::Id,
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
}

impl Hop {
    pub fn place(&self) -> String {
        place(&self.username, &self.address, self.port)
    }
}

/// Who signs in where, as people write it: `deploy@db.example.org:22`.
pub fn place(username: &str, address: &str, port: i32) -> String {
    if address.contains(':') {
        format!("{username}@[{address}]:{port}")
    } else {
        format!("{username}@{address}:{port}")
    }
}

/// A server in the list.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Row {
    pub id: cynic::Id,
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
    pub tags: Vec<String>,
    pub shared: bool,
    pub owner: Option<Person>,
    pub status: ServerStatus,
    pub status_reason: Option<String>,
    pub last_check: Option<Check>,
    pub viewer_can: Vec<Permission>,
}

impl Row {
    pub fn may_change(&self) -> bool {
        self.viewer_can.contains(&Permission::Change)
    }

    /// Nothing is asked of one whose key nobody has confirmed.
    pub fn may_check(&self) -> bool {
        self.may_change() && self.status != ServerStatus::Unconfirmed
    }

    pub fn place(&self) -> String {
        place(&self.username, &self.address, self.port)
    }
}

/// A server with all that its page shows.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct Detail {
    pub id: cynic::Id,
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
    pub tags: Vec<String>,
    pub shared: bool,
    pub owner: Option<Person>,
    pub sign_in: ServerSignIn,
    pub public_key: Option<String>,
    pub host_key_fingerprint: Option<String>,
    pub host_key_algorithm: Option<String>,
    pub jump_server: Option<Hop>,
    pub jump_server_id: Option<cynic::Id>,
    pub jump_for: Vec<Hop>,
    pub status: ServerStatus,
    pub status_reason: Option<String>,
    pub last_check: Option<Check>,
    pub check_interval_seconds: i32,
    pub version: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub viewer_can: Vec<Permission>,
}

impl Detail {
    /// The server on the way, by no more than its id where it may not be seen: what is saved must not lose it.
    pub fn hop(&self) -> Option<Hop> {
        let hidden = |id: &cynic::Id| Hop {
            id: id.clone(),
            name: t("servers.hop_hidden"),
            address: String::new(),
            port: 0,
            username: String::new(),
        };
        let seen = self.jump_server.clone();
        seen.or_else(|| self.jump_server_id.as_ref().map(hidden))
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.viewer_can.contains(&permission)
    }

    pub fn place(&self) -> String {
        place(&self.username, &self.address, self.port)
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerConnection")]
pub struct ServerPage {
    pub nodes: Vec<Row>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq, Default)]
pub struct ServerFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<ServerStatus>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

#[derive(cynic::QueryVariables)]
struct ServersVariables {
    filter: Option<ServerFilter>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ServersVariables")]
struct ServersQuery {
    #[arguments(filter: $filter, first: $first, after: $after, last: $last, before: $before)]
    servers: ServerPage,
}

crate::api::listed!(Query ServersQuery, ServersVariables);

/// A page of servers, by name.
pub async fn page(filter: ServerFilter, place: Place) -> Result<ServerPage, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match place {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let variables = ServersVariables {
        filter: Some(filter),
        first,
        after,
        last,
        before,
    };
    Ok(api::run(ServersQuery::build(variables)).await?.servers)
}

#[derive(cynic::QueryVariables)]
struct HopsVariables {
    filter: Option<ServerFilter>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "ServerConnection")]
struct Hops {
    nodes: Vec<Hop>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "HopsVariables")]
struct HopsQuery {
    #[arguments(filter: $filter, first: 8)]
    servers: Hops,
}

crate::api::listed!(Query HopsQuery, HopsVariables);

/// The first few servers that a text fits, as ways to another.
pub async fn hops(text: &str) -> Result<Vec<Hop>, ApiError> {
    let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = Some(ServerFilter {
        text,
        ..ServerFilter::default()
    });
    let answer = api::run(HopsQuery::build(HopsVariables { filter })).await?;
    Ok(answer.servers.nodes)
}

#[derive(cynic::QueryVariables)]
pub struct ServerVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ServerVariables")]
struct ServerQuery {
    #[arguments(id: $id)]
    server: Option<Detail>,
}

crate::api::listed!(Query ServerQuery, ServerVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Server")]
struct Used {
    used_by: Vec<EventRef>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ServerVariables")]
struct ServerUsage {
    #[arguments(id: $id)]
    server: Option<Used>,
}

crate::api::listed!(Query ServerUsage, ServerVariables);

/// Events that run on a server, as far as the viewer may see them: at most a hundred.
pub async fn used_by(id: &str) -> Result<Vec<EventRef>, ApiError> {
    let variables = ServerVariables { id: id.into() };
    let found = api::run(ServerUsage::build(variables)).await?.server;
    Ok(found.map(|server| server.used_by).unwrap_or_default())
}

/// A server by its id, if the viewer may see it.
pub async fn server(id: &str) -> Result<Option<Detail>, ApiError> {
    let variables = ServerVariables { id: id.into() };
    Ok(api::run(ServerQuery::build(variables)).await?.server)
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription", variables = "ServerVariables")]
pub struct ServerUpdates {
    #[arguments(id: $id)]
    pub server_updated: Detail,
}

crate::api::listed!(Subscription ServerUpdates, ServerVariables);

/// One server after each check and each change.
pub fn updates(id: String) -> Subscription<ServerUpdates> {
    api::subscribe(move || {
        ServerUpdates::build(ServerVariables {
            id: id.as_str().into(),
        })
    })
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Subscription")]
pub struct ServersUpdates {
    pub server_updated: Row,
}

crate::api::listed!(Subscription ServersUpdates, ());

/// Every server that the viewer may see, after each check and each change.
pub fn all_updates() -> Subscription<ServersUpdates> {
    api::subscribe(|| ServersUpdates::build(()))
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerCheckConnection")]
pub struct CheckPage {
    pub nodes: Vec<Check>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

impl CheckPage {
    /// Takes in a check that is newer than all that are here, and keeps at most so many.
    pub fn take(&mut self, check: Check, most: usize) {
        if self.nodes.first().is_none_or(|newest| newest.at < check.at) {
            self.nodes.insert(0, check);
            self.total_count += 1;
            self.nodes.truncate(most);
        }
    }
}

#[derive(cynic::QueryVariables)]
struct ChecksVariables {
    id: cynic::Id,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Server", variables = "ChecksVariables")]
struct Checked {
    #[arguments(first: $first, after: $after, last: $last, before: $before)]
    checks: CheckPage,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ChecksVariables")]
struct ServerChecks {
    #[arguments(id: $id)]
    server: Option<Checked>,
}

crate::api::listed!(Query ServerChecks, ChecksVariables);

/// So many checks of a server, newest first; None where the server is gone.
pub async fn checks(id: &str, place: Place, count: i32) -> Result<Option<CheckPage>, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(count), None, None, None);
    match place {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(count), Some(cursor)),
    }
    let variables = ChecksVariables {
        id: id.into(),
        first,
        after,
        last,
        before,
    };
    let answer = api::run(ServerChecks::build(variables)).await?;
    Ok(answer.server.map(|server| server.checks))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A check at a second, of which nothing is known but this.
    pub fn check(at: i64, trouble: Option<ServerTrouble>) -> Check {
        Check {
            id: at.to_string().into(),
            at: Timestamp::from_timestamp(at, 0).unwrap(),
            reachable: trouble.is_none(),
            trouble,
            message: None,
            latency_ms: None,
            system: None,
            machine: None,
            processors: None,
            load_average: None,
            memory_used: None,
            memory_total: None,
            disk_used: None,
            disk_total: None,
            runner_version: None,
        }
    }

    #[test]
    fn a_place_is_written_as_people_write_it() {
        assert_eq!(place("root", "db.example.org", 22), "root@db.example.org:22");
        assert_eq!(place("ops", "2001:db8::1", 2222), "ops@[2001:db8::1]:2222");
    }

    #[test]
    fn a_share_needs_both_its_figures() {
        let mut one = check(1, None);
        assert_eq!((one.load(), one.memory(), one.disk()), (None, None, None));
        (one.load_average, one.processors) = (Some(2.0), Some(8));
        (one.memory_used, one.memory_total) = (Some(3.0), Some(4.0));
        (one.disk_used, one.disk_total) = (Some(3.0), Some(0.0));
        assert_eq!(
            (one.load(), one.memory(), one.disk()),
            (Some(0.25), Some(0.75), None)
        );
    }

    #[test]
    fn a_check_comes_in_once_and_the_oldest_leaves() {
        let mut page = CheckPage {
            nodes: vec![check(3, None), check(2, None)],
            page_info: PageInfo {
                has_previous_page: false,
                has_next_page: false,
                start_cursor: None,
                end_cursor: None,
            },
            total_count: 2,
        };
        page.take(check(3, None), 2);
        assert_eq!(page.total_count, 2);
        page.take(check(4, Some(ServerTrouble::Silent)), 2);
        let ids: Vec<&str> = page.nodes.iter().map(|one| one.id.inner()).collect();
        assert_eq!((ids, page.total_count), (vec!["4", "3"], 3));
    }
}
