//! Invitations that were written: who has them, sending them again, taking them back.

use cronium_entity::enums::LinkKind;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::json;

use crate::access::{self, Action};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{InviteId, RoleId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Error, Op, Result};
use crate::mail::{Letter, Subject};
use crate::settings::Registration;

use super::links::{Invitation, life};
use super::model;
use super::people::Held;
use super::service::{Identity, secret_hash};
use super::store as users;
use super::store::links::{self as store, InviteFilter, LinkRow};

impl Identity {
    /// Invitations, newest first.
    pub async fn invites(
        &self,
        op: &Op,
        filter: &InviteFilter,
        args: &PageArgs,
    ) -> Result<(Page<LinkRow>, u64)> {
        access::allow(op, Action::ManageUsers)?;
        store::page(&self.kernel.db, filter, self.kernel.now(), args).await
    }

    /// An invitation node.
    pub async fn invites_seen(&self, op: &Op, ids: &[InviteId]) -> Result<Vec<LinkRow>> {
        if access::decide(op, Action::ManageUsers).is_err() {
            return Ok(Vec::new());
        }
        store::invites_by_ids(&self.kernel.db, ids.iter().map(|id| id.0)).await
    }

    /// An invitation that was not used, if the actor may give what it gives.
    async fn open_invite(&self, tx: &DatabaseTransaction, op: &Op, id: InviteId) -> Result<(LinkRow, Held)> {
        let row = store::lock_invite(tx, id).await?;
        let row = row.ok_or(Error::NotFound("invitation"))?;
        if row.used_at.is_some() {
            let message = "This invitation was used: there is an account.";
            return Err(Error::field(UserErrorCode::Conflict, "id", message));
        }
        let role = row.role_id.map_or_else(|| model::id_of(row.role), RoleId);
        let held = self.held(tx, role).await?;
        let held = held.ok_or_else(|| Error::internal("an invitation without its role"))?;
        if !held.permissions.within(op.permissions()) {
            let message = "This invitation gives more than you may do yourself.";
            return Err(Error::field(UserErrorCode::Forbidden, "id", message));
        }
        Ok((row, held))
    }

    /// Takes an invitation back: its link is worth nothing from now on.
    pub async fn revoke_invite(&self, op: &Op, id: InviteId) -> Result<InviteId> {
        access::allow(op, Action::ManageUsers)?;
        let tx = self.kernel.db.begin().await?;
        let (row, held) = self.open_invite(&tx, op, id).await?;
        store::remove_by_id(&tx, id).await?;
        let target = Target::new(TargetKind::Invitation, row.id, row.email);
        let change = Change::new(AuditAction::RevokeInvite, target).from(json!({ "role": held.name }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Sends an invitation again with a new link, which lasts as long as a first one; the old link is worth nothing
    /// from now on. It is the actor's invitation then.
    pub async fn resend_invite(&self, op: &Op, id: InviteId, locale: &str) -> Result<Invitation> {
        let grant = access::allow(op, Action::ManageUsers)?;
        let settings = self.settings.load().await?;
        if settings.registration == Registration::Closed {
            let message = "Registration is closed in the settings.";
            return Err(Error::field(UserErrorCode::Unsupported, "", message));
        }
        self.throttle_everywhere(op, "resendInvite", &id.to_string())?;
        let tx = self.kernel.db.begin().await?;
        let (row, held) = self.open_invite(&tx, op, id).await?;
        if users::by_email(&tx, &row.email).await?.is_some() {
            let message = "This address has an account already.";
            return Err(Error::field(UserErrorCode::Taken, "id", message));
        }
        let secret = self.kernel.entropy.token();
        let row = LinkRow {
            token_hash: secret_hash(&secret),
            created_by: Some(grant.user().0),
            expires_at: self.kernel.now() + life(LinkKind::Invite),
            ..row
        };
        store::renew(&tx, &row).await?;
        let url = self.mail.page(locale, &format!("sign-up?token={secret}"));
        if settings.smtp.is_some() {
            self.mail_invite(&tx, grant.user(), &row.email, locale, &url)
                .await?;
        }
        let target = Target::new(TargetKind::Invitation, row.id, row.email.clone());
        let change = Change::new(AuditAction::ResendInvite, target).to(json!({ "role": held.name }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.mail.written();
        Ok(Invitation {
            email: row.email,
            url,
            expires_at: row.expires_at,
        })
    }

    pub(super) async fn mail_invite(
        &self,
        tx: &DatabaseTransaction,
        by: UserId,
        email: &str,
        locale: &str,
        url: &str,
    ) -> Result<()> {
        let by = users::by_ids(tx, [by]).await?.pop();
        let about = Subject::Invite {
            link: url.to_owned(),
            by: by.map(|user| user.name).unwrap_or_default(),
        };
        self.mail.write(tx, &Letter::new(email, locale, about)).await
    }
}
