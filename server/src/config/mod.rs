//! Typed configuration from flags and environment. All problems are reported at once; nothing else in
//! the server reads the environment.

pub mod given;
pub mod graphql;
pub mod keys;
pub mod persisted;
pub mod proxies;
pub mod rate;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use graphql::GraphqlConfig;
use persisted::PersistedConfig;
use proxies::ProxiesConfig;
use rate::RateConfig;

/// Options of `cronium serve` and of the commands that need the database.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the dashboard and the API.
    #[arg(long, env = "CRONIUM_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where this installation keeps its data and keys.
    #[arg(long, env = "CRONIUM_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Postgres to use; without it a private one runs in the data directory.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Directory with Postgres' programs (initdb, postgres, pg_ctl); found by itself where it is usual.
    #[arg(long, env = "CRONIUM_POSTGRES_BIN")]
    pub postgres_bin: Option<PathBuf>,

    /// The built dashboard.
    #[arg(long, env = "CRONIUM_WEB_DIR", default_value = "web/dist")]
    pub web_dir: PathBuf,

    /// The address that people use in their browser, when it is not the listening one.
    #[arg(long, env = "CRONIUM_PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Other origins whose pages may call the API (comma-separated).
    #[arg(long, env = "CRONIUM_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// 64 hex digits; made in the data directory at the first start when absent. Several, the newest first and
    /// apart by commas, while the key is being changed.
    #[arg(long, env = "CRONIUM_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,

    /// Shared secret of server and orchestrators, at least 32 characters; made when absent.
    #[arg(long, env = "INTERNAL_API_KEY", hide_env_values = true)]
    pub internal_api_key: Option<String>,

    /// The orchestrator's program; it runs as a child.
    #[arg(long, env = "CRONIUM_ORCHESTRATOR")]
    pub orchestrator: Option<PathBuf>,

    /// Orchestrators run elsewhere: start none here.
    #[arg(long, env = "CRONIUM_NO_ORCHESTRATOR")]
    pub no_orchestrator: bool,

    /// The static runner that is put into containers.
    #[arg(long, env = "CRONIUM_RUNNER")]
    pub runner: Option<PathBuf>,

    /// Image of containers that ask for none.
    #[arg(long, env = "CRONIUM_EXEC_IMAGE", default_value = "cronium/exec:1")]
    pub exec_image: String,

    /// Executions at a time in the child orchestrator.
    #[arg(long, env = "CRONIUM_CAPACITY", default_value_t = 4)]
    pub capacity: u32,

    /// OTLP/HTTP endpoint for traces; none: no traces leave.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    #[command(flatten)]
    pub graphql: GraphqlConfig,

    #[command(flatten)]
    pub persisted: PersistedConfig,

    #[command(flatten)]
    pub rate: RateConfig,

    #[command(flatten)]
    pub proxies: ProxiesConfig,
}

impl Config {
    /// Everything that is wrong with the configuration, in words that say what to do.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(key) = &self.master_key
            && keys::parse_keys(key).is_err()
        {
            found.push(
                "CRONIUM_MASTER_KEY must be 64 hex digits, and no pattern (try: openssl rand -hex 32)".into(),
            );
        }
        if let Some(key) = &self.internal_api_key
            && (key.len() < 32 || keys::is_pattern(key))
        {
            found
                .push("INTERNAL_API_KEY must have at least 32 characters, and be no pattern (try: openssl rand -hex 32)".into());
        }
        if let Some(url) = &self.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            found.push("CRONIUM_PUBLIC_URL must begin with http:// or https://".into());
        }
        if self.capacity == 0 {
            found.push("CRONIUM_CAPACITY must be at least 1".into());
        }
        if !self.listen.ip().is_loopback() && self.public_url.is_none() {
            found.push(
                "CRONIUM_LISTEN is not a loopback address: set CRONIUM_PUBLIC_URL to the address that people use, \
                 so that cookies and origins can be checked"
                    .into(),
            );
        }
        self.graphql.problems(&mut found);
        self.persisted.problems(&self.web_dir, &mut found);
        self.rate.problems(&mut found);
        self.proxies.problems(&mut found);
        found
    }

    /// Whether cookies are to be `Secure`.
    pub fn https(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }
}

/// 32 bytes from 64 hex digits; one with too few different bytes is refused.
pub fn parse_key(hex: &str) -> Option<[u8; 32]> {
    let hex = hex.trim();
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    let distinct: std::collections::BTreeSet<u8> = key.iter().copied().collect();
    (distinct.len() >= 8).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::parse_key;

    #[test]
    fn a_default_or_short_key_is_refused() {
        assert!(parse_key(&"0".repeat(64)).is_none());
        assert!(parse_key("abcd").is_none());
        assert!(parse_key(&"0f".repeat(32)).is_none());
        let key: [u8; 32] = std::array::from_fn(|n| n as u8);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(parse_key(&hex), Some(key));
    }
}
