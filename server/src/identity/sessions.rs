//! Who a request comes from, and the sessions that a person has open. Credentials are looked up with one
//! statement at each request: a cache could not forget what another server revoked.

use std::collections::HashMap;

use chrono::TimeDelta;
use sea_orm::TransactionTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::ids::{ApiTokenId, SessionId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Actor, Credential, Error, Kernel, Op, Permissions, Result, Timestamp};

use super::model;
use super::service::{Identity, account, secret_hash};
use super::store::sessions::{self as store, Holder, SessionRow};
use super::store::{by_ids, tokens};
use super::tokens::PREFIX;

/// The last use is noted when it is older than this.
const NOTE: TimeDelta = TimeDelta::minutes(1);

fn stale(seen_at: Option<Timestamp>, now: Timestamp) -> bool {
    seen_at.is_none_or(|seen| now - seen >= NOTE)
}

fn allowed(holder: &Holder) -> Permissions {
    let role = model::of_role(holder.role, holder.custom.as_deref());
    model::limited(role, holder.scopes.as_deref(), holder.kinds.as_deref())
}

pub(super) fn actor(holder: &Holder, credential: Credential) -> Actor {
    Actor::User {
        id: holder.user,
        permissions: allowed(holder),
        credential,
    }
}

impl Identity {
    /// Who a bearer secret stands for, session, access token or API token; one that is unknown or over is nobody's.
    pub async fn authenticate(&self, secret: &str) -> Result<Actor> {
        if secret.starts_with(PREFIX) {
            self.by_token(secret).await
        } else if secret.contains('.') {
            self.by_access_token(secret).await
        } else {
            self.by_session(secret).await
        }
    }

    /// Who a session's secret stands for.
    pub async fn by_session(&self, secret: &str) -> Result<Actor> {
        let now = self.kernel.now();
        let found = store::by_hash(&self.kernel, &secret_hash(secret), now).await?;
        let holder = found.ok_or(Error::Unauthenticated)?;
        note(&self.kernel, &holder, now).await;
        Ok(actor(&holder, Credential::Session(SessionId(holder.id))))
    }

    async fn by_token(&self, secret: &str) -> Result<Actor> {
        let now = self.kernel.now();
        let found = tokens::by_hash(&self.kernel, &secret_hash(secret), now).await?;
        let holder = found.ok_or(Error::Unauthenticated)?;
        if stale(holder.seen_at, now) {
            noted(tokens::touch(&self.kernel, holder.id, now).await);
        }
        Ok(actor(&holder, Credential::Token(ApiTokenId(holder.id))))
    }

    /// What these sessions and tokens allow now, by their ids; what has ended is not among them. Not a person asks,
    /// but what was begun with them and goes on.
    pub async fn still(&self, credentials: &[Uuid]) -> Result<HashMap<Uuid, Permissions>> {
        let live = store::live(&self.kernel, credentials, self.kernel.now()).await?;
        Ok(live.iter().map(|holder| (holder.id, allowed(holder))).collect())
    }

    /// Sessions of a user: one's own, or anybody's for those who manage users.
    pub async fn sessions(&self, op: &Op, user: UserId, args: &PageArgs) -> Result<(Page<SessionRow>, u64)> {
        may_see(op, user)?;
        store::page(&self.kernel.db, user, self.kernel.now(), args).await
    }

    /// A session node.
    pub async fn sessions_seen(&self, op: &Op, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let now = self.kernel.now();
        let mut found = store::by_ids(&self.kernel.db, ids.iter().map(|id| id.0), now).await?;
        found.retain(|row| sees(op, UserId(row.user_id)));
        Ok(found)
    }

    /// Ends a session; its open sockets close within seconds.
    pub async fn revoke_session(&self, op: &Op, id: SessionId) -> Result<SessionRow> {
        let holder = holder_or_manager(op)?;
        let tx = self.kernel.db.begin().await?;
        let found = store::remove(&tx, id).await?;
        let mine = |row: &SessionRow| holder.is_none_or(|user| user.0 == row.user_id);
        // What is not theirs is not removed: the transaction ends without a commit.
        let row = found.filter(mine).ok_or(Error::NotFound("session"))?;
        self.not_above(&tx, op, UserId(row.user_id)).await?;
        let owner = by_ids(&tx, [UserId(row.user_id)]).await?.pop();
        let name = owner.map(|user| user.email).unwrap_or_default();
        let target = Target::new(TargetKind::Session, id, name);
        self.audit
            .record(&tx, op, Change::new(AuditAction::RevokeSession, target))
            .await?;
        tx.commit().await?;
        self.access_of(UserId(row.user_id));
        Ok(row)
    }

    /// Ends every session of the actor but the one that this request came with; with an API token all of them.
    pub async fn revoke_other_sessions(&self, op: &Op) -> Result<u64> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.me(grant.user()).await?;
        let tx = self.kernel.db.begin().await?;
        let ended = store::remove_of(&tx, grant.user(), op.session()).await?;
        if ended > 0 {
            let change =
                Change::new(AuditAction::RevokeSession, account(&me)).to(json!({ "sessions": ended }));
            self.audit.record(&tx, op, change).await?;
        }
        tx.commit().await?;
        self.access_of(grant.user());
        Ok(ended)
    }
}

/// Whose sessions and tokens the actor may touch: their own with MANAGE_ACCOUNT, everybody's (None) with
/// MANAGE_USERS.
pub(super) fn holder_or_manager(op: &Op) -> Result<Option<UserId>> {
    if access::decide(op, Action::ManageUsers).is_ok() {
        return Ok(None);
    }
    Ok(Some(access::allow(op, Action::ChangeOwnProfile)?.user()))
}

/// Whether the actor may see the sessions and tokens of a user; asking leaves no trace.
pub(super) fn sees(op: &Op, user: UserId) -> bool {
    access::decide(op, Action::ManageUsers).is_ok() || access::can(op, Action::ChangeOwnProfile, user, false)
}

/// Asks to see the sessions and tokens of a user.
pub(super) fn may_see(op: &Op, user: UserId) -> Result<()> {
    match holder_or_manager(op)? {
        Some(holder) if holder != user => Err(Error::Forbidden),
        _ => Ok(()),
    }
}

/// Notes that a session is in use.
pub(super) async fn note(kernel: &Kernel, holder: &Holder, now: Timestamp) {
    if stale(holder.seen_at, now) {
        noted(store::touch(kernel, holder.id, now).await);
    }
}

/// A note that could not be written is told, and stops nothing.
fn noted(result: Result<()>) {
    if let Err(problem) = result {
        tracing::warn!(
            problem = problem.private_text(),
            "the last use of a credential could not be noted"
        );
    }
}
