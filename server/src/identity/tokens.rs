//! API tokens: for programs, limited, expiring and revocable. The secret is shown once.

use chrono::TimeDelta;
use cronium_entity::api_token;
use sea_orm::TransactionTrait as _;
use serde_json::json;

use crate::access::{self, Action, Permissions, ResourceKind};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{ApiTokenId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Error, Op, Result, Timestamp};

use super::service::{Identity, secret_hash};
use super::sessions::{holder_or_manager, may_see, sees};
use super::store::is_active;
use super::store::tokens::{self as store, TokenRow};

/// What every token begins with, so that people and scanners know one when they see it.
pub const PREFIX: &str = "crn_";
/// How long a token lasts when nothing else is said, and at most.
const LIFE: TimeDelta = TimeDelta::days(90);
const LONGEST: TimeDelta = TimeDelta::days(366);
/// Tokens of one person that work at a time.
const MOST: u64 = 100;

/// What a new token needs.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    /// None: all that the user may do, now and later.
    pub scopes: Option<Vec<Action>>,
    /// None: on all kinds of resources.
    pub kinds: Option<Vec<ResourceKind>>,
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// Makes a token for the actor. Gives its secret, which is known here only.
    pub async fn create_token(&self, op: &Op, new: NewToken) -> Result<(TokenRow, String)> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let now = self.kernel.now();
        let maker = match op.token() {
            Some(id) => store::by_ids(&self.kernel.db, [id.0]).await?.pop(),
            None => None,
        };
        let longest = maker.as_ref().map_or(now + LONGEST, |token| token.expires_at);
        let expires_at = new.expires_at.unwrap_or_else(|| longest.min(now + LIFE));
        let name = new.name.trim().to_owned();
        let mut checks = Checks::default();
        super::service::check_name(&name, &mut checks);
        checks.require(
            expires_at > now,
            UserErrorCode::Invalid,
            "expiresAt",
            "This moment is in the past.",
        );
        let too_late = if maker.is_some() {
            "A token can't make one that outlives it."
        } else {
            "A token lasts at most 366 days."
        };
        checks.require(
            expires_at <= longest,
            UserErrorCode::Invalid,
            "expiresAt",
            too_late,
        );
        let asked: Option<Permissions> = new.scopes.map(|scopes| scopes.into_iter().collect());
        for scope in asked.iter().flat_map(|asked| asked.iter()) {
            if !op.permissions().contains(scope) {
                let message = format!("You may not do {} yourself.", scope.name());
                checks.add(UserErrorCode::Forbidden, "scopes", message);
            }
        }
        checks.done()?;
        // A token's tokens get what it has now, not what its user may get later.
        let scopes = asked.or_else(|| maker.is_some().then(|| op.permissions()));
        let secret = format!("{PREFIX}{}", self.kernel.entropy.token());
        let hint = secret[secret.len() - 4..].to_owned();
        let kinds = new
            .kinds
            .map(|kinds| kinds.iter().map(|kind| kind.name().to_owned()).collect())
            .or_else(|| maker.and_then(|maker| maker.kinds));
        let row = api_token::Model {
            id: self.kernel.id::<ApiTokenId>().0,
            user_id: grant.user().0,
            made_by: op.token().map(|id| id.0),
            name,
            token_hash: secret_hash(&secret),
            hint,
            permissions: scopes.map(Permissions::names),
            kinds,
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let change = Change::new(AuditAction::CreateApiToken, target(&row)).to(json!({
            "scopes": row.permissions, "resourceKinds": row.kinds, "expiresAt": row.expires_at,
        }));
        let tx = self.kernel.db.begin().await?;
        // Locks the account: the limit holds for requests at the same time, and so does its being disabled.
        if !is_active(&tx, grant.user()).await? || !self.still_there(&tx, op).await? {
            return Err(Error::Unauthenticated);
        }
        if store::count_live(&tx, grant.user(), now).await? >= MOST {
            let message = format!("{MOST} tokens work already: revoke one first.");
            return Err(Error::field(UserErrorCode::LimitReached, "", message));
        }
        store::insert(&tx, row.clone()).await?;
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok((row, secret))
    }

    /// Whether the token that asks was not revoked meanwhile.
    async fn still_there(&self, tx: &sea_orm::DatabaseTransaction, op: &Op) -> Result<bool> {
        let Some(id) = op.token() else { return Ok(true) };
        let row = store::by_ids(tx, [id.0]).await?.pop();
        Ok(row.is_some_and(|row| row.revoked_at.is_none()))
    }

    /// Tokens of a user: one's own, or anybody's for those who manage users.
    pub async fn tokens(&self, op: &Op, user: UserId, args: &PageArgs) -> Result<(Page<TokenRow>, u64)> {
        may_see(op, user)?;
        store::page(&self.kernel.db, user, args).await
    }

    /// A token node.
    pub async fn tokens_seen(&self, op: &Op, ids: &[ApiTokenId]) -> Result<Vec<TokenRow>> {
        let mut found = self.tokens_by_ids(ids).await?;
        found.retain(|row| sees(op, UserId(row.user_id)));
        Ok(found)
    }

    /// Tokens by id, for nested fields; whoever shows them asks who may see them.
    pub async fn tokens_by_ids(&self, ids: &[ApiTokenId]) -> Result<Vec<TokenRow>> {
        store::by_ids(&self.kernel.db, ids.iter().map(|id| id.0)).await
    }

    /// Makes a token useless at once, and all that were made with it. Again is no error.
    pub async fn revoke_token(&self, op: &Op, id: ApiTokenId) -> Result<TokenRow> {
        let holder = holder_or_manager(op)?;
        let tx = self.kernel.db.begin().await?;
        let found = store::by_ids(&tx, [id.0]).await?.pop();
        let row = found.filter(|row| holder.is_none_or(|user| user.0 == row.user_id));
        let row = row.ok_or(Error::NotFound("API token"))?;
        self.not_above(&tx, op, UserId(row.user_id)).await?;
        // The account is locked, as when a token is made: none slips in between.
        is_active(&tx, UserId(row.user_id)).await?;
        let now = self.kernel.now();
        let revoked = store::revoke(&tx, id, now).await?;
        if revoked > 0 {
            let change =
                Change::new(AuditAction::RevokeApiToken, target(&row)).to(json!({ "revoked": revoked }));
            self.audit.record(&tx, op, change).await?;
        }
        tx.commit().await?;
        self.access_of(UserId(row.user_id));
        Ok(TokenRow {
            revoked_at: row.revoked_at.or(Some(now)),
            ..row
        })
    }
}

fn target(row: &TokenRow) -> Target {
    Target::new(TargetKind::ApiToken, row.id, row.name.clone())
}
