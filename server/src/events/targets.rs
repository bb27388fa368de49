//! Where scripts run, in the API: in containers, or on servers.

use async_graphql::{Enum, ID, InputObject, OneofObject, SimpleObject, Union};

use crate::kernel::Result;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::ServerId;
use crate::servers::ServerReference;

use super::choice::NO_SUCH_SERVER;
use super::model::{SERVERS, ServerName, ServerTarget as Servers, Target};

/// Whether a container has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum NetworkMode {
    /// None at all.
    None,
    /// A network of its own, with a way out.
    Bridge,
}

/// The container; what is absent takes its default.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ContainerTargetInput {
    /// Image; null: the installation's execution image.
    pub image: Option<String>,
    /// 32 MiB to 64 GiB; 512 MiB by default.
    pub memory_bytes: Option<f64>,
    /// 0.05 to 64; 1 by default.
    pub cpus: Option<f64>,
    /// Process limit, 8 to 4096; 128 by default.
    pub pids: Option<i32>,
    /// NONE by default.
    pub network: Option<NetworkMode>,
}

impl From<ContainerTargetInput> for Target {
    fn from(t: ContainerTargetInput) -> Self {
        let default = Self::default();
        Self {
            image: t
                .image
                .map(|image| image.trim().to_owned())
                .filter(|image| !image.is_empty()),
            memory_bytes: t.memory_bytes.map_or(default.memory_bytes, |bytes| bytes as i64),
            cpu_millis: t
                .cpus
                .map_or(default.cpu_millis, |cpus| (cpus * 1000.0).round() as i32),
            pids: t.pids.unwrap_or(default.pids),
            network: t.network == Some(NetworkMode::Bridge),
        }
    }
}

/// Servers to run on.
#[derive(Debug, Clone, InputObject)]
pub struct ServerTargetInput {
    /// 1 to 100 servers that the event's owner may use, each once.
    pub servers: Vec<ID>,
    /// So many at a time, 1 to 100; null: all at once.
    pub max_parallel: Option<i32>,
}

/// Where a script is to run.
#[derive(Debug, Clone, OneofObject)]
pub enum TargetInput {
    /// In a container of its own.
    Container(ContainerTargetInput),
    /// On servers.
    Servers(ServerTargetInput),
}

impl TargetInput {
    /// The container; or servers, whose names are yet to be looked up, beside a container that is at its defaults. What
    /// is no id of a server is refused where it stands.
    pub fn parts(self) -> Result<(Target, Option<Servers>)> {
        let given = match self {
            Self::Container(container) => return Ok((container.into(), None)),
            Self::Servers(given) => given,
        };
        let mut checks = Checks::default();
        let mut servers = Vec::new();
        for (index, id) in given.servers.iter().enumerate() {
            match ServerId::parse(id) {
                Ok(id) => servers.push(ServerName::unnamed(id.0)),
                Err(_) => {
                    let field = format!("{SERVERS}.{index}");
                    checks.add(UserErrorCode::NotFound, &field, NO_SUCH_SERVER);
                }
            }
        }
        checks.done()?;
        let max_parallel = given.max_parallel;
        let servers = Servers {
            servers,
            max_parallel,
        };
        Ok((Target::default(), Some(servers)))
    }
}

/// The container that a script runs in.
#[derive(Debug, Clone, SimpleObject)]
pub struct ContainerTarget {
    /// Image; null: the installation's execution image.
    image: Option<String>,
    /// Memory limit in bytes.
    memory_bytes: f64,
    /// Processors.
    cpus: f64,
    /// Process limit.
    pids: i32,
    /// Network.
    network: NetworkMode,
}

impl From<Target> for ContainerTarget {
    fn from(t: Target) -> Self {
        let network = if t.network {
            NetworkMode::Bridge
        } else {
            NetworkMode::None
        };
        let cpus = f64::from(t.cpu_millis) / 1000.0;
        Self {
            image: t.image,
            memory_bytes: t.memory_bytes as f64,
            cpus,
            pids: t.pids,
            network,
        }
    }
}

/// Servers that a script runs on, each by itself.
#[derive(Debug, Clone, SimpleObject)]
pub struct ServerTarget {
    /// At least one, in the order in which they were given.
    servers: Vec<ServerReference>,
    /// So many at a time; null: all at once.
    max_parallel: Option<i32>,
}

impl From<Servers> for ServerTarget {
    fn from(target: Servers) -> Self {
        let reference = |ServerName { id, name }| ServerReference::new(id, name);
        Self {
            servers: target.servers.into_iter().map(reference).collect(),
            max_parallel: target.max_parallel,
        }
    }
}

/// Where a script runs.
#[derive(Debug, Clone, Union)]
pub enum TargetConfig {
    Container(ContainerTarget),
    Servers(ServerTarget),
}
