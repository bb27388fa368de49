//! Many variables at once: from a file, and into one. All of a file or nothing of it.

use std::collections::{BTreeMap, HashMap};

use cronium_entity::enums::VariableScope;
use sea_orm::TransactionTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::access::{self, Action, Grant};
use crate::audit::{AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{FieldError, UserErrorCode};
use crate::kernel::ids::UserId;
use crate::kernel::{Error, Op, Result};

use super::formats::{Entry, Parsed, Problem, dotenv, json};
use super::model;
use super::service::{Variables, entry, full, may_change};
use super::store::{self, Place, VariableRow};

/// Largest file that is read, in bytes.
const MAX_IMPORT: usize = 1 << 20;
/// Most variables in it.
const MAX_ENTRIES: usize = 1_000;
/// Most problems that are told at once.
const MAX_PROBLEMS: usize = 100;
/// Largest file that is written, in bytes of keys, values and descriptions.
const MAX_EXPORT: i64 = 8 << 20;

/// How variables are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Dotenv,
}

/// A file to read.
#[derive(Clone)]
pub struct Import {
    pub format: Format,
    pub content: String,
    pub scope: VariableScope,
    /// Whether variables that are there get the file's value.
    pub overwrite: bool,
    /// Whether all become secrets. A secret stays one in any case.
    pub secret: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// What becomes of one variable of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    /// It is there already, and was not to be overwritten.
    Skipped,
}

/// One variable of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub key: String,
    pub line: usize,
    pub secret: bool,
    pub outcome: Outcome,
}

/// A file that was written.
#[derive(Clone)]
pub struct Export {
    pub content: String,
    pub exported: usize,
    /// Secrets that are not in it.
    pub left_out: usize,
}

/// Whether a written entry has to change a row, and to what.
struct Plan {
    imported: Imported,
    change: Option<(Option<VariableRow>, VariableRow)>,
}

fn refused(problems: Vec<Problem>) -> Error {
    let mut problems = problems;
    problems.sort_by_key(|problem| problem.line);
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    let told = problems.into_iter().take(MAX_PROBLEMS);
    let mut errors: Vec<_> = told
        .map(|problem| {
            let message = format!("Line {}: {}", problem.line, problem.message);
            FieldError::new(UserErrorCode::Invalid, "content", message)
        })
        .collect();
    if more > 0 {
        let message = format!("There are {more} more problems.");
        errors.push(FieldError::new(UserErrorCode::Invalid, "content", message));
    }
    Error::Invalid(errors)
}

/// The entries of a file, each of them possible and there once.
fn read(format: Format, content: &str) -> Result<Vec<Entry>> {
    if content.len() > MAX_IMPORT {
        let message = "At most 1 MiB at a time.";
        return Err(Error::field(UserErrorCode::TooLong, "content", message));
    }
    let Parsed {
        entries,
        mut problems,
    } = match format {
        Format::Json => json::parse(content),
        Format::Dotenv => dotenv::parse(content),
    };
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for entry in &entries {
        let found = [
            model::key_problem(&entry.key),
            model::value_problem(&entry.text),
            entry.description.as_deref().and_then(model::description_problem),
        ];
        let found = found.into_iter().flatten().map(|(_, message)| Problem {
            line: entry.line,
            message: message.to_owned(),
        });
        problems.extend(found);
        if let Some(first) = lines.insert(&entry.key, entry.line) {
            problems.push(Problem {
                line: entry.line,
                message: format!("{} stands on line {first} already.", entry.key),
            });
        }
    }
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    if entries.len() > MAX_ENTRIES {
        let message = format!(
            "At most {MAX_ENTRIES} variables at a time; these are {}.",
            entries.len()
        );
        return Err(Error::field(UserErrorCode::TooLong, "content", message));
    }
    if entries.is_empty() {
        let message = "There are no variables in it.";
        return Err(Error::field(UserErrorCode::Required, "content", message));
    }
    Ok(entries)
}

fn not_theirs(scope: VariableScope) -> Error {
    let message = match scope {
        VariableScope::Global => "Variables of the installation are for those who manage its settings.",
        VariableScope::Own | VariableScope::Shared => "You may not do this.",
    };
    Error::field(UserErrorCode::Forbidden, "scope", message)
}

impl Variables {
    /// Makes and changes all variables of a file, or says what would be done.
    pub async fn import(&self, op: &Op, import: Import) -> Result<Vec<Imported>> {
        let grant = access::allow(op, Action::ManageVariables)?;
        let place = Place::new(import.scope, grant.user());
        if !may_change(op, &grant, place) {
            return Err(not_theirs(import.scope));
        }
        let entries = read(import.format, &import.content)?;
        let tx = self.kernel.db.begin().await?;
        store::lock_place(&tx, place).await?;
        let keys = entries.iter().map(|entry| entry.key.as_str());
        let there = store::lock_keys(&tx, place, keys).await?;
        let mut there: BTreeMap<_, _> = there.into_iter().map(|row| (row.key.clone(), row)).collect();
        let (mut plans, mut problems) = (Vec::new(), Vec::new());
        for entry in entries {
            let line = entry.line;
            let before = there.remove(&entry.key);
            match self.plan(&grant, place, &import, entry, before)? {
                Ok(plan) => plans.push(plan),
                Err(message) => problems.push(Problem {
                    line,
                    message: message.to_owned(),
                }),
            }
        }
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        let new = plans
            .iter()
            .filter(|plan| plan.imported.outcome == Outcome::Created);
        if i64::try_from(new.count()).unwrap_or(i64::MAX) > store::room(&tx, place).await? {
            return Err(full("content"));
        }
        let (mut all, mut entries, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for plan in plans {
            all.push(plan.imported);
            let Some((before, after)) = plan.change else {
                continue;
            };
            entries.extend(entry(before.as_ref(), Some(&after)));
            match before {
                Some(_) if import.dry_run => {}
                Some(_) => store::save(&tx, after).await?,
                None => made.push(after),
            }
        }
        if !import.dry_run {
            store::insert(&tx, made).await?;
            self.audit.record_all(&tx, op, entries).await?;
            tx.commit().await?;
        }
        Ok(all)
    }

    /// What becomes of one entry; the inner error is for the person.
    fn plan(
        &self,
        grant: &Grant,
        place: Place,
        import: &Import,
        entry: Entry,
        before: Option<VariableRow>,
    ) -> Result<Result<Plan, &'static str>> {
        let was_secret = before.as_ref().is_some_and(|row| row.sealed.is_some());
        let secret = import.secret || entry.secret == Some(true) || was_secret;
        let imported = |outcome| Imported {
            key: entry.key.clone(),
            line: entry.line,
            secret,
            outcome,
        };
        let mut after = match &before {
            None => self.blank(place, &entry.key),
            Some(_) if !import.overwrite => {
                return Ok(Ok(Plan {
                    imported: Imported {
                        secret: was_secret,
                        ..imported(Outcome::Skipped)
                    },
                    change: None,
                }));
            }
            Some(row)
                if row
                    .owner_id
                    .is_some_and(|owner| !grant.covers(UserId(owner), false)) =>
            {
                return Ok(Err("Somebody else shares a variable with this key."));
            }
            Some(row) => row.clone(),
        };
        if let Some(description) = &entry.description {
            description.trim().clone_into(&mut after.description);
        }
        // A secret that is given again counts as changed even when it is the same: else one could guess it.
        if secret || after.value.as_deref() != Some(entry.text.as_str()) {
            self.put(&mut after, &entry.text, secret)?;
        }
        if before.as_ref() == Some(&after) {
            return Ok(Ok(Plan {
                imported: imported(Outcome::Unchanged),
                change: None,
            }));
        }
        self.stamp(&mut after, before.as_ref(), grant.user());
        let outcome = match before {
            Some(_) => Outcome::Updated,
            None => Outcome::Created,
        };
        Ok(Ok(Plan {
            imported: imported(outcome),
            change: Some((before, after)),
        }))
    }

    /// Writes the variables of a scope into a file: own ones, all that are shared, or the installation's. With the
    /// values of secrets only for administrators, and then the audit log says so.
    pub async fn export(
        &self,
        op: &Op,
        format: Format,
        scope: VariableScope,
        with_secrets: bool,
    ) -> Result<Export> {
        let grant = access::allow(op, Action::ReadVariables)?;
        if with_secrets {
            let needs = [
                Action::ManageVariables,
                Action::ManageSettings,
                Action::AllResources,
            ];
            if needs.iter().any(|action| access::decide(op, *action).is_err()) {
                let message = "Values of secrets are exported by administrators only.";
                return Err(Error::field(UserErrorCode::Forbidden, "includeSecrets", message));
            }
        }
        if store::size_of(&self.kernel.db, scope, grant.user()).await? > MAX_EXPORT {
            let message = "These variables have more than 8 MiB together: read them page by page.";
            return Err(Error::field(UserErrorCode::LimitReached, "scope", message));
        }
        let rows = store::all_of(&self.kernel.db, scope, grant.user()).await?;
        let mut shown = Vec::new();
        for row in &rows {
            if row.sealed.is_none() || with_secrets {
                shown.push((row, self.value(row)?));
            }
        }
        let left_out = rows.iter().filter(|row| row.sealed.is_some() && !with_secrets);
        let content = match format {
            Format::Json => json::write(shown.iter().map(|(row, value)| {
                (
                    row.key.as_str(),
                    value.text.as_str(),
                    value.secret,
                    row.description.as_str(),
                )
            })),
            Format::Dotenv => {
                let kept = left_out.clone().map(|row| {
                    let told = format!("{} is a secret and is not in this file.", row.key);
                    dotenv::comment(&told)
                });
                let lines = shown.iter().map(|(row, value)| {
                    dotenv::comment(&row.description) + &dotenv::write(&row.key, &value.text)
                });
                lines.chain(kept).collect()
            }
        };
        let export = Export {
            content,
            exported: shown.len(),
            left_out: left_out.count(),
        };
        if with_secrets {
            self.note_export(op, scope, &shown.iter().map(|(row, _)| *row).collect::<Vec<_>>())
                .await?;
        }
        Ok(export)
    }

    /// No entry, no values.
    async fn note_export(&self, op: &Op, scope: VariableScope, rows: &[&VariableRow]) -> Result<()> {
        use sea_orm::ActiveEnum as _;
        let secrets: Vec<_> = rows
            .iter()
            .filter(|row| row.sealed.is_some())
            .map(|row| row.key.as_str())
            .collect();
        let scope = scope.to_value();
        let target = Target::new(TargetKind::Variable, Uuid::nil(), scope.clone());
        let change = Change::new(AuditAction::ExportSecrets, target)
            .to(json!({ "scope": scope, "variables": rows.len(), "secrets": secrets }));
        let tx = self.kernel.db.begin().await?;
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(())
    }
}
