//! Batched loading of what uses variables.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;

use crate::events::EventRow;

use super::service::Variables;
use super::usage::Used;

/// Loads the events that use variables.
#[derive(Debug)]
pub struct UsageLoader(pub Variables);

impl Loader<Used> for UsageLoader {
    type Value = Vec<EventRow>;
    type Error = String;

    async fn load(&self, keys: &[Used]) -> Result<HashMap<Used, Vec<EventRow>>, String> {
        self.0.used(keys).await.map_err(|e| e.private_text())
    }
}
