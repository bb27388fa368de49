//! Tokens for frontends of others: a signed access token of some minutes, and a refresh token that is replaced
//! at each use. Both stand for a session and end with it, at once: the signature spares no look at it.

use chrono::TimeDelta;
use sea_orm::TransactionTrait as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::jwt::Jwt;
use crate::kernel::{Actor, Credential, Error, Op, Result, Timestamp};

use super::service::{Identity, secret_hash};
use super::sessions::{actor, note};
use super::store::refresh as store;
use super::store::{self as users, Row};

/// How long an access token lasts.
const ACCESS: TimeDelta = TimeDelta::minutes(10);
const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "cronium-api";
const CONTEXT: &str = "settings/access-token-key";

/// What a token says of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
}

/// A fresh pair; both are known here only.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub access_until: Timestamp,
    pub refresh: String,
}

fn over() -> Error {
    let message = "This refresh token was used or is over: sign in again.";
    Error::field(UserErrorCode::Invalid, "refreshToken", message)
}

impl Identity {
    /// The installation's key of access tokens; the first server makes it.
    async fn jwt(&self) -> Result<&Jwt> {
        self.jwt
            .get_or_try_init(async || {
                let entropy = self.kernel.entropy;
                let fresh = self.master.seal(entropy, CONTEXT, &entropy.bytes::<32>())?;
                let key = self
                    .master
                    .open(CONTEXT, &store::key(&self.kernel, fresh).await?)?;
                Ok(Jwt::new(&key, TYPE, AUDIENCE))
            })
            .await
    }

    /// Tokens for a session.
    pub async fn tokens_for(&self, user: UserId, session: SessionId) -> Result<Tokens> {
        let tokens = self.draw(user, session).await?;
        let hash = secret_hash(&tokens.refresh);
        store::insert(&self.kernel.db, session, hash, self.kernel.now()).await?;
        Ok(tokens)
    }

    async fn draw(&self, user: UserId, session: SessionId) -> Result<Tokens> {
        let now = self.kernel.now();
        let access_until = now + ACCESS;
        let claims = Claims {
            sub: user.0,
            sid: session.0,
            jti: self.kernel.id(),
        };
        Ok(Tokens {
            access: self.jwt().await?.write(claims, now, access_until)?,
            access_until,
            refresh: self.kernel.entropy.token(),
        })
    }

    /// Who an access token stands for, as long as its session lives.
    pub(super) async fn by_access_token(&self, token: &str) -> Result<Actor> {
        let now = self.kernel.now();
        let claims: Claims = self.jwt().await?.read(token, now).ok_or(Error::Unauthenticated)?;
        let found = store::session(&self.kernel, SessionId(claims.sid), now).await?;
        let holder = found.filter(|holder| holder.user.0 == claims.sub);
        let holder = holder.ok_or(Error::Unauthenticated)?;
        note(&self.kernel, &holder, now).await;
        Ok(actor(&holder, Credential::Session(SessionId(holder.id))))
    }

    /// Replaces a refresh token. One that was used before was stolen, or its thief's was used first: the session
    /// ends for both.
    pub async fn refresh(&self, op: &Op, secret: &str) -> Result<(Row, Tokens, Timestamp)> {
        let (hash, now) = (secret_hash(secret), self.kernel.now());
        let tx = self.kernel.db.begin().await?;
        let Some(found) = store::lock(&tx, hash.clone()).await? else {
            op.denied("refreshToken", "UNKNOWN");
            return Err(over());
        };
        let (user, session) = (UserId(found.user_id), SessionId(found.session_id));
        if found.used_at.is_some() {
            users::sessions::remove(&tx, session).await?;
            let owner = users::by_ids(&tx, [user]).await?.pop();
            let name = owner.map(|user| user.email).unwrap_or_default();
            let target = Target::new(TargetKind::Session, session, name);
            let change = Change::new(AuditAction::RevokeSession, target)
                .to(json!({ "reason": "REFRESH_TOKEN_REUSED" }));
            self.audit.record(&tx, op, change).await?;
            tx.commit().await?;
            self.access_of(user);
            tracing::warn!(user = %user, "a refresh token came twice: its session is ended");
            return Err(over());
        }
        if found.expires_at <= now || !found.active {
            return Err(over());
        }
        let row = users::by_ids(&tx, [user]).await?.pop().ok_or_else(over)?;
        let tokens = self.draw(user, session).await?;
        store::mark_used(&tx, hash, now).await?;
        store::insert(&tx, session, secret_hash(&tokens.refresh), now).await?;
        tx.commit().await?;
        Ok((row, tokens, found.expires_at))
    }
}
