//! Inputs of variables, and how they become the slice's own types. None of them prints itself: a value may be a secret.

use async_graphql::{Enum, ID, InputObject};
use cronium_entity::enums::VariableScope as ScopeValue;

use crate::kernel::ids::{UserId, VariableId};
use crate::kernel::{Error, Result};

use super::exchange::{Format, Import, Outcome};
use super::service::VariableChange;
use super::store::Filter;

/// Whose a variable is. A script that names a key gets the first that there is: its owner's own one, a shared one, a
/// global one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ScopeValue")]
pub enum VariableScope {
    /// Of one person, for their scripts.
    Own,
    /// Of one person, for everybody's scripts. Its owner changes it.
    Shared,
    /// Of the installation, for everybody's scripts. Who manages settings changes it.
    Global,
}

/// How variables are written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Format")]
pub enum VariableFormat {
    /// A list of objects with `key`, `value`, `secret` and `description`; one object of keys and values is read too.
    Json,
    /// Lines of `KEY=value`, as in a `.env` file. Nothing is put in for `$NAME`.
    Dotenv,
}

/// What an import does with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Outcome")]
pub enum VariableImportOutcome {
    /// There was none with this key.
    Created,
    /// It got another value. A secret counts as updated even when its value is the same.
    Updated,
    /// It was like that already.
    Unchanged,
    /// It is there, and was not to be overwritten.
    Skipped,
}

/// Narrows a list of variables; all given fields must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct VariableFilter {
    /// Part of the key or description.
    pub text: Option<String>,
    /// Whose.
    pub scope: Option<VariableScope>,
    /// Secrets only, or none.
    pub secret: Option<bool>,
    /// Of this person: own and shared ones.
    pub owner_id: Option<ID>,
}

impl VariableFilter {
    /// None: somebody who is not there has none.
    pub fn filter(self) -> Option<Filter> {
        Some(Filter {
            text: self.text,
            scope: self.scope.map(Into::into),
            secret: self.secret,
            owner: match self.owner_id {
                Some(id) => Some(UserId::parse(&id).ok()?),
                None => None,
            },
        })
    }
}

/// A variable to make or to change. Absent fields stay as they are.
#[derive(InputObject)]
pub struct SetVariableInput {
    /// The one to change: its key and scope may change too. Without it, the one with this key and scope is changed, or
    /// made.
    pub id: Option<ID>,
    /// Capital letters, digits and underscores, at most 128; not beginning with a digit or with CRONIUM_.
    pub key: String,
    /// Whose; OWN by default for a new one. GLOBAL needs MANAGE_SETTINGS.
    pub scope: Option<VariableScope>,
    /// At most 64 KiB; required for a new one, and for a secret that is to be a secret no more.
    pub value: Option<String>,
    /// A secret is sealed, and never shown again. False by default for a new one.
    pub secret: Option<bool>,
    /// At most 500 characters.
    pub description: Option<String>,
    /// The version that was seen; another one is refused with CONFLICT. 0: it must not be there yet.
    pub expected_version: Option<i32>,
}

impl SetVariableInput {
    pub fn change(self) -> Result<VariableChange> {
        Ok(VariableChange {
            id: self.id.as_ref().map(VariableId::parse).transpose()?,
            key: self.key,
            scope: self.scope.map(Into::into),
            value: self.value,
            secret: self.secret,
            description: self.description,
            expected: self.expected_version,
        })
    }
}

/// A variable to remove.
#[derive(Debug, InputObject)]
pub struct DeleteVariableInput {
    /// The variable.
    pub id: ID,
    /// The version that was seen; another one is refused with CONFLICT.
    pub expected_version: Option<i32>,
}

/// A file of variables.
#[derive(InputObject)]
pub struct ImportVariablesInput {
    /// How it is written.
    pub format: VariableFormat,
    /// The file itself: at most 1 MiB and 1,000 variables.
    pub content: String,
    /// Where they go. GLOBAL needs MANAGE_SETTINGS.
    pub scope: VariableScope,
    /// Whether variables that are there get the file's values; otherwise they are skipped.
    #[graphql(default)]
    pub overwrite: bool,
    /// Whether all become secrets. A variable that is a secret stays one in any case.
    #[graphql(default)]
    pub secret: bool,
    /// Whether only to say what would be done.
    #[graphql(default)]
    pub dry_run: bool,
}

impl From<ImportVariablesInput> for Import {
    fn from(input: ImportVariablesInput) -> Self {
        Self {
            format: input.format.into(),
            content: input.content,
            scope: input.scope.into(),
            overwrite: input.overwrite,
            secret: input.secret,
            dry_run: input.dry_run,
        }
    }
}

/// Variables to write into a text.
#[derive(Debug, InputObject)]
pub struct ExportVariablesInput {
    /// How to write them.
    pub format: VariableFormat,
    /// Which: one's own, all shared, or the installation's.
    pub scope: VariableScope,
    /// Whether with the values of secrets, which goes into the audit log. Needs MANAGE_VARIABLES, MANAGE_SETTINGS and
    /// ALL_RESOURCES.
    #[graphql(default)]
    pub include_secrets: bool,
}

/// How many events to show.
pub fn page(first: i32) -> Result<usize> {
    let most = usize::try_from(first)
        .ok()
        .filter(|n| (1..=super::usage::MOST_EVENTS).contains(n));
    most.ok_or_else(|| Error::BadRequest("`first` is 1 to 100".into()))
}
