//! Other people's accounts, for those who manage them.

use cronium_entity::enums::{UserRole, UserStatus};
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait as _};
use serde_json::{Value, json};

use crate::access::{self, Action, Permissions};
use crate::audit::{AuditAction, Change};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Error, Op, Result};

use super::model::{self, Refusal};
use super::service::{Identity, account, check_name};
use super::store::{self, Filter, Row};

/// What changes; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub role: Option<RoleId>,
    pub status: Option<UserStatus>,
}

/// A role as an account has it.
pub(super) struct Held {
    pub role: UserRole,
    pub custom: Option<RoleId>,
    pub name: String,
    pub permissions: Permissions,
}

impl Identity {
    pub async fn people(
        &self,
        op: &Op,
        filter: &Filter,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<Row>, u64)> {
        access::allow(op, Action::ManageUsers)?;
        let page = store::page(&self.kernel.db, filter, args).await?;
        let total = if counted {
            store::count_matching(&self.kernel.db, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    /// An account and what its role allows, for those who manage accounts.
    pub async fn subject(&self, op: &Op, id: UserId) -> Result<(Row, Permissions)> {
        access::allow(op, Action::ManageUsers)?;
        let row = store::by_ids(&self.kernel.db, [id]).await?.pop();
        let row = row.ok_or(Error::NotFound("user"))?;
        let permissions = self.permissions_of(&self.kernel.db, &row).await?;
        Ok((row, permissions))
    }

    /// What an account may do at this moment, for what acts in its name; nothing unless it is active.
    pub async fn rights(&self, id: UserId) -> Result<Permissions> {
        match store::by_ids(&self.kernel.db, [id]).await?.pop() {
            Some(row) if row.status == UserStatus::Active => self.permissions_of(&self.kernel.db, &row).await,
            _ => Ok(Permissions::NONE),
        }
    }

    /// What the role of an account allows.
    pub(super) async fn permissions_of(&self, db: &impl ConnectionTrait, row: &Row) -> Result<Permissions> {
        let custom = match row.role_id {
            Some(id) => store::roles::by_ids(db, [id]).await?.pop(),
            None => None,
        };
        let names = custom.as_ref().map(|role| role.permissions.as_slice());
        Ok(model::of_role(row.role, names))
    }

    /// Refuses to touch what belongs to an account that may do more than whoever asks. One's own is one's own.
    pub(super) async fn not_above(&self, db: &impl ConnectionTrait, op: &Op, owner: UserId) -> Result<()> {
        if op.user() == Some(owner) {
            return Ok(());
        }
        let Some(row) = store::by_ids(db, [owner]).await?.pop() else {
            return Ok(());
        };
        if self.permissions_of(db, &row).await?.within(op.permissions()) {
            return Ok(());
        }
        let message = "This account may do more than you: you can't change it.";
        Err(Error::field(UserErrorCode::Forbidden, "id", message))
    }

    /// What a role id stands for; the role stays until the transaction ends.
    pub(super) async fn held(&self, tx: &DatabaseTransaction, id: RoleId) -> Result<Option<Held>> {
        if let Some(role) = model::built_in(id) {
            return Ok(Some(Held {
                role,
                custom: None,
                name: model::name_of(role).into(),
                permissions: model::of_role(role, None),
            }));
        }
        let row = store::roles::keep(tx, id).await?;
        Ok(row.map(|row| Held {
            role: UserRole::Viewer,
            custom: Some(id),
            permissions: Permissions::named(&row.permissions),
            name: row.name,
        }))
    }

    /// Changes an account. What it may do changes with its next request; disabled, all its credentials are
    /// dead for good.
    pub async fn update_user(&self, op: &Op, id: UserId, change: UserChange) -> Result<Row> {
        access::allow(op, Action::ManageUsers)?;
        let tx = self.kernel.db.begin().await?;
        let (before, other_admins) = store::lock(&tx, id).await?;
        let had = self
            .held(&tx, before.role_id.map_or(model::id_of(before.role), RoleId))
            .await?;
        let had = had.ok_or_else(|| Error::internal("an account without its role"))?;
        let mut checks = Checks::default();
        let name = change
            .name
            .map_or_else(|| before.name.clone(), |name| name.trim().to_owned());
        check_name(&name, &mut checks);
        let gets = match change.role {
            Some(role) => self.held(&tx, role).await?,
            None => None,
        };
        if change.role.is_some() && gets.is_none() {
            checks.add(UserErrorCode::NotFound, "roleId", "There is no such role.");
        }
        checks.done()?;
        let has = gets.as_ref().unwrap_or(&had);
        let status = change.status.unwrap_or(before.status);
        let from = (before.role, before.status, had.permissions);
        let to = (has.role, status, has.permissions);
        model::may_change(op.permissions(), from, to, other_admins).map_err(refused)?;
        if op.user() == Some(id) && status != before.status {
            let message = "Nobody disables their own account: ask somebody else who manages people.";
            return Err(Error::field(UserErrorCode::Conflict, "status", message));
        }
        let after = Row {
            name,
            role: has.role,
            role_id: has.custom.map(|id| id.0),
            status,
            updated_at: self.kernel.now(),
            ..before.clone()
        };
        store::save(&tx, &after).await?;
        if status != UserStatus::Active {
            self.end_credentials(&tx, id).await?;
        }
        let change = Change::new(AuditAction::UpdateUser, account(&after))
            .from(seen(&before, &had.name))
            .to(seen(&after, &has.name));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.access_of(id);
        Ok(after)
    }
}

fn seen(row: &Row, role: &str) -> Value {
    json!({ "name": row.name, "role": role, "status": store::status_name(row.status) })
}

fn refused(refusal: Refusal) -> Error {
    let (code, field, message) = match refusal {
        Refusal::Stronger => (
            UserErrorCode::Forbidden,
            "id",
            "This account may do more than you: you can't change it.",
        ),
        Refusal::GivesMore => (
            UserErrorCode::Forbidden,
            "roleId",
            "This role allows more than you may do yourself.",
        ),
        Refusal::LastAdmin => (
            UserErrorCode::Conflict,
            "id",
            "This is the last active administrator: make another one first.",
        ),
    };
    Error::field(code, field, message)
}
