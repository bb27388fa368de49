//! How much each caller may ask for.

use std::sync::Arc;

use clap::Args;

use crate::kernel::{Clock, Result};
use crate::rate::{Buckets, Quota, Rates, SharedBuckets, Valkey};

use super::given::Given;

/// Of one who is signed in. A page of the dashboard costs some hundreds.
const SIGNED_IN: u64 = 300_000;
const ANONYMOUS: u64 = 30_000;
/// Of a script that runs: fifty a second, and a minute's worth at once.
const RUNTIME: u64 = 3_000;

/// Rate limits, in query cost a minute; docs/api.md says what an operation costs.
#[derive(Debug, Clone, Args)]
pub struct RateConfig {
    /// Query cost a minute of each user; 0: no limit.
    #[arg(long, env = "CRONIUM_RATE_LIMIT", default_value_t = Given::of(SIGNED_IN))]
    pub rate_limit: Given,

    /// Query cost a minute of each address that nobody is signed in from; 0: no limit.
    #[arg(long, env = "CRONIUM_RATE_LIMIT_ANONYMOUS", default_value_t = Given::of(ANONYMOUS))]
    pub rate_limit_anonymous: Given,

    /// Runtime calls a minute of each execution; 0: no limit.
    #[arg(long, env = "CRONIUM_RUNTIME_RATE_LIMIT", default_value_t = Given::of(RUNTIME))]
    pub runtime_rate_limit: Given,

    /// Valkey (or Redis) that servers share these limits through, and tell each other what happens; none: each
    /// server counts by itself, and sees what others did by looking.
    #[arg(long, env = "VALKEY_URL", hide_env_values = true)]
    pub valkey_url: Option<String>,
}

impl RateConfig {
    /// The product's own values, whatever the environment says.
    pub fn standard() -> Self {
        Self {
            rate_limit: Given::of(SIGNED_IN),
            rate_limit_anonymous: Given::of(ANONYMOUS),
            runtime_rate_limit: Given::of(RUNTIME),
            valkey_url: None,
        }
    }

    /// Adds what is wrong.
    pub fn problems(&self, found: &mut Vec<String>) {
        let most = 0..=100_000_000;
        self.rate_limit.check("CRONIUM_RATE_LIMIT", most.clone(), found);
        self.rate_limit_anonymous
            .check("CRONIUM_RATE_LIMIT_ANONYMOUS", most.clone(), found);
        self.runtime_rate_limit
            .check("CRONIUM_RUNTIME_RATE_LIMIT", most, found);
        if let Err(problem) = self.valkey() {
            found.push(format!(
                "VALKEY_URL must be like redis://user:password@host:6379/0: {}",
                problem.private_text()
            ));
        }
    }

    fn valkey(&self) -> Result<Option<Valkey>> {
        self.valkey_url.as_deref().map(Valkey::new).transpose()
    }

    /// Where the buckets are; None: in this process.
    pub fn buckets(&self, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Buckets>>> {
        let shared = |valkey| Arc::new(SharedBuckets::new(valkey, clock)) as Arc<dyn Buckets>;
        Ok(self.valkey()?.map(shared))
    }

    /// Of each execution's runtime calls; None: no limit.
    pub fn runtime(&self) -> Option<Quota> {
        quota(&self.runtime_rate_limit)
    }

    pub fn rates(&self) -> Rates {
        Rates {
            signed_in: quota(&self.rate_limit),
            anonymous: quota(&self.rate_limit_anonymous),
        }
    }
}

fn quota(given: &Given) -> Option<Quota> {
    Some(Quota(given.number())).filter(|quota| quota.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_leads_nowhere_is_said_without_its_password() {
        for (url, fits) in [
            ("redis://127.0.0.1", true),
            ("valkey://someone:secret@valkey.example:6380/2", true),
            ("redis+unix:///run/valkey.sock", true),
            ("http://someone:secret@valkey.example", false),
            ("secret", false),
        ] {
            let config = RateConfig {
                valkey_url: Some(url.into()),
                ..RateConfig::standard()
            };
            let mut found = Vec::new();
            config.problems(&mut found);
            assert_eq!(found.is_empty(), fits, "{url}: {found:?}");
            assert!(!found.concat().contains("secret"), "{found:?}");
        }
    }
}
