//! What the orchestrator is told at its start, from arguments and environment.
//! It must not know how any of it is used.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::allow::AllowList;

/// A value that is never printed.
#[derive(Clone)]
pub struct Hidden(String);

impl Hidden {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

/// Command line and environment of `cronium-orchestrator`.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "cronium-orchestrator",
    version,
    about = "Runs Cronium's executions in containers"
)]
pub struct Config {
    /// The server's agent endpoint, e.g. ws://127.0.0.1:8080/agent.
    #[arg(long, env = "CRONIUM_AGENT_URL")]
    pub agent_url: String,
    /// Key that server and orchestrators share; sent as bearer token.
    #[arg(long, env = "INTERNAL_API_KEY", hide_env_values = true)]
    pub internal_api_key: Hidden,
    /// Postgres whose role sees only the apalis schema; without it the server's own wake-ups drive claims.
    #[arg(long, env = "CRONIUM_APALIS_URL", hide_env_values = true)]
    pub apalis_url: Option<Hidden>,
    /// Directory that keeps the orchestrator's identity and its runs over restarts.
    #[arg(long, env = "CRONIUM_STATE_DIR")]
    pub state_dir: PathBuf,
    /// Name shown to people.
    #[arg(long, env = "CRONIUM_NAME", default_value = "orchestrator")]
    pub name: String,
    /// Executions at the same time.
    #[arg(long, env = "CRONIUM_CAPACITY", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub capacity: u32,
    /// Containers that may wait ahead of jobs, so that these start at once; as many as executions at the same time
    /// when not given. 0: each job makes its own.
    #[arg(long, env = "CRONIUM_AHEAD", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub ahead: Option<u32>,
    /// The static runner binary that is put into containers.
    #[arg(long, env = "CRONIUM_RUNNER")]
    pub runner: PathBuf,
    /// Image of executions that don't name one.
    #[arg(long, env = "CRONIUM_EXEC_IMAGE", default_value = "cronium/exec:1")]
    pub exec_image: String,
    /// The Docker engine; default: the local socket.
    #[arg(long, env = "DOCKER_HOST")]
    pub docker_host: Option<String>,
    /// Private addresses that jobs with a network may reach: IPv4 addresses or networks with an optional port and
    /// commas between them, e.g. 10.0.0.5:5432,192.168.7.0/24. Without it they reach only public ones.
    #[arg(long, env = "CRONIUM_NETWORK_ALLOW", default_value = "")]
    pub network_allow: AllowList,
    /// Loopback address of /metrics, /livez and /readyz.
    #[arg(long, env = "CRONIUM_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Log filter, e.g. info,cronium_orchestrator=debug.
    #[arg(long, env = "CRONIUM_LOG", default_value = "info")]
    pub log: String,
    /// `json` for logs as JSON, anything else for text.
    #[arg(long, env = "CRONIUM_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// Where spans are sent over OTLP/HTTP, e.g. http://127.0.0.1:4318.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// How long a stopping orchestrator waits for running executions before it leaves them to its successor.
    #[arg(long, env = "CRONIUM_DRAIN_SECS", default_value_t = 10)]
    pub drain_secs: u64,
    /// Leave at once when stdin closes: the parent process is gone.
    #[arg(long)]
    pub exit_with_parent: bool,
}
