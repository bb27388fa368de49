//! Batched loading of what nested fields need.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::kernel::Kernel;

use super::service::Servers;
use super::store::{self, CheckRow, ServerRow};

/// Servers behind one that are loaded.
pub const EACH: i64 = 100;

/// Loads servers by id. Who may see them is asked by who shows them.
#[derive(Debug)]
pub struct ServerLoader(pub Kernel);

impl Loader<Uuid> for ServerLoader {
    type Value = ServerRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, ServerRow>, String> {
        let rows = store::by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Loads checks by id.
#[derive(Debug)]
pub struct CheckLoader(pub Kernel);

impl Loader<Uuid> for CheckLoader {
    type Value = CheckRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, CheckRow>, String> {
        let rows = store::checks_by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The servers that are reached through one, as far as somebody may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Behind {
    pub server: Uuid,
    /// None: may see all.
    pub viewer: Option<Uuid>,
}

/// Loads the servers that are reached through others.
#[derive(Debug)]
pub struct BehindLoader(pub Servers);

impl Loader<Behind> for BehindLoader {
    type Value = Vec<ServerRow>;
    type Error = String;

    async fn load(&self, keys: &[Behind]) -> Result<HashMap<Behind, Vec<ServerRow>>, String> {
        let mut alike: HashMap<Option<Uuid>, Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry(key.viewer).or_default().push(key.server);
        }
        let mut found: HashMap<Behind, Vec<ServerRow>> = HashMap::new();
        for (viewer, servers) in alike {
            let rows = self.0.all_behind(servers, viewer).await;
            for row in rows.map_err(|e| e.private_text())? {
                let Some(server) = row.jump_server_id else {
                    continue;
                };
                found.entry(Behind { server, viewer }).or_default().push(row);
            }
        }
        Ok(found)
    }
}
