//! Where a terminal may be opened: servers, and containers in which something runs. Knows no page.

use cynic::QueryBuilder as _;

use super::data::OnServer;
use crate::api::{self, ApiError, schema};
use crate::pages::runs::data::{EventType, JobStatus, Permission};
use crate::session::{self, Scope};

#[derive(cynic::InputObject)]
struct ServerFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct PlacesVariables {
    filter: Option<ServerFilter>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "PlacesVariables")]
struct TerminalServers {
    #[arguments(filter: $filter, first: 20)]
    servers: Servers,
}

crate::api::listed!(Query TerminalServers, PlacesVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct TerminalServerNames {
    #[arguments(first: 100)]
    servers: ServerNames,
}

crate::api::listed!(Query TerminalServerNames, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "ServerConnection")]
struct ServerNames {
    nodes: Vec<ServerName>,
}

/// A server, and how it is called.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Server")]
pub struct ServerName {
    pub id: cynic::Id,
    pub name: String,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "ServerConnection")]
struct Servers {
    nodes: Vec<Server>,
}

/// A server that a terminal may be opened on.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Server {
    pub id: cynic::Id,
    pub name: String,
    pub address: String,
    pub username: String,
}

#[derive(cynic::InputObject)]
struct JobFilter {
    status: Option<Vec<JobStatus>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct RunningVariables {
    filter: Option<JobFilter>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "RunningVariables")]
struct TerminalJobs {
    #[arguments(filter: $filter, first: 20)]
    jobs: Jobs,
}

crate::api::listed!(Query TerminalJobs, RunningVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "JobConnection")]
struct Jobs {
    nodes: Vec<RunningJob>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct RunningJob {
    number: i32,
    title: String,
    event_version: Version,
    executions: Vec<RunningExecution>,
    viewer_can: Vec<Permission>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
struct Version {
    #[cynic(rename = "type")]
    kind: EventType,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Execution")]
struct RunningExecution {
    id: cynic::Id,
    status: JobStatus,
    server: Option<OnServer>,
}

/// A container that a terminal may be opened in.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    pub execution: cynic::Id,
    pub name: String,
}

/// The containers of jobs in which something runs that the viewer may change.
fn containers(jobs: Vec<RunningJob>) -> Vec<Container> {
    let mut found = Vec::new();
    for job in jobs {
        if job.event_version.kind == EventType::HttpRequest || !job.viewer_can.contains(&Permission::Cancel) {
            continue;
        }
        let running = job.executions.into_iter();
        found.extend(
            running
                .filter(|one| one.status == JobStatus::Running && one.server.is_none())
                .map(|one| Container {
                    execution: one.id,
                    name: format!("#{} {}", job.number, job.title),
                }),
        );
    }
    found
}

/// Where a terminal may be opened.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Places {
    pub servers: Vec<Server>,
    pub containers: Vec<Container>,
}

/// The first few places that a text fits, as far as the viewer may see them.
pub async fn places(text: &str) -> Result<Places, ApiError> {
    let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut found = Places::default();
    if session::may(Scope::ReadServers) {
        found.servers = servers(text.clone()).await?;
    }
    if session::may(Scope::ReadJobs) {
        let filter = Some(JobFilter {
            status: Some(vec![JobStatus::Running]),
            text,
        });
        let jobs = api::run(TerminalJobs::build(RunningVariables { filter }))
            .await?
            .jobs;
        found.containers = containers(jobs.nodes);
    }
    Ok(found)
}

/// The first few servers that a text fits.
async fn servers(text: Option<String>) -> Result<Vec<Server>, ApiError> {
    let filter = Some(ServerFilter { text });
    let found = api::run(TerminalServers::build(PlacesVariables { filter })).await?;
    Ok(found.servers.nodes)
}

/// As many servers as one page of the API has; none for whoever may not see them.
pub async fn server_names() -> Result<Vec<ServerName>, ApiError> {
    if !session::may(Scope::ReadServers) {
        return Ok(Vec::new());
    }
    let found = api::run(TerminalServerNames::build(())).await?;
    Ok(found.servers.nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: EventType, can: Vec<Permission>, executions: Vec<RunningExecution>) -> RunningJob {
        RunningJob {
            number: 7,
            title: "Backup".to_owned(),
            event_version: Version { kind },
            executions,
            viewer_can: can,
        }
    }

    fn execution(id: &str, status: JobStatus, server: Option<&str>) -> RunningExecution {
        RunningExecution {
            id: id.into(),
            status,
            server: server.map(|name| OnServer {
                id: name.into(),
                name: name.to_owned(),
            }),
        }
    }

    #[test]
    fn only_what_runs_in_a_container_and_may_be_changed_is_offered() {
        let all = || {
            vec![
                execution("ended", JobStatus::Failed, None),
                execution("there", JobStatus::Running, None),
                execution("elsewhere", JobStatus::Running, Some("web-1")),
            ]
        };
        let found = containers(vec![
            job(EventType::Bash, vec![Permission::Cancel], all()),
            job(EventType::Bash, vec![Permission::Read], all()),
            job(EventType::HttpRequest, vec![Permission::Cancel], all()),
        ]);
        assert_eq!(
            found,
            vec![Container {
                execution: "there".into(),
                name: "#7 Backup".to_owned()
            }]
        );
    }
}
