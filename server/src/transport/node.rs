//! Relay's object identification: any node by its global id.

use async_graphql::{Context, ID, Interface, Object};

use crate::audit::{Audit, AuditEntry};
use crate::events::{Event, EventVersion, Events};
use crate::identity::{ApiToken, Identity, Role, Session, User};
use crate::insight::{Insight, Orchestrator};
use crate::jobs::{Execution, Job, Jobs};
use crate::kernel::api::{ApiResult, op, visible};
use crate::kernel::ids::{
    self, ApiTokenId, AuditEntryId, EventId, EventVersionId, ExecutionId, JobId, NodeKind, OrchestratorId,
    RoleId, SessionId, UserId,
};

/// Anything with a global id.
#[derive(Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id."))]
pub enum Node {
    User(User),
    Orchestrator(Orchestrator),
    Event(Event),
    EventVersion(EventVersion),
    Job(Job),
    Execution(Execution),
    Session(Session),
    ApiToken(ApiToken),
    Role(Role),
    AuditEntry(AuditEntry),
}

/// Any node by its id.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The node with this id; null when it does not exist or may not be seen.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> ApiResult<Option<Node>> {
        load(ctx, &id).await
    }

    /// Several nodes in the order of their ids, with null for what can't be seen; at most 100.
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> ApiResult<Vec<Option<Node>>> {
        if ids.len() > 100 {
            let message = "ask for at most 100 nodes at a time".to_owned();
            return crate::kernel::api::api(ctx, Err(crate::kernel::Error::BadRequest(message)));
        }
        let mut nodes = Vec::with_capacity(ids.len());
        for id in &ids {
            nodes.push(load(ctx, id).await?);
        }
        Ok(nodes)
    }
}

async fn load(ctx: &Context<'_>, id: &ID) -> ApiResult<Option<Node>> {
    let Some((kind, uuid)) = ids::parse(id) else {
        return Ok(None);
    };
    Ok(match kind {
        NodeKind::User => {
            let found = ctx.data::<Identity>()?.user(op(ctx)?, UserId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::User(User(row)))
        }
        NodeKind::Orchestrator => {
            let found = ctx.data::<Insight>()?;
            let found = found.orchestrator(op(ctx)?, OrchestratorId(uuid)).await;
            visible(ctx, found)?.map(|seen| Node::Orchestrator(Orchestrator(seen)))
        }
        NodeKind::Event => {
            let found = ctx.data::<Events>()?.get(op(ctx)?, EventId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::Event(Event(row)))
        }
        NodeKind::EventVersion => {
            let found = ctx
                .data::<Events>()?
                .version(op(ctx)?, EventVersionId(uuid))
                .await;
            visible(ctx, found)?.map(|row| Node::EventVersion(EventVersion(row)))
        }
        NodeKind::Job => {
            let found = ctx.data::<Jobs>()?.get(op(ctx)?, JobId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::Job(Job(row)))
        }
        NodeKind::Execution => {
            let found = ctx.data::<Jobs>()?.execution(op(ctx)?, ExecutionId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::Execution(Execution(row)))
        }
        NodeKind::Session => {
            let found = ctx.data::<Identity>()?.session(op(ctx)?, SessionId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::Session(Session(row)))
        }
        NodeKind::ApiToken => {
            let found = ctx.data::<Identity>()?.token(op(ctx)?, ApiTokenId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::ApiToken(ApiToken(row)))
        }
        NodeKind::Role => {
            let found = ctx.data::<Identity>()?.role(op(ctx)?, RoleId(uuid)).await;
            visible(ctx, found)?.map(|role| Node::Role(Role(role)))
        }
        NodeKind::AuditEntry => {
            let found = ctx.data::<Audit>()?.entry(op(ctx)?, AuditEntryId(uuid)).await;
            visible(ctx, found)?.map(|row| Node::AuditEntry(AuditEntry(row)))
        }
    })
}
