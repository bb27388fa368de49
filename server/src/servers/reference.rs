//! Servers as others name them: by their id, and by what they were called then.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use crate::kernel::api::{ApiResult, loaded, op};
use crate::kernel::ids::ServerId;

use super::graphql::Server;
use super::loader::ServerLoader;
use super::service::Servers;

/// A server as it was called when it was chosen.
#[derive(Debug, Clone)]
pub struct ServerReference {
    id: Uuid,
    name: String,
}

impl ServerReference {
    pub fn new(id: Uuid, name: String) -> Self {
        Self { id, name }
    }
}

/// A server as it was called when it was chosen.
#[Object]
impl ServerReference {
    /// Global id.
    async fn id(&self) -> ID {
        ServerId(self.id).global()
    }

    /// Its name then.
    async fn name(&self) -> &str {
        &self.name
    }

    /// The server as it is now; null: it was removed, or is not for these eyes.
    async fn server(&self, ctx: &Context<'_>) -> ApiResult<Option<Server>> {
        visible(ctx, self.id).await
    }
}

/// A server by id, batched; None: it is not there, or may not be seen.
pub async fn visible(ctx: &Context<'_>, id: Uuid) -> ApiResult<Option<Server>> {
    let row = loaded(ctx, ctx.data::<DataLoader<ServerLoader>>()?.load_one(id).await)?;
    let (servers, op) = (ctx.data::<Servers>()?, op(ctx)?);
    Ok(row.filter(|row| servers.may_see(op, row)).map(Server))
}
