//! Reverse proxies in front of the server: whose word counts about who calls.

use clap::Args;

use crate::transport::graphql::proxies::Proxies;

/// Proxies.
#[derive(Debug, Clone, Default, Args)]
pub struct ProxiesConfig {
    /// Addresses or networks of reverse proxies whose `X-Forwarded-For` is believed (comma-separated).
    #[arg(long, env = "CRONIUM_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
}

impl ProxiesConfig {
    /// Adds what is wrong.
    pub fn problems(&self, found: &mut Vec<String>) {
        for text in &self.trusted_proxies {
            if Proxies::parse([text]).is_none() {
                found.push(format!(
                    "CRONIUM_TRUSTED_PROXIES: `{text}` is no address (192.0.2.1) or network (192.0.2.0/24)"
                ));
            }
        }
    }

    pub fn proxies(&self) -> Proxies {
        Proxies::parse(&self.trusted_proxies).unwrap_or_default()
    }
}
