//! How much each caller may ask for.

use clap::Args;

use crate::transport::graphql::rate::{Quota, Rates};

use super::given::Given;

/// Of one who is signed in. A page of the dashboard costs some hundreds.
const SIGNED_IN: u64 = 300_000;
const ANONYMOUS: u64 = 30_000;

/// Rate limits, in query cost a minute; docs/api.md says what an operation costs.
#[derive(Debug, Clone, Args)]
pub struct RateConfig {
    /// Query cost a minute of each user; 0: no limit.
    #[arg(long, env = "CRONIUM_RATE_LIMIT", default_value_t = Given::of(SIGNED_IN))]
    pub rate_limit: Given,

    /// Query cost a minute of each address that nobody is signed in from; 0: no limit.
    #[arg(long, env = "CRONIUM_RATE_LIMIT_ANONYMOUS", default_value_t = Given::of(ANONYMOUS))]
    pub rate_limit_anonymous: Given,
}

impl RateConfig {
    /// The product's own values, whatever the environment says.
    pub fn standard() -> Self {
        Self {
            rate_limit: Given::of(SIGNED_IN),
            rate_limit_anonymous: Given::of(ANONYMOUS),
        }
    }

    /// Adds what is wrong.
    pub fn problems(&self, found: &mut Vec<String>) {
        let most = 0..=100_000_000;
        self.rate_limit.check("CRONIUM_RATE_LIMIT", most.clone(), found);
        self.rate_limit_anonymous
            .check("CRONIUM_RATE_LIMIT_ANONYMOUS", most, found);
    }

    pub fn rates(&self) -> Rates {
        let quota = |given: &Given| Some(Quota(given.number())).filter(|quota| quota.0 > 0);
        Rates {
            signed_in: quota(&self.rate_limit),
            anonymous: quota(&self.rate_limit_anonymous),
        }
    }
}
