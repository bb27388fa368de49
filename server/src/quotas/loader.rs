//! Batched loading of people's quotas.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;

use crate::kernel::ids::UserId;

use super::model::{Limits, Usage};
use super::service::Quotas;

/// Loads the limits of people.
#[derive(Debug)]
pub struct LimitsLoader(pub Quotas);

impl Loader<UserId> for LimitsLoader {
    type Value = Limits;
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Limits>, String> {
        self.0.limits_of(keys).await.map_err(|e| e.private_text())
    }
}

/// Counts what people have.
#[derive(Debug)]
pub struct UsageLoader(pub Quotas);

impl Loader<UserId> for UsageLoader {
    type Value = Usage;
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Usage>, String> {
        self.0.usage_of(keys).await.map_err(|e| e.private_text())
    }
}
