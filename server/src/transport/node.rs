//! Relay's object identification: any nodes by their global ids, each kind in one go.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{Context, ID, Interface, Object};
use uuid::Uuid;

use crate::audit::{Audit, AuditEntry};
use crate::events::{Event, EventVersion, Events};
use crate::identity::{ApiToken, Identity, Invite, OidcLink, Role, Session, User};
use crate::jobs::{Execution, Job, Jobs};
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::ids::{self, NodeKind};
use crate::kernel::{Error, Result};
use crate::orchestrators::{Orchestrator, Orchestrators};
use crate::servers::{Server, Servers};
use crate::terminals::{TerminalSession, Terminals};
use crate::variables::{Variable, Variables};

/// Anything with a global id.
#[derive(Debug, Clone, Interface)]
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
    Invite(Invite),
    OidcLink(OidcLink),
    Variable(Variable),
    Server(Server),
    TerminalSession(TerminalSession),
}

/// Any node by its id.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The node with this id; null when it does not exist or may not be seen.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of any node.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        Ok(load(ctx, &[id]).await?.pop().flatten())
    }

    /// Several nodes in the order of their ids, with null for what can't be seen; at most 100.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids of any nodes.")] ids: Vec<ID>,
    ) -> ApiResult<Vec<Option<Node>>> {
        if ids.len() > 100 {
            let message = "ask for at most 100 nodes at a time".to_owned();
            return api(ctx, Err(Error::BadRequest(message)));
        }
        load(ctx, &ids).await
    }
}

async fn load(ctx: &Context<'_>, ids: &[ID]) -> ApiResult<Vec<Option<Node>>> {
    let named: Vec<_> = ids.iter().map(|id| ids::parse(id)).collect();
    let mut wanted: HashMap<NodeKind, BTreeSet<Uuid>> = HashMap::new();
    for (kind, id) in named.iter().flatten() {
        wanted.entry(*kind).or_default().insert(*id);
    }
    let mut found: HashMap<(NodeKind, Uuid), Node> = HashMap::new();
    for (kind, ids) in wanted {
        let nodes = of_kind(ctx, kind, &ids).await?;
        // A kind that may not be seen at all is as if it were not there.
        let nodes = match nodes {
            Err(Error::Forbidden) => Vec::new(),
            nodes => api(ctx, nodes)?,
        };
        let nodes = nodes.into_iter();
        found.extend(nodes.map(|(id, node)| ((kind, id), node)));
    }
    let node = |named: Option<(NodeKind, Uuid)>| found.get(&named?).cloned();
    Ok(named.into_iter().map(node).collect())
}

fn typed<T: From<Uuid>>(ids: &BTreeSet<Uuid>) -> Vec<T> {
    ids.iter().copied().map(T::from).collect()
}

/// Those of one kind that may be seen; as many statements for many as for one.
async fn of_kind(
    ctx: &Context<'_>,
    kind: NodeKind,
    ids: &BTreeSet<Uuid>,
) -> ApiResult<Result<Vec<(Uuid, Node)>>> {
    let op = op(ctx)?;
    Ok(match kind {
        NodeKind::User => {
            let rows = ctx.data::<Identity>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::User(User(row))))
                    .collect()
            })
        }
        NodeKind::Orchestrator => {
            let rows = ctx.data::<Orchestrators>()?.list(op).await;
            rows.map(|rows| {
                let wanted = rows.into_iter().filter(|seen| ids.contains(&seen.row.id));
                wanted
                    .map(|seen| (seen.row.id, Node::Orchestrator(Orchestrator(seen))))
                    .collect()
            })
        }
        NodeKind::Event => {
            let rows = ctx.data::<Events>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Event(Event(row))))
                    .collect()
            })
        }
        NodeKind::EventVersion => {
            let rows = ctx.data::<Events>()?.versions_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                let nodes = rows.into_iter();
                nodes
                    .map(|row| (row.id, Node::EventVersion(EventVersion(row))))
                    .collect()
            })
        }
        NodeKind::Job => {
            let rows = ctx.data::<Jobs>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Job(Job(row))))
                    .collect()
            })
        }
        NodeKind::Execution => {
            let rows = ctx.data::<Jobs>()?.executions_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                let nodes = rows.into_iter();
                nodes
                    .map(|row| (row.id, Node::Execution(Execution(row))))
                    .collect()
            })
        }
        NodeKind::Session => {
            let rows = ctx.data::<Identity>()?.sessions_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Session(Session(row))))
                    .collect()
            })
        }
        NodeKind::ApiToken => {
            let rows = ctx.data::<Identity>()?.tokens_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::ApiToken(ApiToken(row))))
                    .collect()
            })
        }
        NodeKind::Role => {
            let roles = ctx.data::<Identity>()?.roles_seen(op, &typed(ids)).await;
            roles.map(|roles| {
                let roles = roles.into_iter();
                roles.map(|role| (role.id.0, Node::Role(Role(role)))).collect()
            })
        }
        NodeKind::Invite => {
            let rows = ctx.data::<Identity>()?.invites_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Invite(Invite(row))))
                    .collect()
            })
        }
        NodeKind::OidcLink => {
            let rows = ctx.data::<Identity>()?.oidc_links_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::OidcLink(OidcLink(row))))
                    .collect()
            })
        }
        NodeKind::Variable => {
            let rows = ctx.data::<Variables>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Variable(Variable(row))))
                    .collect()
            })
        }
        NodeKind::Server => {
            let rows = ctx.data::<Servers>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                rows.into_iter()
                    .map(|row| (row.id, Node::Server(Server(row))))
                    .collect()
            })
        }
        NodeKind::Terminal => {
            let rows = ctx.data::<Terminals>()?.seen(op, &typed(ids)).await;
            rows.map(|rows| {
                let nodes = rows.into_iter();
                nodes
                    .map(|row| (row.id, Node::TerminalSession(TerminalSession(row))))
                    .collect()
            })
        }
        NodeKind::AuditEntry => {
            let rows = ctx.data::<Audit>()?.entries_seen(op, &typed(ids)).await;
            rows.map(|rows| {
                let entries = rows.into_iter();
                entries
                    .map(|row| (row.id, Node::AuditEntry(AuditEntry(row))))
                    .collect()
            })
        }
    })
}
