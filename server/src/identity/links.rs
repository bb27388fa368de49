//! Accounts by mail: a forgotten password, an invitation, signing up. Who asks for a mail learns nothing about
//! who has an account: the work is done after the answer.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::account_link;
use cronium_entity::enums::{LinkKind, UserRole, UserStatus};
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::json;

use crate::access::{self, Action, Permissions};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::{Error, Op, Result, Timestamp};
use crate::mail::{Letter, Subject};
use crate::settings::Registration;

use super::model;
use super::password;
use super::service::{Identity, account, check_email, check_name, check_password, secret_hash};
use super::store::links::{self as store, LinkRow};
use super::store::{self as users, Row, tokens};

/// How long each link works.
pub(super) fn life(kind: LinkKind) -> TimeDelta {
    match kind {
        LinkKind::Reset => TimeDelta::hours(1),
        LinkKind::SignUp => TimeDelta::hours(24),
        LinkKind::Invite => TimeDelta::days(7),
    }
}

/// The longest that a mail waits for its writing to begin.
const APART: Duration = Duration::from_secs(1);

/// Mails of a kind to one address in an hour.
const MAILS: u64 = 3;

/// A link that was made; its secret is known here only.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub email: String,
    pub url: String,
    pub expires_at: Timestamp,
}

/// How far a sign-up got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// A mail with a link is on its way, if the address may sign up.
    MailSent,
    /// The account can be used.
    Active,
    /// The account waits for an administrator.
    Pending,
}

struct NewLink<'a> {
    kind: LinkKind,
    email: &'a str,
    name: &'a str,
    user: Option<UserId>,
    role: (UserRole, Option<RoleId>),
    by: Option<UserId>,
}

pub(super) fn over() -> Error {
    let message = "This link was used, is too old, or is not whole: ask for a new one.";
    Error::field(UserErrorCode::Invalid, "token", message)
}

impl Identity {
    /// Makes a link of which only the hash is stored: the row, and the secret.
    async fn link(&self, tx: &DatabaseTransaction, new: NewLink<'_>) -> Result<(LinkRow, String)> {
        let now = self.kernel.now();
        let secret = self.kernel.entropy.token();
        let row = account_link::Model {
            id: self.kernel.id(),
            kind: new.kind,
            email: new.email.to_owned(),
            name: new.name.to_owned(),
            user_id: new.user.map(|id| id.0),
            role: new.role.0,
            role_id: new.role.1.map(|id| id.0),
            token_hash: secret_hash(&secret),
            created_by: new.by.map(|id| id.0),
            created_at: now,
            expires_at: now + life(new.kind),
            used_at: None,
        };
        store::insert(tx, row.clone()).await?;
        Ok((row, secret))
    }

    /// Asks for a mail with which a password can be set. The answer is the same for every address.
    pub fn request_reset(&self, op: &Op, email: &str) -> Result<()> {
        let email = check_address(email)?;
        self.throttle(op, "requestPasswordReset", &email)?;
        let this = self.clone();
        tokio::spawn(async move {
            this.apart().await;
            if let Err(problem) = this.mail_reset(&email).await {
                tracing::warn!(
                    problem = problem.private_text(),
                    "a password's mail was not written"
                );
            }
        });
        Ok(())
    }

    /// Moves work away from the answer that it follows: beside it, it would slow it down, and so tell that there is
    /// any.
    async fn apart(&self) {
        tokio::time::sleep(self.kernel.entropy.up_to(APART)).await;
    }

    async fn mail_reset(&self, email: &str) -> Result<()> {
        let Some(user) = users::by_email(&self.kernel.db, email).await? else {
            return Ok(());
        };
        let hour = self.kernel.now() - TimeDelta::hours(1);
        let recent = store::count_since(&self.kernel.db, &user.email, LinkKind::Reset, hour).await?;
        if user.status != UserStatus::Active || recent >= MAILS || !self.mail.is_set_up().await? {
            return Ok(());
        }
        let tx = self.kernel.db.begin().await?;
        let new = NewLink {
            kind: LinkKind::Reset,
            email: &user.email,
            name: &user.name,
            user: Some(UserId(user.id)),
            role: (user.role, None),
            by: None,
        };
        let (_, secret) = self.link(&tx, new).await?;
        let link = self
            .mail
            .page(&user.locale, &format!("reset-password?token={secret}"));
        let letter = Letter::new(&user.email, &user.locale, Subject::Reset { link });
        self.mail.write(&tx, &letter).await?;
        tx.commit().await?;
        self.mail.written();
        Ok(())
    }

    /// Sets a password with a link from a mail, once. All sessions end, and other such links.
    pub async fn reset_password(&self, op: &Op, secret: &str, new: String) -> Result<()> {
        let mut checks = Checks::default();
        check_password(&new, "newPassword", &mut checks);
        checks.done()?;
        let (hash, now) = (secret_hash(secret), self.kernel.now());
        // Looked at first: hashing a password for nothing would be work that anybody could order.
        let known = store::by_hash(&self.kernel.db, &hash, now).await?;
        if known.is_none_or(|link| link.kind != LinkKind::Reset) {
            op.denied("resetPassword", "INVALID_LINK");
            return Err(over());
        }
        let password = password::hash(op.client, new).await?;
        let tx = self.kernel.db.begin().await?;
        let link = store::take(&tx, &hash, now).await?.ok_or_else(over)?;
        let user = UserId(link.user_id.ok_or_else(over)?);
        if !users::is_active(&tx, user).await? {
            return Err(over());
        }
        users::save_password(&tx, user, password, now).await?;
        users::sessions::remove_of(&tx, user, None).await?;
        store::remove_of(&tx, user).await?;
        let target = Target::new(TargetKind::User, user, link.email);
        self.audit
            .record(&tx, op, Change::new(AuditAction::ResetPassword, target))
            .await?;
        tx.commit().await?;
        self.access_of(user);
        Ok(())
    }

    /// Invites somebody by mail; the link is given back too, for installations without a mail server.
    pub async fn invite(
        &self,
        op: &Op,
        email: &str,
        name: Option<String>,
        role: RoleId,
        locale: &str,
    ) -> Result<Invitation> {
        let grant = access::allow(op, Action::ManageUsers)?;
        let email = check_address(email)?;
        let name = name.unwrap_or_default().trim().to_owned();
        let mut checks = Checks::default();
        if !name.is_empty() {
            check_name(&name, &mut checks);
        }
        checks.done()?;
        let settings = self.settings.load().await?;
        if settings.registration == Registration::Closed {
            let message = "Registration is closed in the settings.";
            return Err(Error::field(UserErrorCode::Unsupported, "", message));
        }
        let tx = self.kernel.db.begin().await?;
        if users::by_email(&tx, &email).await?.is_some() {
            let message = "This address has an account already.";
            return Err(Error::field(UserErrorCode::Taken, "email", message));
        }
        let held = self.held(&tx, role).await?;
        let held =
            held.ok_or_else(|| Error::field(UserErrorCode::NotFound, "roleId", "There is no such role."))?;
        if !held.permissions.within(op.permissions()) {
            let message = "This role allows more than you may do yourself.";
            return Err(Error::field(UserErrorCode::Forbidden, "roleId", message));
        }
        store::remove(&tx, &email, LinkKind::Invite).await?;
        let new = NewLink {
            kind: LinkKind::Invite,
            email: &email,
            name: &name,
            user: None,
            role: (held.role, held.custom),
            by: Some(grant.user()),
        };
        let (row, secret) = self.link(&tx, new).await?;
        let url = self.mail.page(locale, &format!("sign-up?token={secret}"));
        if settings.smtp.is_some() {
            self.mail_invite(&tx, grant.user(), &email, locale, &url).await?;
        }
        let target = Target::new(TargetKind::Invitation, row.id, email.clone());
        let change = Change::new(AuditAction::InviteUser, target).to(json!({ "role": held.name }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.mail.written();
        Ok(Invitation {
            email,
            url,
            expires_at: row.expires_at,
        })
    }

    /// Asks for an account, where everybody may. The answer is the same for every address.
    pub async fn begin_sign_up(&self, op: &Op, email: &str, name: &str, locale: &str) -> Result<SignUp> {
        let email = check_address(email)?;
        let name = name.trim().to_owned();
        let mut checks = Checks::default();
        check_name(&name, &mut checks);
        checks.done()?;
        let mode = self.settings.load().await?.registration;
        if matches!(mode, Registration::Closed | Registration::InviteOnly) {
            op.denied("signUp", "CLOSED");
            let message = "You need an invitation: ask an administrator for one.";
            return Err(Error::field(UserErrorCode::Unsupported, "", message));
        }
        self.throttle(op, "signUp", &email)?;
        let (this, locale) = (self.clone(), locale.to_owned());
        tokio::spawn(async move {
            this.apart().await;
            if let Err(problem) = this.mail_sign_up(&email, &name, &locale).await {
                tracing::warn!(
                    problem = problem.private_text(),
                    "a sign-up's mail was not written"
                );
            }
        });
        Ok(SignUp::MailSent)
    }

    async fn mail_sign_up(&self, email: &str, name: &str, locale: &str) -> Result<()> {
        let hour = self.kernel.now() - TimeDelta::hours(1);
        let recent = store::count_since(&self.kernel.db, email, LinkKind::SignUp, hour).await?;
        if recent >= MAILS || !self.mail.is_set_up().await? {
            return Ok(());
        }
        let taken = users::by_email(&self.kernel.db, email).await?.is_some();
        let tx = self.kernel.db.begin().await?;
        // Made for a taken address too, without being sent, so that its mails are counted alike.
        let new = NewLink {
            kind: LinkKind::SignUp,
            email,
            name,
            user: None,
            role: (UserRole::Viewer, None),
            by: None,
        };
        let (_, secret) = self.link(&tx, new).await?;
        let about = if taken {
            let link = self.mail.page(locale, "sign-in");
            Subject::HasAccount { link }
        } else {
            let link = self.mail.page(locale, &format!("sign-up?token={secret}"));
            Subject::SignUp { link }
        };
        self.mail.write(&tx, &Letter::new(email, locale, about)).await?;
        tx.commit().await?;
        self.mail.written();
        Ok(())
    }

    /// Makes the account that a link from a mail stands for, once.
    pub async fn finish_sign_up(
        &self,
        op: &Op,
        secret: &str,
        name: Option<String>,
        new: String,
        locale: &str,
    ) -> Result<SignUp> {
        let (hash, now) = (secret_hash(secret), self.kernel.now());
        let known = store::by_hash(&self.kernel.db, &hash, now).await?;
        let Some(known) = known.filter(|link| link.kind != LinkKind::Reset) else {
            op.denied("signUp", "INVALID_LINK");
            return Err(over());
        };
        let given = name
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        let name = given.unwrap_or(known.name);
        let mut checks = Checks::default();
        check_name(&name, &mut checks);
        check_password(&new, "password", &mut checks);
        checks.done()?;
        let password = password::hash(op.client, new).await?;
        let mode = self.settings.load().await?.registration;
        let tx = self.kernel.db.begin().await?;
        let link = store::take(&tx, &hash, now).await?.ok_or_else(over)?;
        let role = link.role_id.map_or_else(|| model::id_of(link.role), RoleId);
        let held = self.held(&tx, role).await?.ok_or_else(over)?;
        let status = match (link.kind, mode) {
            (LinkKind::Invite, mode) if mode != Registration::Closed => {
                self.still_may_give(&tx, &link, held.permissions).await?;
                UserStatus::Active
            }
            (LinkKind::SignUp, Registration::Open) => UserStatus::Active,
            (LinkKind::SignUp, Registration::Approval) => UserStatus::Pending,
            _ => return Err(over()),
        };
        if users::by_email(&tx, &link.email).await?.is_some() {
            return Err(over());
        }
        let row = Row {
            id: self.kernel.id::<UserId>().0,
            email: link.email,
            name,
            role: held.role,
            role_id: held.custom.map(|id| id.0),
            status,
            locale: locale.to_owned(),
            password_hash: password,
            password_changed_at: now,
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        };
        users::insert(&tx, row.clone()).await?;
        let by = op.known_as(UserId(row.id));
        let change = Change::new(AuditAction::CreateUser, account(&row))
            .to(json!({ "role": held.name, "status": users::status_name(status) }));
        self.audit.record(&tx, &by, change).await?;
        tx.commit().await?;
        Ok(match status {
            UserStatus::Pending => SignUp::Pending,
            _ => SignUp::Active,
        })
    }

    /// An invitation gives what its writer may give today: not what they might when they wrote it.
    pub(super) async fn still_may_give(
        &self,
        tx: &DatabaseTransaction,
        link: &LinkRow,
        permissions: Permissions,
    ) -> Result<()> {
        let by = link.created_by.map(UserId).ok_or_else(over)?;
        let row = users::by_ids(tx, [by]).await?.pop();
        let row = row
            .filter(|row| row.status == UserStatus::Active)
            .ok_or_else(over)?;
        let may = self.permissions_of(tx, &row).await?;
        if may.contains(Action::ManageUsers) && permissions.within(may) {
            Ok(())
        } else {
            Err(over())
        }
    }

    /// What an account loses when it may no longer be used.
    pub(super) async fn end_credentials(&self, tx: &DatabaseTransaction, user: UserId) -> Result<()> {
        users::sessions::remove_of(tx, user, None).await?;
        tokens::revoke_of(tx, user, self.kernel.now()).await?;
        store::remove_of(tx, user).await
    }
}

/// An e-mail address as it is stored.
fn check_address(email: &str) -> Result<String> {
    let mut checks = Checks::default();
    check_email(email, &mut checks);
    checks.done()?;
    Ok(email.trim().to_owned())
}
