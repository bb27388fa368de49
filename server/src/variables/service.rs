//! Setting, removing and showing variables.

use cronium_entity::enums::VariableScope;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use zeroize::Zeroizing;

use crate::access::{self, Action, Grant};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::events::{EventRow, Events};
use crate::identity::Identity;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{UserId, VariableId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};

use super::model::{self, Value};
use super::store::{self, Filter, Place, VariableRow};
use super::usage::Used;

/// Variables and secrets.
#[derive(Clone, Debug)]
pub struct Variables {
    pub(super) kernel: Kernel,
    pub(super) audit: Audit,
    pub(super) identity: Identity,
    pub(super) events: Events,
    master: KeyRing,
}

/// A variable to make or to change; None stays as it is.
#[derive(Clone, Default)]
pub struct VariableChange {
    /// The one to change; None: the one with this key and scope, or a new one.
    pub id: Option<VariableId>,
    pub key: String,
    pub scope: Option<VariableScope>,
    pub value: Option<String>,
    pub secret: Option<bool>,
    pub description: Option<String>,
    /// Some(0): it must not be there yet.
    pub expected: Option<i32>,
}

impl VariableChange {
    fn check(&self) -> Result<()> {
        let mut checks = Checks::default();
        model::note(model::key_problem(&self.key), "key", &mut checks);
        let value = self.value.as_deref().and_then(model::value_problem);
        model::note(value, "value", &mut checks);
        let description = self.description.as_deref().and_then(model::description_problem);
        model::note(description, "description", &mut checks);
        checks.done()
    }
}

/// Whether somebody may change a variable in this place: own ones and those they share; global ones with the
/// settings of the installation.
pub(super) fn may_change(op: &Op, grant: &Grant, place: Place) -> bool {
    match place.owner {
        Some(owner) => grant.covers(owner, false),
        None => access::decide(op, Action::ManageSettings).is_ok(),
    }
}

pub(super) fn place_of(row: &VariableRow) -> Place {
    Place {
        scope: row.scope,
        owner: row.owner_id.map(UserId),
    }
}

impl Variables {
    pub fn new(kernel: Kernel, audit: Audit, identity: Identity, events: Events, master: KeyRing) -> Self {
        Self {
            kernel,
            audit,
            identity,
            events,
            master,
        }
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: Option<&Filter>,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<VariableRow>, u64)> {
        let grant = access::allow(op, Action::ReadVariables)?;
        let Some(filter) = filter else {
            return Ok((args.page(Vec::new()), 0));
        };
        let page = store::page(&self.kernel.db, &grant, filter, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, &grant, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    /// Those of the variables that may be seen.
    pub async fn seen(&self, op: &Op, ids: &[VariableId]) -> Result<Vec<VariableRow>> {
        let grant = access::allow(op, Action::ReadVariables)?;
        store::seen(&self.kernel.db, &grant, ids.iter().map(|id| id.0)).await
    }

    /// Makes a variable, or changes the one that is there. What is equal already is no change.
    pub async fn set(&self, op: &Op, change: VariableChange) -> Result<VariableRow> {
        let grant = access::allow(op, Action::ManageVariables)?;
        change.check()?;
        // Looked at before it is locked: whose it is says in which place the new one will be.
        let known = match change.id {
            Some(id) => Some(manageable(op, &grant, store::get(&self.kernel.db, id).await?)?),
            None => None,
        };
        let scope = change.scope.or(known.as_ref().map(|row| row.scope));
        let owner = known.as_ref().and_then(|row| row.owner_id).map(UserId);
        let place = Place::new(scope.unwrap_or(VariableScope::Own), owner.unwrap_or(grant.user()));
        if !may_change(op, &grant, place) {
            let message = "Variables of the installation are for those who manage its settings.";
            return Err(Error::field(UserErrorCode::Forbidden, "scope", message));
        }
        let tx = self.kernel.db.begin().await?;
        store::lock_place(&tx, place).await?;
        let there = store::lock_keys(&tx, place, [change.key.as_str()]).await?.pop();
        let before = match known {
            Some(known) => {
                let row = store::lock(&tx, VariableId(known.id)).await?;
                if row.owner_id != known.owner_id {
                    return Err(changed_meanwhile());
                }
                if there.is_some_and(|other| other.id != row.id) {
                    return Err(taken(place));
                }
                Some(row)
            }
            None => there,
        };
        let after = self.changed(&grant, before.as_ref(), place, change)?;
        let Some(after) = after else {
            return before.ok_or_else(|| Error::internal("a new variable is a change"));
        };
        let (from, to) = (before.as_ref().map(place_of), place_of(&after));
        if from != Some(to) && store::room(&tx, to).await? < 1 {
            return Err(full("scope"));
        }
        self.write(&tx, before.as_ref(), after.clone()).await?;
        let entry = entry(before.as_ref(), Some(&after));
        self.audit
            .record_all(&tx, op, entry.into_iter().collect())
            .await?;
        tx.commit().await?;
        Ok(after)
    }

    pub(super) async fn write(
        &self,
        tx: &DatabaseTransaction,
        before: Option<&VariableRow>,
        after: VariableRow,
    ) -> Result<()> {
        match before {
            Some(_) => store::save(tx, after).await,
            None => store::insert(tx, [after]).await,
        }
    }

    /// What a variable becomes; None: it is so already.
    fn changed(
        &self,
        grant: &Grant,
        before: Option<&VariableRow>,
        place: Place,
        change: VariableChange,
    ) -> Result<Option<VariableRow>> {
        let mine = |row: &VariableRow| {
            row.owner_id
                .is_none_or(|owner| grant.covers(UserId(owner), false))
        };
        if before.is_some_and(|row| !mine(row)) {
            return Err(taken(place));
        }
        expect_version(before, change.expected)?;
        let mut row = match before {
            Some(row) => row.clone(),
            None => self.blank(place, &change.key),
        };
        (row.scope, row.owner_id) = (place.scope, place.owner.map(|owner| owner.0));
        // Somebody else's shared variable stays theirs when it is named by its key.
        if let (Some(before), None) = (before, change.id) {
            row.owner_id = before.owner_id;
        }
        row.key = change.key;
        if let Some(description) = change.description {
            description.trim().clone_into(&mut row.description);
        }
        let was_secret = row.sealed.is_some();
        let secret = change.secret.unwrap_or(was_secret);
        match change.value {
            // A secret that is given again counts as changed even when it is the same: else one could guess it.
            Some(text) if secret || was_secret || row.value.as_deref() != Some(text.as_str()) => {
                self.put(&mut row, &text, secret)?;
            }
            Some(_) => {}
            None if before.is_none() => {
                return Err(Error::field(
                    UserErrorCode::Required,
                    "value",
                    "Give the variable a value.",
                ));
            }
            None if was_secret && !secret => {
                let message = "A secret is never shown again: give it a new value to make it readable.";
                return Err(Error::field(UserErrorCode::Required, "value", message));
            }
            None if secret && !was_secret => {
                let text = row.value.take().unwrap_or_default();
                self.put(&mut row, &text, true)?;
            }
            None => {}
        }
        if before == Some(&row) {
            return Ok(None);
        }
        self.stamp(&mut row, before, grant.user());
        Ok(Some(row))
    }

    /// A row without a value yet.
    pub(super) fn blank(&self, place: Place, key: &str) -> VariableRow {
        let now = self.kernel.now();
        VariableRow {
            id: self.kernel.id::<VariableId>().0,
            scope: place.scope,
            owner_id: place.owner.map(|owner| owner.0),
            key: key.to_owned(),
            value: None,
            sealed: None,
            description: String::new(),
            version: 1,
            created_at: now,
            updated_at: now,
            updated_by: None,
        }
    }

    /// Notes who changes it, and when.
    pub(super) fn stamp(&self, row: &mut VariableRow, before: Option<&VariableRow>, by: UserId) {
        row.version = before.map_or(1, |before| model::next_version(before.version));
        (row.updated_at, row.updated_by) = (self.kernel.now(), Some(by.0));
    }

    /// Gives a row its value: sealed and bound to the row when it is a secret.
    pub(super) fn put(&self, row: &mut VariableRow, text: &str, secret: bool) -> Result<()> {
        (row.value, row.sealed) = if secret {
            let context = context(row);
            let sealed = self.master.seal(self.kernel.entropy, &context, text.as_bytes())?;
            (None, Some(sealed))
        } else {
            (Some(text.to_owned()), None)
        };
        Ok(())
    }

    /// What a row holds, opened.
    pub(super) fn value(&self, row: &VariableRow) -> Result<Value> {
        let Some(sealed) = &row.sealed else {
            let text = Zeroizing::new(row.value.clone().unwrap_or_default());
            return Ok(Value { text, secret: false });
        };
        let plain = self.master.open(&context(row), sealed)?;
        let text =
            std::str::from_utf8(&plain).map_err(|_| Error::internal("a sealed variable is no text"))?;
        Ok(Value {
            text: Zeroizing::new(text.to_owned()),
            secret: true,
        })
    }

    /// For `viewerCan`: whether somebody may change and remove it.
    pub fn may_change(&self, op: &Op, row: &VariableRow) -> bool {
        let grant = access::decide(op, Action::ManageVariables);
        grant.is_ok_and(|grant| may_change(op, &grant, place_of(row)))
    }

    /// Removes a variable; with the events that used it until then, if they are asked for.
    pub async fn delete(
        &self,
        op: &Op,
        id: VariableId,
        expected: Option<i32>,
        with_usage: bool,
    ) -> Result<(VariableId, Vec<EventRow>)> {
        let grant = access::allow(op, Action::ManageVariables)?;
        let mut used_by = Vec::new();
        if with_usage {
            let row = manageable(op, &grant, store::get(&self.kernel.db, id).await?)?;
            let asked = Used::seen_by(op, &row);
            used_by = self
                .used(asked.as_slice())
                .await?
                .into_values()
                .flatten()
                .collect();
        }
        let tx = self.kernel.db.begin().await?;
        let row = manageable(op, &grant, store::lock(&tx, id).await?)?;
        expect_version(Some(&row), expected)?;
        store::delete(&tx, id).await?;
        let entry = entry(Some(&row), None);
        self.audit
            .record_all(&tx, op, entry.into_iter().collect())
            .await?;
        tx.commit().await?;
        Ok((id, used_by))
    }
}

/// Refuses what is not somebody's to change as if it were not there.
fn manageable(op: &Op, grant: &Grant, row: VariableRow) -> Result<VariableRow> {
    if may_change(op, grant, place_of(&row)) {
        return Ok(row);
    }
    Err(Error::NotFound("variable"))
}

/// What a sealed value is bound to: its row, in the only sealed column of this table.
fn context(row: &VariableRow) -> String {
    format!("variables/{}", row.id)
}

/// What the audit log is told; never a value.
pub(super) fn entry(before: Option<&VariableRow>, after: Option<&VariableRow>) -> Option<Change> {
    let action = match (before, after) {
        (None, _) => AuditAction::CreateVariable,
        (_, Some(_)) => AuditAction::UpdateVariable,
        (_, None) => AuditAction::DeleteVariable,
    };
    let row = after.or(before)?;
    let target = Target::new(TargetKind::Variable, row.id, row.key.clone());
    Some(Change {
        before: before.map(store::audited),
        after: after.map(store::audited),
        ..Change::new(action, target)
    })
}

fn expect_version(row: Option<&VariableRow>, expected: Option<i32>) -> Result<()> {
    let message = match (row, expected) {
        (_, None) | (None, Some(0)) => return Ok(()),
        (Some(row), Some(expected)) if row.version == expected => return Ok(()),
        (Some(_), Some(0)) => {
            let message = "There is a variable with this key already.";
            return Err(Error::field(UserErrorCode::Taken, "key", message));
        }
        (Some(row), Some(_)) => format!(
            "Version {} was saved meanwhile. Load it, then make your change again.",
            row.version
        ),
        (None, Some(_)) => "It was removed meanwhile.".to_owned(),
    };
    Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message))
}

fn changed_meanwhile() -> Error {
    let message = "Somebody else made it theirs meanwhile. Load it, then make your change again.";
    Error::field(UserErrorCode::Conflict, "id", message)
}

fn taken(place: Place) -> Error {
    let message = match place.scope {
        VariableScope::Shared => "Somebody shares a variable with this key already.",
        VariableScope::Own | VariableScope::Global => "There is a variable with this key already.",
    };
    Error::field(UserErrorCode::Taken, "key", message)
}

pub(super) fn full(field: &str) -> Error {
    let message = format!("There are {} variables already: remove some first.", model::MOST);
    Error::field(UserErrorCode::LimitReached, field, message)
}
