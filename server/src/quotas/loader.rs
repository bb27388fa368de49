//! Batched loading of people's quotas.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;

use crate::kernel::ids::UserId;

use super::model::{Limits, Usage};
use super::service::Quotas;

/// Loads the limits of people and what they have.
#[derive(Debug)]
pub struct QuotaLoader(pub Quotas);

impl Loader<UserId> for QuotaLoader {
    type Value = (Limits, Usage);
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Self::Value>, String> {
        self.0.of(keys).await.map_err(|e| e.private_text())
    }
}
