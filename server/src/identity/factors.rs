//! The second factor: an authenticator app, and recovery codes for when it is lost. A code works once.

use cronium_entity::second_factor;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use zeroize::Zeroizing;

use crate::access::{self, Action};
use crate::audit::{AuditAction, Change};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::UserId;
use crate::kernel::{Error, Op, Result};

use super::password;
use super::service::{Identity, account, secret_hash};
use super::store::factors as store;
use super::store::{self as users, Row};
use super::totp::{self, RECOVERY_CODES, SECRET};

fn context(user: UserId) -> String {
    format!("second_factors/{user}")
}

/// What an app needs.
#[derive(Debug, Clone)]
pub struct Begun {
    pub secret: String,
    pub url: String,
}

fn wrong(field: &str) -> Error {
    let message = "This code is wrong, too old, or was used. Take the present one.";
    Error::field(UserErrorCode::Invalid, field, message)
}

impl Identity {
    /// Draws a secret for an app. It is in force once a code of it was given.
    pub async fn begin_totp(&self, op: &Op) -> Result<Begun> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.me(grant.user()).await?;
        let secret: Zeroizing<[u8; SECRET]> = Zeroizing::new(self.kernel.entropy.bytes());
        let row = second_factor::Model {
            user_id: me.id,
            secret: self
                .master
                .seal(self.kernel.entropy, &context(grant.user()), secret.as_slice())?,
            created_at: self.kernel.now(),
            confirmed_at: None,
            last_step: 0,
        };
        if !store::begin(&self.kernel.db, row).await? {
            let message = "A second factor is in force: remove it first.";
            return Err(Error::field(UserErrorCode::Conflict, "", message));
        }
        Ok(Begun {
            secret: totp::base32(secret.as_slice()),
            url: totp::url(secret.as_slice(), &me.email),
        })
    }

    /// Puts the second factor in force. Gives the recovery codes, which are known here only.
    pub async fn confirm_totp(&self, op: &Op, password: String, code: &str) -> Result<Vec<String>> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.prove(op, grant.user(), password).await?;
        let tx = self.kernel.db.begin().await?;
        let factor = store::lock(&tx, grant.user()).await?;
        let Some(factor) = factor.filter(|factor| factor.confirmed_at.is_none()) else {
            let message = "Begin first: there is no second factor to confirm.";
            return Err(Error::field(UserErrorCode::Conflict, "", message));
        };
        let (secret, now) = (
            self.master.open(&context(grant.user()), &factor.secret)?,
            self.kernel.now(),
        );
        let step = totp::step_of(&secret, code, now.timestamp(), factor.last_step);
        let step = step.ok_or_else(|| wrong("code"))?;
        store::confirm(&tx, grant.user(), step, now).await?;
        let fresh = || totp::recovery_code(self.kernel.entropy.bytes());
        let codes: Vec<String> = std::iter::repeat_with(fresh).take(RECOVERY_CODES).collect();
        let hashes = codes.iter().map(|code| secret_hash(&totp::plain(code))).collect();
        store::insert_codes(&tx, grant.user(), hashes).await?;
        self.audit
            .record(&tx, op, Change::new(AuditAction::EnableTotp, account(&me)))
            .await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Removes the second factor, with the password and a code of it.
    pub async fn disable_totp(&self, op: &Op, password: String, code: &str) -> Result<()> {
        let grant = access::allow(op, Action::ChangeOwnProfile)?;
        let me = self.prove(op, grant.user(), password).await?;
        let tx = self.kernel.db.begin().await?;
        if self.in_force(&tx, grant.user()).await? {
            self.take_code(&tx, op, &me, code).await?;
        }
        if store::remove(&tx, grant.user()).await? {
            self.audit
                .record(&tx, op, Change::new(AuditAction::DisableTotp, account(&me)))
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Removes the second factor of somebody who lost it, for those who manage accounts. Nothing is removed twice:
    /// asking again changes nothing.
    pub async fn reset_totp(&self, op: &Op, id: UserId) -> Result<Row> {
        access::allow(op, Action::ManageUsers)?;
        if op.user() == Some(id) {
            // Whoever took over a session could otherwise remove what stands in their way.
            let message = "Remove your own second factor with your password and a code.";
            return Err(Error::field(UserErrorCode::Forbidden, "id", message));
        }
        let tx = self.kernel.db.begin().await?;
        let (row, _) = users::lock(&tx, id).await?;
        self.not_above(&tx, op, id).await?;
        if store::remove(&tx, id).await? {
            self.audit
                .record(&tx, op, Change::new(AuditAction::DisableTotp, account(&row)))
                .await?;
        }
        tx.commit().await?;
        Ok(row)
    }

    /// Those of the users who sign in with a second factor.
    pub async fn with_totp(&self, users: &[UserId]) -> Result<Vec<UserId>> {
        store::in_force(&self.kernel.db, users).await
    }

    async fn in_force(&self, tx: &DatabaseTransaction, user: UserId) -> Result<bool> {
        let factor = store::lock(tx, user).await?;
        Ok(factor.is_some_and(|factor| factor.confirmed_at.is_some()))
    }

    /// Takes a code of a user whose password was right, if they have a second factor.
    pub(super) async fn second_factor(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        user: &Row,
        code: Option<&str>,
    ) -> Result<()> {
        if !self.in_force(tx, UserId(user.id)).await? {
            return Ok(());
        }
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            let message = "Enter the code of your authenticator app, or a recovery code.";
            return Err(Error::field(UserErrorCode::Required, "code", message));
        };
        self.take_code(tx, op, user, code).await
    }

    async fn take_code(&self, tx: &DatabaseTransaction, op: &Op, user: &Row, code: &str) -> Result<()> {
        // Of one account, from wherever: six digits are soon guessed from many addresses.
        self.throttle_everywhere(op, "totp", &user.email)?;
        let id = UserId(user.id);
        let factor = store::lock(tx, id).await?.ok_or_else(|| wrong("code"))?;
        let secret = self.master.open(&context(id), &factor.secret)?;
        let now = self.kernel.now();
        let step = totp::step_of(&secret, code, now.timestamp(), factor.last_step);
        let taken = match step {
            Some(step) => store::take_step(tx, id, step).await?,
            None => {
                let hash = secret_hash(&totp::plain(code));
                let taken = store::take_code(tx, id, hash, now).await?;
                if taken {
                    self.audit
                        .record(tx, op, Change::new(AuditAction::UseRecoveryCode, account(user)))
                        .await?;
                }
                taken
            }
        };
        if taken {
            return Ok(());
        }
        // Whoever got so far knows the password: it is the account that is at stake.
        op.known_as(id).denied("signIn", "WRONG_CODE");
        Err(wrong("code"))
    }

    /// Whoever asks knows the account's password.
    async fn prove(&self, op: &Op, user: UserId, password: String) -> Result<Row> {
        let me = self.me(user).await?;
        self.throttle(op, "password", &me.email)?;
        if password::verify(op.client, password, Some(me.password_hash.clone())).await? {
            return Ok(me);
        }
        op.denied("password", "WRONG_PASSWORD");
        let message = "This is not your current password.";
        Err(Error::field(UserErrorCode::Invalid, "password", message))
    }
}
