//! Accounts: sign-in, sign-out, profile and password. Session tokens are opaque 256-bit values of which only
//! a SHA-256 hash is stored.

use std::num::NonZeroU32;
use std::sync::Arc;

use cronium_entity::enums::{UserRole, UserStatus};
use cronium_entity::session;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::jwt::Jwt;
use crate::kernel::sealed::KeyRing;
use crate::kernel::signals::Access;
use crate::kernel::{Actor, Credential, Error, Kernel, Op, Permissions, Result, Timestamp};
use crate::kernel::{email, naming};

use crate::mail::Mail;
use crate::settings::Settings;

use super::password::{self, MAX_LENGTH, MIN_LENGTH};
use super::store::{self, Row};

/// How long a session lasts.
const SESSION: chrono::TimeDelta = chrono::TimeDelta::days(30);
/// What a client says of itself is kept up to this length.
const USER_AGENT: usize = 300;

/// People, their sessions and tokens, and roles.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) kernel: Kernel,
    pub(super) audit: Audit,
    pub(super) settings: Settings,
    pub(super) mail: Mail,
    pub(super) master: KeyRing,
    /// Made with the installation's key when it is first needed.
    pub(super) jwt: Arc<OnceCell<Jwt>>,
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
    pub session: SessionId,
    pub token: String,
    pub expires_at: Timestamp,
}

/// What of a bearer secret is stored.
pub(super) fn secret_hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// An account as a target of the audit log.
pub(super) fn account(row: &Row) -> Target {
    Target::new(TargetKind::User, row.id, row.email.clone())
}

impl Identity {
    pub fn new(kernel: Kernel, audit: Audit, settings: Settings, mail: Mail, master: KeyRing) -> Self {
        let quota = Quota::per_minute(NonZeroU32::MIN.saturating_add(9));
        Self {
            kernel,
            audit,
            settings,
            mail,
            master,
            jwt: Arc::default(),
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
            role_id: None,
            status: UserStatus::Active,
            locale: "en".into(),
            password_hash: password::hash(None, new.password).await?,
            password_changed_at: now,
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        };
        let change = Change::new(AuditAction::CreateUser, account(&row))
            .to(json!({ "role": super::model::name_of(row.role), "status": "ACTIVE" }));
        let tx = self.kernel.db.begin().await?;
        store::insert(&tx, row).await?;
        self.audit.record(&tx, &Op::default(), change).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A new password for an account, by its address: for the command line. Whoever knew the old one is out.
    pub async fn set_password(&self, email: &str, password: String) -> Result<()> {
        let user = store::by_email(&self.kernel.db, email)
            .await?
            .ok_or(Error::NotFound("user"))?;
        let hash = password::hash(None, password).await?;
        let tx = self.kernel.db.begin().await?;
        store::save_password(&tx, UserId(user.id), hash, self.kernel.now()).await?;
        store::sessions::remove_of(&tx, UserId(user.id), None).await?;
        store::links::remove_of(&tx, UserId(user.id)).await?;
        store::factors::remove(&tx, UserId(user.id)).await?;
        let change = Change::new(AuditAction::ResetPassword, account(&user));
        self.audit.record(&tx, &Op::default(), change).await?;
        tx.commit().await?;
        self.access_of(UserId(user.id));
        Ok(())
    }

    pub async fn sign_in(
        &self,
        op: &Op,
        email: &str,
        password: String,
        code: Option<&str>,
    ) -> Result<SignedIn> {
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
        self.throttle(op, "signIn", email)?;
        let user = store::by_email(&self.kernel.db, email.trim()).await?;
        let stored = user.as_ref().map(|u| u.password_hash.clone());
        let right = password::verify(op.client, password, stored).await?;
        // An account that may not sign in looks like one that is not there.
        let (Some(user), true) = (user.filter(|u| u.status == UserStatus::Active), right) else {
            op.denied("signIn", "WRONG_PASSWORD");
            return Err(wrong_password());
        };
        self.begin_session(op, user, code).await
    }

    /// Ten attempts a minute of one kind for one account from one address.
    pub(super) fn throttle(&self, op: &Op, what: &'static str, account: &str) -> Result<()> {
        let client = op.client.map(|client| client.to_string()).unwrap_or_default();
        self.throttle_by(
            op,
            what,
            format!("{what}|{}|{client}", account.trim().to_lowercase()),
        )
    }

    /// Ten attempts a minute of one kind for one account, from anywhere.
    pub(super) fn throttle_everywhere(&self, op: &Op, what: &'static str, account: &str) -> Result<()> {
        self.throttle_by(op, what, format!("{what}|{}", account.to_lowercase()))
    }

    fn throttle_by(&self, op: &Op, what: &'static str, key: String) -> Result<()> {
        let Err(wait) = self.attempts.check_key(&key) else {
            return Ok(());
        };
        op.denied(what, "RATE_LIMITED");
        let wait = wait.wait_time_from(DefaultClock::default().now());
        Err(Error::RateLimited {
            retry_after_secs: wait.as_secs() + 1,
        })
    }

    /// Signs in whoever has proven who they are.
    async fn begin_session(&self, op: &Op, user: Row, code: Option<&str>) -> Result<SignedIn> {
        let tx = self.kernel.db.begin().await?;
        // Read again, locked: an account that is disabled at this moment gets no session that outlives it.
        if !store::is_active(&tx, UserId(user.id)).await? {
            return Err(wrong_password());
        }
        self.second_factor(&tx, op, &user, code).await?;
        let how = json!({ "method": "PASSWORD" });
        let signed_in = self.insert_session(&tx, op, user, how).await?;
        tx.commit().await?;
        Ok(signed_in)
    }

    /// A new session, with a secret that nobody knew before; `how` is for the log.
    pub(super) async fn insert_session(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        user: Row,
        how: serde_json::Value,
    ) -> Result<SignedIn> {
        let now = self.kernel.now();
        let token = self.kernel.entropy.token();
        let expires_at = now + SESSION;
        let agent = op.user_agent.as_ref();
        let row = session::Model {
            id: self.kernel.id(),
            user_id: user.id,
            token_hash: secret_hash(&token),
            created_at: now,
            expires_at,
            last_seen_at: now,
            address: op.client.map(|address| address.to_string()),
            user_agent: agent.map(|text| text.chars().take(USER_AGENT).collect()),
        };
        let target = Target::new(TargetKind::Session, row.id, user.email.clone());
        // For the log: it begins with this session, and asks for nothing yet.
        let actor = Actor::User {
            id: UserId(user.id),
            permissions: Permissions::NONE,
            credential: Credential::Session(SessionId(row.id)),
        };
        let op = Op { actor, ..op.clone() };
        let session = SessionId(row.id);
        store::sessions::insert(tx, row).await?;
        store::save_sign_in(tx, UserId(user.id), now).await?;
        self.audit
            .record(tx, &op, Change::new(AuditAction::SignIn, target).to(how))
            .await?;
        tracing::info!(user = %user.id, "signed in");
        Ok(SignedIn {
            user,
            session,
            token,
            expires_at,
        })
    }

    /// Ends the session of this operation, if there is one.
    pub async fn sign_out(&self, op: &Op) -> Result<bool> {
        let Some(session) = op.session() else {
            return Ok(false);
        };
        let tx = self.kernel.db.begin().await?;
        if store::sessions::remove(&tx, session).await?.is_some() {
            let target = Target::new(TargetKind::Session, session, "");
            self.audit
                .record(&tx, op, Change::new(AuditAction::SignOut, target))
                .await?;
        }
        tx.commit().await?;
        if let Some(user) = op.user() {
            self.access_of(user);
        }
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

    /// Those of the users that may be seen as nodes: oneself, or anybody for those who manage users.
    pub async fn seen(&self, op: &Op, ids: &[UserId]) -> Result<Vec<Row>> {
        let manages = access::decide(op, Action::ManageUsers).is_ok();
        let seen = ids.iter().copied().filter(|id| manages || op.user() == Some(*id));
        store::by_ids(&self.kernel.db, seen).await
    }

    pub async fn update_profile(&self, op: &Op, name: Option<String>, locale: Option<String>) -> Result<Row> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.me(grant.user()).await?;
        let name = name.map_or_else(|| me.name.clone(), |n| n.trim().to_owned());
        let locale = locale.unwrap_or_else(|| me.locale.clone());
        let mut checks = Checks::default();
        check_name(&name, &mut checks);
        let known = matches!(locale.as_str(), "en" | "es");
        checks.require(
            known,
            UserErrorCode::Unsupported,
            "locale",
            "The languages are en and es.",
        );
        checks.done()?;
        let change = Change::new(AuditAction::UpdateUser, account(&me))
            .from(json!({ "name": me.name, "locale": me.locale }))
            .to(json!({ "name": name, "locale": locale }));
        let tx = self.kernel.db.begin().await?;
        store::save_profile(&tx, grant.user(), &name, &locale, self.kernel.now()).await?;
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(Row { name, locale, ..me })
    }

    /// To be called after the commit: open sockets look again at whose they are, on every server.
    pub(super) fn access_of(&self, user: UserId) {
        self.kernel.signals.access_changed(Access::Of(user));
    }

    pub(super) async fn me(&self, id: UserId) -> Result<Row> {
        let found = store::by_ids(&self.kernel.db, [id]).await?.pop();
        found.ok_or(Error::Unauthenticated)
    }

    /// Changes the password and ends all other sessions of the user.
    pub async fn change_password(&self, op: &Op, current: String, new: String) -> Result<Row> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.me(grant.user()).await?;
        let mut checks = Checks::default();
        check_password(&new, "newPassword", &mut checks);
        checks.done()?;
        // A token that was stolen must not become a way to guess the password.
        self.throttle(op, "changePassword", &me.email)?;
        if !password::verify(op.client, current, Some(me.password_hash.clone())).await? {
            op.denied("changePassword", "WRONG_PASSWORD");
            return Err(Error::field(
                UserErrorCode::Invalid,
                "currentPassword",
                "This is not your current password.",
            ));
        }
        let hash = password::hash(op.client, new).await?;
        let tx = self.kernel.db.begin().await?;
        store::save_password(&tx, grant.user(), hash, self.kernel.now()).await?;
        store::sessions::remove_of(&tx, grant.user(), op.session()).await?;
        store::links::remove_of(&tx, grant.user()).await?;
        self.audit
            .record(&tx, op, Change::new(AuditAction::ChangePassword, account(&me)))
            .await?;
        tx.commit().await?;
        self.access_of(grant.user());
        Ok(me)
    }

    /// Forgets what is over: expired sessions, and counts of attempts.
    pub async fn tidy(&self) -> Result<u64> {
        self.attempts.retain_recent();
        store::links::remove_expired(&self.kernel.db, self.kernel.now()).await?;
        store::sessions::remove_expired(&self.kernel.db, self.kernel.now()).await
    }
}

fn wrong_password() -> Error {
    Error::field(
        UserErrorCode::Invalid,
        "password",
        "The e-mail address or the password is wrong.",
    )
}

pub(super) fn check_name(name: &str, checks: &mut Checks) {
    checks.require(!name.is_empty(), UserErrorCode::Required, "name", "Enter a name.");
    checks.require(
        name.chars().count() <= 100,
        UserErrorCode::TooLong,
        "name",
        "At most 100 characters.",
    );
    checks.require(
        naming::is_plain(name),
        UserErrorCode::Invalid,
        "name",
        naming::UNREADABLE,
    );
}

pub(super) fn check_email(address: &str, checks: &mut Checks) {
    let address = address.trim();
    checks.require(
        !address.is_empty(),
        UserErrorCode::Required,
        "email",
        "Enter an e-mail address.",
    );
    checks.require(
        address.is_empty() || email::is_address(address),
        UserErrorCode::Invalid,
        "email",
        "This is not an e-mail address.",
    );
}

pub(super) fn check_password(new: &str, field: &str, checks: &mut Checks) {
    let length = new.chars().count();
    let long_enough = format!("Use at least {MIN_LENGTH} characters.");
    checks.require(length >= MIN_LENGTH, UserErrorCode::Invalid, field, &long_enough);
    checks.require(
        length <= MAX_LENGTH,
        UserErrorCode::TooLong,
        field,
        "At most 256 characters.",
    );
}
