//! Batched loading of what nested fields need: one statement for a whole page.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::kernel::Kernel;

use super::store::{self, EventRow, VersionRow};

/// Loads versions by id.
#[derive(Debug)]
pub struct VersionLoader(pub Kernel);

impl Loader<Uuid> for VersionLoader {
    type Value = VersionRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, VersionRow>, String> {
        let rows = store::versions_by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Loads events by id.
#[derive(Debug)]
pub struct EventLoader(pub Kernel);

impl Loader<Uuid> for EventLoader {
    type Value = EventRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, EventRow>, String> {
        let rows = store::by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}
