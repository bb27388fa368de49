//! What the orchestrator is told at its start, from arguments and environment.
//! It must not know how any of it is used.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use cronium_protocol::agent::{MAX_LABELS, is_label};

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

impl FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

/// What an orchestrator offers; in alphabetical order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(pub Vec<String>);

/// What is wrong with labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error(
        "{0:?} is not a label: write 1 to 63 of a-z, 0-9 and . _ = -, \
         beginning with a letter or digit, such as gpu or region=eu-1"
    )]
    Word(String),
    #[error("there are {0} labels, and at most {MAX_LABELS} are allowed")]
    Many(usize),
}

impl FromStr for Labels {
    type Err = LabelError;

    /// Labels with commas between them; nothing is none.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut labels: Vec<String> = words.map(str::to_owned).collect();
        if let Some(wrong) = labels.iter().find(|label| !is_label(label)) {
            return Err(LabelError::Word(wrong.clone()));
        }
        labels.sort_unstable();
        labels.dedup();
        if labels.len() > MAX_LABELS {
            return Err(LabelError::Many(labels.len()));
        }
        Ok(Self(labels))
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
    /// Executions at the same time that run here.
    #[arg(long, env = "CRONIUM_CAPACITY", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub capacity: u32,
    /// Executions on servers at the same time. They take none of the places above: what they cost this machine is a
    /// connection, and what passes over it.
    #[arg(
        long,
        env = "CRONIUM_SERVER_CAPACITY",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=1024)
    )]
    pub server_capacity: u32,
    /// What this orchestrator offers: labels with commas between them, e.g. gpu,region=eu-1. Events that ask for labels
    /// run only where all of them are; it also runs events that ask for none.
    #[arg(long, env = "CRONIUM_LABELS", default_value = "")]
    pub labels: Labels,
    /// Containers that may wait ahead of jobs, so that these start at once; as many as executions at the same time
    /// when not given. 0: each job makes its own.
    #[arg(long, env = "CRONIUM_AHEAD", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub ahead: Option<u32>,
    /// The static runner binary that is put into containers and onto servers. Runners for servers with other processors
    /// stand beside it, named after what `uname -m` says there, e.g. cronium-runner-aarch64.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_with_commas_between_them() {
        let labels = |text: &str| text.parse::<Labels>().map(|labels| labels.0);
        assert_eq!(labels(""), Ok(Vec::new()));
        assert_eq!(
            labels(" region=eu-1, gpu ,gpu,"),
            Ok(vec!["gpu".to_owned(), "region=eu-1".to_owned()])
        );
        for wrong in ["GPU", "-gpu", "a b", "é"] {
            assert_eq!(labels(wrong), Err(LabelError::Word(wrong.to_owned())));
        }
        let many: Vec<_> = (0..=MAX_LABELS).map(|n| n.to_string()).collect();
        assert_eq!(labels(&many.join(",")), Err(LabelError::Many(MAX_LABELS + 1)));
    }
}
