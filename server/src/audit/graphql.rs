//! The audit log in the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::events::person;
use crate::identity::User;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::ids::{self, ApiTokenId, AuditEntryId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};

use super::action::{AuditAction, AuditOutcome, TargetKind, known};
use super::model::hex;
use super::service::Audit;
use super::store::{Filter, Row, cursor};

/// One change or refusal, as it was written down.
#[derive(Debug, Clone)]
pub struct AuditEntry(pub Row);

/// One change or refusal, as it was written down.
#[Object]
impl AuditEntry {
    /// Global id.
    pub async fn id(&self) -> ID {
        AuditEntryId(self.0.id).global()
    }

    /// Its place in the log: 1, 2, 3 …
    async fn seq(&self) -> i32 {
        i32::try_from(self.0.seq).unwrap_or(i32::MAX)
    }

    /// When it was written.
    async fn at(&self) -> Timestamp {
        self.0.at
    }

    /// Who did it, when the account still exists; null for nobody, or for the program itself.
    async fn actor(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        match self.0.actor_id {
            Some(id) => person(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Address of the account at that moment.
    async fn actor_email(&self) -> Option<&str> {
        self.0.actor_email.as_deref()
    }

    /// The API token that was used.
    async fn api_token_id(&self) -> Option<ID> {
        self.0.api_token_id.map(|id| ApiTokenId(id).global())
    }

    /// Network address of the client.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// What was done; null for an action of a later version.
    async fn action(&self) -> Option<AuditAction> {
        known(&self.0.action)
    }

    /// How it ended.
    async fn outcome(&self) -> AuditOutcome {
        known(&self.0.outcome).unwrap_or(AuditOutcome::Done)
    }

    /// Kind of what it is about.
    async fn target_kind(&self) -> Option<TargetKind> {
        known(self.0.target_kind.as_deref()?)
    }

    /// What it is about: the id of a node, which may be gone by now.
    async fn target_id(&self) -> Option<ID> {
        let kind: TargetKind = known(self.0.target_kind.as_deref()?)?;
        Some(ids::global(kind.node()?, self.0.target_id?))
    }

    /// How it was called at that moment; what was asked for, where it was refused.
    async fn target_name(&self) -> Option<&str> {
        self.0.target_name.as_deref()
    }

    /// What changed, as it was; without secrets.
    async fn before(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.0.before.as_deref()?).ok()
    }

    /// What changed, as it is since; without secrets. Where it was refused: why, and how often.
    async fn after(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.0.after.as_deref()?).ok()
    }

    /// SHA-256 of the entry before this one, in hex.
    async fn previous_hash(&self) -> String {
        hex(&self.0.prev_hash)
    }

    /// SHA-256 over all of this entry and the hash before it, in hex.
    async fn hash(&self) -> String {
        hex(&self.0.hash)
    }
}

/// Narrows the log; all given conditions hold.
#[derive(Debug, Default, InputObject)]
pub struct AuditFilter {
    /// Done or tried by this person.
    pub actor_id: Option<ID>,
    /// About this node.
    pub target_id: Option<ID>,
    /// With this API token.
    pub api_token_id: Option<ID>,
    /// One of these actions.
    #[graphql(default)]
    pub actions: Vec<AuditAction>,
    /// Done or refused.
    pub outcome: Option<AuditOutcome>,
    /// Later than this.
    pub after: Option<Timestamp>,
    /// Earlier than this.
    pub before: Option<Timestamp>,
}

impl AuditFilter {
    /// An id that is none matches nothing: no entry is about the last of all ids.
    fn parts(self) -> Filter {
        let uuid = |id: ID| ids::parse(&id).map_or(uuid::Uuid::max(), |(_, uuid)| uuid);
        Filter {
            actor: self
                .actor_id
                .map(|id| UserId::parse(&id).map_or(uuid::Uuid::max(), |id| id.0)),
            target: self.target_id.map(uuid),
            token: self.api_token_id.map(uuid),
            actions: self.actions,
            outcome: self.outcome,
            after: self.after,
            before: self.before,
        }
    }
}

/// Whether the log is what was written.
#[derive(Debug, SimpleObject)]
pub struct AuditVerification {
    /// Nothing was changed, removed or put in.
    whole: bool,
    /// Entries that the log has.
    entries: i32,
    /// All entries up to this one hold.
    verified_up_to: i32,
    /// The first entry that does not hold.
    broken_at: Option<i32>,
    /// What is wrong with it.
    problem: Option<String>,
    /// Hash of the last entry that holds, in hex: keep it elsewhere, and a log that was written anew shows.
    hash: String,
}

/// Queries of the log.
#[derive(Debug, Default)]
pub struct AuditQuery;

fn int(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[Object]
impl AuditQuery {
    /// What was changed and what was refused, newest first. Needs READ_AUDIT_LOG.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the log.")] filter: Option<AuditFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<AuditEntry>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().parts();
        let found = ctx.data::<Audit>()?.list(op(ctx)?, &filter, &args, counted).await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, AuditEntry))
    }

    /// Checks the whole log, from its first entry to its last. Needs READ_AUDIT_LOG.
    async fn audit_verification(&self, ctx: &Context<'_>) -> ApiResult<AuditVerification> {
        let found = api(ctx, ctx.data::<Audit>()?.verification(op(ctx)?).await)?;
        Ok(AuditVerification {
            whole: found.broken.is_none(),
            entries: int(found.entries),
            verified_up_to: int(found.verified),
            hash: found.hash_text(),
            broken_at: found.broken.as_ref().map(|broken| int(broken.seq)),
            problem: found.broken.map(|broken| broken.problem.to_owned()),
        })
    }
}
