//! Roles: the built-in ones, and custom ones made of permissions.

use std::collections::HashMap;

use cronium_entity::enums::UserRole;
use cronium_entity::role;
use sea_orm::TransactionTrait as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{self, Action, Permissions, roles};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::RoleId;
use crate::kernel::signals::Access;
use crate::kernel::{Error, Op, Result, Timestamp};

use super::model;
use super::service::{Identity, check_name};
use super::store::roles::{self as store, RoleRow};

/// Custom roles of one installation.
const MOST: u64 = 100;

/// A role of either sort.
#[derive(Debug, Clone)]
pub struct Role {
    pub id: RoleId,
    /// The built-in one; None for a custom one.
    pub built_in: Option<UserRole>,
    pub name: String,
    pub description: String,
    pub permissions: Permissions,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i32>,
}

impl From<UserRole> for Role {
    fn from(role: UserRole) -> Self {
        let description = match role {
            UserRole::Admin => "Everything.",
            UserRole::Editor => "Writes and runs their own events.",
            UserRole::Operator => "Runs and stops what others wrote.",
            UserRole::Viewer => "Looks.",
        };
        Self {
            id: model::id_of(role),
            built_in: Some(role),
            name: model::name_of(role).into(),
            description: description.into(),
            permissions: roles::permissions(role),
            updated_at: None,
            version: None,
        }
    }
}

impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        Self {
            id: RoleId(row.id),
            built_in: None,
            permissions: Permissions::named(&row.permissions),
            name: row.name,
            description: row.description,
            updated_at: Some(row.updated_at),
            version: Some(row.version),
        }
    }
}

/// What a role is to be.
#[derive(Debug, Clone)]
pub struct RoleContent {
    pub name: String,
    pub description: String,
    pub permissions: Permissions,
}

impl Identity {
    /// All roles, the built-in ones first. Those who manage users see them too: they give them.
    pub async fn roles(&self, op: &Op) -> Result<Vec<Role>> {
        may_read(op)?;
        let custom = store::all(&self.kernel.db).await?;
        let built_in = roles::BUILT_IN.into_iter().map(Role::from);
        Ok(built_in.chain(custom.into_iter().map(Role::from)).collect())
    }

    /// A role of either sort.
    pub async fn role(&self, id: RoleId) -> Result<Option<Role>> {
        match model::built_in(id) {
            Some(role) => Ok(Some(role.into())),
            None => Ok(self.roles_by_ids(&[id]).await?.pop()),
        }
    }

    /// A role node.
    pub async fn roles_seen(&self, op: &Op, ids: &[RoleId]) -> Result<Vec<Role>> {
        if may_read(op).is_err() {
            return Ok(Vec::new());
        }
        let built_in = ids.iter().filter_map(|id| model::built_in(*id)).map(Role::from);
        let custom = self.roles_by_ids(ids).await?;
        Ok(built_in.chain(custom).collect())
    }

    /// Custom roles by id, for nested fields: who may see an account may see what it may do.
    pub async fn roles_by_ids(&self, ids: &[RoleId]) -> Result<Vec<Role>> {
        let rows = store::by_ids(&self.kernel.db, ids.iter().map(|id| id.0)).await?;
        Ok(rows.into_iter().map(Role::from).collect())
    }

    /// How many people have each role.
    pub async fn role_members(&self) -> Result<HashMap<RoleId, i64>> {
        let rows = store::members(&self.kernel.db).await?;
        let of = |custom: Option<Uuid>, role| custom.map_or_else(|| model::id_of(role), RoleId);
        Ok(rows
            .into_iter()
            .map(|(custom, role, count)| (of(custom, role), count))
            .collect())
    }

    /// Makes a custom role, or changes one: for its people with their next request.
    pub async fn save_role(
        &self,
        op: &Op,
        id: Option<RoleId>,
        expected: Option<i32>,
        content: RoleContent,
    ) -> Result<Role> {
        access::allow(op, Action::ManageRoles)?;
        let content = RoleContent {
            name: content.name.trim().to_owned(),
            description: content.description.trim().to_owned(),
            ..content
        };
        let mut checks = Checks::default();
        check_name(&content.name, &mut checks);
        let built_in = roles::BUILT_IN
            .iter()
            .any(|role| model::name_of(*role).eq_ignore_ascii_case(&content.name));
        checks.require(
            !built_in,
            UserErrorCode::Taken,
            "name",
            "A built-in role has this name.",
        );
        let short = content.description.chars().count() <= 500;
        checks.require(
            short,
            UserErrorCode::TooLong,
            "description",
            "At most 500 characters.",
        );
        for scope in content
            .permissions
            .iter()
            .filter(|scope| !op.permissions().contains(*scope))
        {
            let message = format!("You may not do {} yourself.", scope.name());
            checks.add(UserErrorCode::Forbidden, "permissions", message);
        }
        checks.done()?;
        if id.is_some_and(|id| model::built_in(id).is_some()) {
            return Err(built_in_stays());
        }
        let now = self.kernel.now();
        let tx = self.kernel.db.begin().await?;
        let old = match id {
            Some(id) => Some(store::lock(&tx, id).await?.ok_or(Error::NotFound("role"))?),
            None => None,
        };
        if let Some(old) = &old
            && !Permissions::named(&old.permissions).within(op.permissions())
        {
            let message = "This role allows more than you may do yourself.";
            return Err(Error::field(UserErrorCode::Forbidden, "id", message));
        }
        if expected.is_some() && expected != old.as_ref().map(|old| old.version) {
            let message = "The role was changed meanwhile: load it again.";
            return Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message));
        }
        if old.is_none() && store::count(&tx).await? >= MOST {
            let message = format!("There are {MOST} custom roles already.");
            return Err(Error::field(UserErrorCode::LimitReached, "", message));
        }
        let row = role::Model {
            id: old
                .as_ref()
                .map_or_else(|| self.kernel.id::<RoleId>().0, |old| old.id),
            name: content.name,
            description: content.description,
            permissions: content.permissions.names(),
            created_at: old.as_ref().map_or(now, |old| old.created_at),
            updated_at: now,
            version: old.as_ref().map_or(1, |old| old.version + 1),
        };
        let action = if old.is_some() {
            AuditAction::UpdateRole
        } else {
            AuditAction::CreateRole
        };
        let change = Change::new(action, target(&row)).to(seen(&row));
        let change = match &old {
            Some(old) => change.from(seen(old)),
            None => change,
        };
        match old {
            Some(_) => store::save(&tx, row.clone()).await?,
            None => store::insert(&tx, row.clone()).await?,
        }
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        if id.is_some() {
            self.kernel.signals.access_changed(Access::Everyone);
        }
        Ok(row.into())
    }

    /// Removes a custom role that nobody has.
    pub async fn delete_role(&self, op: &Op, id: RoleId) -> Result<RoleId> {
        access::allow(op, Action::ManageRoles)?;
        if model::built_in(id).is_some() {
            return Err(built_in_stays());
        }
        let tx = self.kernel.db.begin().await?;
        let row = store::lock(&tx, id).await?.ok_or(Error::NotFound("role"))?;
        let members = store::members_of(&tx, id).await?;
        if members > 0 {
            let message = format!("{members} people have this role: give them another one first.");
            return Err(Error::field(UserErrorCode::InUse, "id", message));
        }
        store::delete(&tx, id).await?;
        let change = Change::new(AuditAction::DeleteRole, target(&row)).from(seen(&row));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(id)
    }
}

fn may_read(op: &Op) -> Result<()> {
    if access::decide(op, Action::ManageUsers).is_ok() {
        return Ok(());
    }
    access::allow(op, Action::ManageRoles).map(drop)
}

fn target(row: &RoleRow) -> Target {
    Target::new(TargetKind::Role, row.id, row.name.clone())
}

fn seen(row: &RoleRow) -> Value {
    json!({ "name": row.name, "description": row.description, "permissions": row.permissions })
}

fn built_in_stays() -> Error {
    let message = "A built-in role can't be changed: make a custom one.";
    Error::field(UserErrorCode::Conflict, "id", message)
}
