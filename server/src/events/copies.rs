//! Forks: events of one's own that begin as another one was, and names that are still free.

use std::collections::BTreeSet;

use cronium_entity::enums::EventStatus;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};

use crate::access::{self, Action, Grant};
use crate::audit::AuditAction;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::EventId;
use crate::kernel::{Error, Op, Result};

use super::model::Profile;
use super::service::{Events, NewEvent};
use super::store::{self, EventRow, bulk};

/// Longest name, in characters.
const LONGEST: usize = 100;

/// A name without what makes it the name of a copy.
pub fn stem(name: &str) -> &str {
    let Some((stem, rest)) = name.rsplit_once(" (copy") else {
        return name;
    };
    let number = rest.strip_suffix(')');
    let counts = |text: &str| {
        text.strip_prefix(' ')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let copied = number.is_some_and(|text| text.is_empty() || counts(text));
    if copied && !stem.is_empty() { stem } else { name }
}

/// `Name (copy)`, `Name (copy 2)` …: the first that is free.
pub fn free_name(name: &str, taken: &BTreeSet<String>) -> String {
    let stem = stem(name);
    let copy = |n: usize| {
        let mark = if n == 1 {
            " (copy)".to_owned()
        } else {
            format!(" (copy {n})")
        };
        let kept: String = stem.chars().take(LONGEST - mark.len()).collect();
        kept.trim_end().to_owned() + &mark
    };
    // One of them is free: there are more than names that are taken.
    (1..=taken.len() + 1)
        .map(copy)
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| copy(1))
}

/// Names of a person's own events that copies of these could have. Held until the transaction ends: nobody else looks
/// for a free name among them meanwhile.
pub async fn names(tx: &DatabaseTransaction, grant: &Grant, of: &[&str]) -> Result<BTreeSet<String>> {
    // A long name is cut before the mark is put behind it.
    let begins = |name: &&str| {
        stem(name)
            .chars()
            .take(LONGEST - " (copy 1000000)".len())
            .collect()
    };
    let begins: BTreeSet<String> = of.iter().map(begins).collect();
    bulk::names_beginning(tx, grant.user(), begins).await
}

impl Events {
    /// Makes an event of one's own with the content of the present version of another one: a draft that nobody else
    /// sees, and whose scripts and templates read its new owner's variables.
    pub async fn fork(&self, op: &Op, id: EventId, name: Option<String>) -> Result<EventRow> {
        let seen = access::allow(op, Action::ReadEvents)?;
        let grant = access::allow(op, Action::CreateEvent)?;
        let (event, version) = store::with_version(&self.kernel.db, &seen, id).await?;
        let limits = self.quotas.limits(grant.user()).await?;
        let tx = self.kernel.db.begin().await?;
        bulk::lock_names(&tx, grant.user()).await?;
        let wanted = name.as_deref().map(str::trim);
        let taken = names(&tx, &grant, &[wanted.unwrap_or(&event.name)]).await?;
        if wanted.is_some_and(|name| taken.contains(name)) {
            let message = "You have an event with this name already.";
            return Err(Error::field(UserErrorCode::Taken, "name", message));
        }
        let mut checks = Checks::default();
        let profile = Profile {
            name: name.unwrap_or_else(|| free_name(&event.name, &taken)),
            description: event.description.clone(),
            tags: event.tags.clone(),
            shared: false,
        };
        let profile = profile.checked(&mut checks);
        checks.done()?;
        let comment = format!("Forked from “{}”, version {}", event.name, version.number);
        let new = NewEvent {
            profile,
            status: EventStatus::Draft,
            definition: version.into(),
            max_executions: event.max_executions,
            comment: Some(comment),
        };
        let (row, version) = self.new_rows(&grant, new);
        self.quotas.admit_events(&tx, grant.user(), &limits, 1).await?;
        store::insert(&tx, row.clone()).await?;
        store::insert_version(&tx, version).await?;
        let mut entry = Self::entry(AuditAction::CreateEvent, None, Some(&row));
        if let Some(after) = entry.as_mut().and_then(|entry| entry.after.as_mut()) {
            after["forkedFrom"] = event.id.to_string().into();
        }
        self.audit
            .record_all(&tx, op, entry.into_iter().collect())
            .await?;
        tx.commit().await?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(name: &str, taken: &[&str]) -> String {
        free_name(name, &taken.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn copies_are_counted_and_never_copies_of_copies() {
        assert_eq!(free("Backup", &[]), "Backup (copy)");
        assert_eq!(free("Backup", &["Backup", "Backup (copy)"]), "Backup (copy 2)");
        assert_eq!(
            free("Backup (copy)", &["Backup (copy)", "Backup (copy 2)"]),
            "Backup (copy 3)"
        );
        assert_eq!(free("Backup (copy 7)", &["Backup (copy 7)"]), "Backup (copy)");
        for whole in [
            "Backup (copy x)",
            "Backup (copy )",
            "(copy)",
            " (copy)",
            "Backup (copying)",
        ] {
            assert_eq!(stem(whole), whole);
        }
    }

    #[test]
    fn a_long_name_is_cut_and_stays_a_name() {
        let long = "ä".repeat(100);
        let first = free(&long, &[]);
        assert_eq!(first.chars().count(), 100);
        let second = free(&first, &[&first]);
        assert!(second.ends_with("ä (copy 2)") && second.chars().count() <= 100);
        let cut_at_a_space = format!("{} {}", "a".repeat(92), "b".repeat(7));
        assert_eq!(free(&cut_at_a_space, &[]), format!("{} (copy)", "a".repeat(92)));
    }
}
