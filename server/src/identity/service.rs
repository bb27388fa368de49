//! Sign-in and sessions. Tokens are opaque 256-bit values of which only a SHA-256 hash is stored.

use std::num::NonZeroU32;
use std::sync::Arc;

use cronium_entity::enums::UserRole;
use cronium_entity::session;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest as _, Sha256};

use crate::access::{self, Action};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::UserId;
use crate::kernel::{Actor, Error, Kernel, Op, Result, Timestamp};

use super::password::{self, MAX_LENGTH, MIN_LENGTH};
use super::store::{self, Row};

/// How long a session lasts.
const SESSION: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// People and their sessions.
#[derive(Clone, Debug)]
pub struct Identity {
    kernel: Kernel,
    /// Ten attempts a minute for one account from one address.
    attempts: Arc<DefaultKeyedRateLimiter<String>>,
}

/// What a new user needs.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: String,
    pub name: String,
    pub role: UserRole,
    pub password: String,
}

/// A fresh session; the token is known here only.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: Row,
    pub token: String,
    pub expires_at: Timestamp,
}

fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl Identity {
    pub fn new(kernel: Kernel) -> Self {
        let quota = Quota::per_minute(NonZeroU32::MIN.saturating_add(9));
        Self {
            kernel,
            attempts: Arc::new(RateLimiter::keyed(quota)),
        }
    }

    /// Whether nobody can sign in yet.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(store::count(&self.kernel.db).await? == 0)
    }

    /// Makes an account. For commands and the first start: there is no actor to ask the policy for.
    pub async fn create_user(&self, new: NewUser) -> Result<UserId> {
        let now = self.kernel.now();
        let id: UserId = self.kernel.id();
        let row = Row {
            id: id.0,
            email: new.email,
            name: new.name,
            role: new.role,
            locale: "en".into(),
            password_hash: password::hash(new.password).await?,
            password_changed_at: now,
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        };
        store::insert(&self.kernel.db, row).await?;
        Ok(id)
    }

    /// A new password for an account, by its address: for the command line.
    pub async fn set_password(&self, email: &str, password: String) -> Result<()> {
        let user = store::by_email(&self.kernel.db, email)
            .await?
            .ok_or(Error::NotFound("user"))?;
        let hash = password::hash(password).await?;
        store::save_password(&self.kernel.db, UserId(user.id), hash, self.kernel.now()).await
    }

    pub async fn sign_in(&self, op: &Op, email: &str, password: String) -> Result<SignedIn> {
        let mut checks = Checks::default();
        checks.require(
            !email.trim().is_empty(),
            UserErrorCode::Required,
            "email",
            "Enter your e-mail address.",
        );
        checks.require(
            !password.is_empty(),
            UserErrorCode::Required,
            "password",
            "Enter your password.",
        );
        checks.require(
            password.len() <= MAX_LENGTH * 4,
            UserErrorCode::TooLong,
            "password",
            "This is too long.",
        );
        checks.done()?;
        let key = format!(
            "{}|{}",
            email.trim().to_lowercase(),
            op.client.map(|c| c.to_string()).unwrap_or_default()
        );
        if let Err(wait) = self.attempts.check_key(&key) {
            let wait = wait.wait_time_from(DefaultClock::default().now());
            return Err(Error::RateLimited {
                retry_after_secs: wait.as_secs() + 1,
            });
        }
        let user = store::by_email(&self.kernel.db, email.trim()).await?;
        let stored = user.as_ref().map(|u| u.password_hash.clone());
        let right = password::verify(password, stored).await?;
        let (Some(user), true) = (user, right) else {
            return Err(Error::field(
                UserErrorCode::Invalid,
                "password",
                "The e-mail address or the password is wrong.",
            ));
        };
        let now = self.kernel.now();
        let token = self.kernel.entropy.token();
        let expires_at = now + SESSION;
        let row = session::Model {
            id: self.kernel.id(),
            user_id: user.id,
            token_hash: token_hash(&token),
            created_at: now,
            expires_at,
            last_seen_at: now,
        };
        store::insert_session(&self.kernel.db, row).await?;
        store::save_sign_in(&self.kernel.db, UserId(user.id), now).await?;
        tracing::info!(user = %user.id, "signed in");
        Ok(SignedIn {
            user,
            token,
            expires_at,
        })
    }

    /// Who a token stands for; a token that is unknown or over is nobody's.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        let found = store::session(&self.kernel.db, &token_hash(token), self.kernel.now()).await?;
        let (session, user) = found.ok_or(Error::Unauthenticated)?;
        Ok(Actor::User {
            id: UserId(user.id),
            role: user.role,
            session,
        })
    }

    /// Ends the session of this operation, if there is one.
    pub async fn sign_out(&self, op: &Op) -> Result<bool> {
        let Actor::User { session, .. } = op.actor else {
            return Ok(false);
        };
        store::end_session(&self.kernel.db, session).await?;
        Ok(true)
    }

    pub async fn viewer(&self, op: &Op) -> Result<Option<Row>> {
        let Some(id) = op.user() else { return Ok(None) };
        Ok(store::by_ids(&self.kernel.db, [id]).await?.pop())
    }

    /// Users by id, for nested fields: who may see a node may see the names on it.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<Row>> {
        store::by_ids(&self.kernel.db, ids.iter().copied()).await
    }

    /// Those of the users that may be seen as nodes: oneself, or anybody for administrators.
    pub async fn seen(&self, op: &Op, ids: &[UserId]) -> Result<Vec<Row>> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let covered = ids.iter().copied().filter(|id| grant.covers(*id, false));
        store::by_ids(&self.kernel.db, covered).await
    }

    pub async fn update_profile(&self, op: &Op, name: Option<String>, locale: Option<String>) -> Result<Row> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = store::by_ids(&self.kernel.db, [grant.user()])
            .await?
            .pop()
            .ok_or(Error::Unauthenticated)?;
        let name = name.map_or_else(|| me.name.clone(), |n| n.trim().to_owned());
        let locale = locale.unwrap_or_else(|| me.locale.clone());
        let mut checks = Checks::default();
        checks.require(!name.is_empty(), UserErrorCode::Required, "name", "Enter a name.");
        checks.require(
            name.chars().count() <= 100,
            UserErrorCode::TooLong,
            "name",
            "At most 100 characters.",
        );
        let known = matches!(locale.as_str(), "en" | "es");
        checks.require(
            known,
            UserErrorCode::Unsupported,
            "locale",
            "The languages are en and es.",
        );
        checks.done()?;
        store::save_profile(&self.kernel.db, grant.user(), &name, &locale, self.kernel.now()).await?;
        Ok(Row { name, locale, ..me })
    }

    /// Changes the password and ends all other sessions of the user.
    pub async fn change_password(&self, op: &Op, current: String, new: String) -> Result<Row> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let Actor::User { session, .. } = op.actor else {
            return Err(Error::Unauthenticated);
        };
        let me = store::by_ids(&self.kernel.db, [grant.user()])
            .await?
            .pop()
            .ok_or(Error::Unauthenticated)?;
        let length = new.chars().count();
        let mut checks = Checks::default();
        let long_enough = format!("Use at least {MIN_LENGTH} characters.");
        checks.require(
            length >= MIN_LENGTH,
            UserErrorCode::Invalid,
            "newPassword",
            &long_enough,
        );
        checks.require(
            length <= MAX_LENGTH,
            UserErrorCode::TooLong,
            "newPassword",
            "At most 256 characters.",
        );
        checks.done()?;
        if !password::verify(current, Some(me.password_hash.clone())).await? {
            return Err(Error::field(
                UserErrorCode::Invalid,
                "currentPassword",
                "This is not your current password.",
            ));
        }
        let hash = password::hash(new).await?;
        store::save_password(&self.kernel.db, grant.user(), hash, self.kernel.now()).await?;
        store::end_other_sessions(&self.kernel.db, grant.user(), session).await?;
        Ok(me)
    }
}
