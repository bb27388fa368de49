//! What a running script may do with variables: with the rights that the owner of its job has at that moment, and
//! nothing else. Own variables come before shared ones, and these before global ones; a change meets the variable
//! that a read would have found.

use cronium_entity::enums::VariableScope;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::json;

use crate::access::{self, Action, Grant};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{ExecutionId, UserId};
use crate::kernel::{Error, Op, Result};

use super::model::{self, Value};
use super::service::{Variables, entry, full, may_change, place_of};
use super::store::{self, Place, VariableRow};

/// Who changes something: an execution, in the name of its job's owner.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    pub owner: UserId,
    pub execution: ExecutionId,
}

/// A script that may change variables, with its owner's rights of this moment.
#[derive(Debug)]
pub struct Changing {
    script: Script,
    op: Op,
    grant: Grant,
    /// Each key goes into the audit log once for the execution, whatever it is.
    first_only: bool,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub created: bool,
    pub scope: VariableScope,
    pub secret: bool,
    pub version: i32,
}

impl Written {
    fn of(before: Option<&VariableRow>, after: &VariableRow) -> Self {
        Self {
            created: before.is_none(),
            scope: after.scope,
            secret: after.sealed.is_some(),
            version: after.version,
        }
    }
}

fn checked_key(key: &str) -> Result<()> {
    match model::key_problem(key) {
        None => Ok(()),
        Some((code, message)) => Err(Error::field(code, "key", message)),
    }
}

impl Variables {
    /// The owner's rights as they are now.
    async fn acting_for(&self, owner: UserId) -> Result<Op> {
        let permissions = self.identity.rights(owner).await?;
        Ok(Op {
            denials: self.kernel.denials.clone(),
            ..Op::process(owner, permissions)
        })
    }

    /// The value that a key stands for; None when there is no such variable.
    pub async fn read_for(&self, owner: UserId, key: &str) -> Result<Option<Value>> {
        checked_key(key)?;
        access::allow(&self.acting_for(owner).await?, Action::ReadVariables)?;
        let row = store::meant(&self.kernel.db, owner, key).await?;
        row.map(|row| self.value(&row)).transpose()
    }

    /// What a script may change. Asked before the transaction of the change.
    pub async fn changing(&self, script: Script) -> Result<Changing> {
        let op = self.acting_for(script.owner).await?;
        let grant = access::allow(&op, Action::ManageVariables)?;
        Ok(Changing {
            script,
            op,
            grant,
            first_only: true,
        })
    }

    async fn changing_now(&self, script: Script) -> Result<(Changing, DatabaseTransaction)> {
        let by = Changing {
            first_only: false,
            ..self.changing(script).await?
        };
        Ok((by, self.kernel.db.begin().await?))
    }

    /// [`Self::set_in`] by itself.
    pub async fn write_for(
        &self,
        script: Script,
        key: &str,
        text: &str,
        secret: Option<bool>,
    ) -> Result<Written> {
        let (by, tx) = self.changing_now(script).await?;
        let written = self.set_in(&tx, &by, key, text, secret).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// [`Self::increment_in`] by itself.
    pub async fn increment_for(&self, script: Script, key: &str, by: i64) -> Result<i64> {
        let (who, tx) = self.changing_now(script).await?;
        let sum = self.increment_in(&tx, &who, key, by).await?;
        tx.commit().await?;
        Ok(sum)
    }

    /// [`Self::delete_in`] by itself.
    pub async fn delete_for(&self, script: Script, key: &str) -> Result<bool> {
        let (by, tx) = self.changing_now(script).await?;
        let removed = self.delete_in(&tx, &by, key).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Sets a variable; one that is not there becomes an own one. `secret`: None leaves a secret a secret.
    pub async fn set_in(
        &self,
        tx: &DatabaseTransaction,
        by: &Changing,
        key: &str,
        text: &str,
        secret: Option<bool>,
    ) -> Result<Written> {
        checked_key(key)?;
        if let Some((code, message)) = model::value_problem(text) {
            return Err(Error::field(code, "value", message));
        }
        let put = |row: &mut VariableRow| {
            let secret = secret.unwrap_or(row.sealed.is_some());
            self.put(row, text, secret)
        };
        Ok(self.change_in(tx, by, key, put).await?.0)
    }

    /// Adds to a whole number, in one step with reading it; one that is not there counts from 0.
    pub async fn increment_in(
        &self,
        tx: &DatabaseTransaction,
        who: &Changing,
        key: &str,
        by: i64,
    ) -> Result<i64> {
        checked_key(key)?;
        let add = |row: &mut VariableRow| {
            if row.sealed.is_some() {
                let message = "A secret can't be counted up.";
                return Err(Error::field(UserErrorCode::Unsupported, "key", message));
            }
            let text = row.value.as_deref().unwrap_or("0");
            let sum = model::added(text, by)
                .map_err(|message| Error::field(UserErrorCode::Invalid, "key", message))?;
            row.value = Some(sum.to_string());
            Ok(sum)
        };
        Ok(self.change_in(tx, who, key, add).await?.1)
    }

    /// Removes the variable that a key stands for; false when there is none.
    pub async fn delete_in(&self, tx: &DatabaseTransaction, by: &Changing, key: &str) -> Result<bool> {
        checked_key(key)?;
        let Some(row) = store::lock_meant(tx, by.script.owner, key).await? else {
            return Ok(false);
        };
        theirs(&by.op, &by.grant, &row)?;
        store::delete(tx, row.id.into()).await?;
        self.note(tx, by, Some(&row), None).await?;
        Ok(true)
    }

    async fn change_in<T>(
        &self,
        tx: &DatabaseTransaction,
        by: &Changing,
        key: &str,
        change: impl FnOnce(&mut VariableRow) -> Result<T>,
    ) -> Result<(Written, T)> {
        let owner = by.script.owner;
        let place = Place::new(VariableScope::Own, owner);
        let mut before = store::lock_meant(tx, owner, key).await?;
        if before.is_none() {
            // Two scripts that both find none: the second one waits, and finds the first one's.
            store::lock_place(tx, place).await?;
            before = store::lock_meant(tx, owner, key).await?;
        }
        let mut after = match &before {
            Some(row) => {
                theirs(&by.op, &by.grant, row)?;
                row.clone()
            }
            None => {
                if store::room(tx, place).await? < 1 {
                    return Err(full("key"));
                }
                self.blank(place, key)
            }
        };
        let result = change(&mut after)?;
        self.stamp(&mut after, before.as_ref(), owner);
        self.write(tx, before.as_ref(), after.clone()).await?;
        self.note(tx, by, before.as_ref(), Some(&after)).await?;
        Ok((Written::of(before.as_ref(), &after), result))
    }

    /// Into the audit log with what others depend on, or what is secret; for a script that runs with the first change
    /// of a key in a scope instead, because it may count up a thousand times.
    async fn note(
        &self,
        tx: &DatabaseTransaction,
        by: &Changing,
        before: Option<&VariableRow>,
        after: Option<&VariableRow>,
    ) -> Result<()> {
        let Changing { script, op, .. } = by;
        let Some(row) = after.or(before) else {
            return Ok(());
        };
        let privileged = |row: &VariableRow| model::is_privileged(row.scope, row.sealed.is_some());
        let told = if by.first_only {
            store::first_change(tx, script.execution, row).await?
        } else {
            before.is_some_and(privileged) || after.is_some_and(privileged)
        };
        if !told {
            return Ok(());
        }
        let Some(mut change) = entry(before, after) else {
            return Ok(());
        };
        let by = json!(script.execution.global().as_str());
        match &mut change.after {
            Some(after) => after["executionId"] = by,
            None => change.after = Some(json!({ "executionId": by })),
        }
        self.audit.record(tx, op, change).await
    }
}

/// Refuses to change what is not the owner's to change.
fn theirs(op: &Op, grant: &Grant, row: &VariableRow) -> Result<()> {
    if may_change(op, grant, place_of(row)) {
        return Ok(());
    }
    op.denied(Action::ManageVariables.name(), "FORBIDDEN");
    let message = "This variable is shared or global: the owner of this job may read it, not change it.";
    Err(Error::field(UserErrorCode::Forbidden, "key", message))
}
