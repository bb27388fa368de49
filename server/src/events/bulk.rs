//! Many events at once: out of this installation as definitions, and in from them. All of them or none.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::TransactionTrait as _;

use crate::access::{self, Action, Grant};
use crate::audit::AuditAction;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::EventId;
use crate::kernel::{Error, Op, Result};

use super::copies::{free_name, names};
use super::counter;
use super::model::{Definition, Profile};
use super::service::{Events, NewEvent, check_comment};
use super::store::{self, EventRow, Filter, VersionRow, bulk};

/// Which events.
#[derive(Debug, Clone)]
pub enum Chosen {
    These(Vec<EventId>),
    /// All of these that may be seen.
    Like(Filter),
}

/// What becomes of an event whose name one of the person's own events has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    Fail,
    Skip,
    Update,
    Rename,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
}

/// One event that came in.
#[derive(Debug, Clone)]
pub struct Taken {
    pub outcome: Outcome,
    /// What it was called where it came from.
    pub named: String,
    /// As it is now; a new one that was not made as it would be.
    pub row: EventRow,
    /// What it was and is; None: it was not there, or stayed.
    pub change: Option<(NewEvent, NewEvent)>,
}

/// What is to be written of one event.
enum Step {
    Make(Box<NewEvent>),
    Change(Box<(EventRow, VersionRow, NewEvent)>),
    Leave(EventRow, Outcome),
}

impl From<(EventRow, VersionRow)> for NewEvent {
    fn from((row, version): (EventRow, VersionRow)) -> Self {
        Self {
            profile: Profile {
                name: row.name,
                description: row.description,
                tags: row.tags,
                shared: row.shared,
            },
            status: row.status,
            definition: version.into(),
            max_executions: row.max_executions,
            comment: None,
        }
    }
}

impl NewEvent {
    /// Trimmed, and with what is wrong noted at its field.
    pub fn checked(mut self, checks: &mut Checks) -> Self {
        self.profile = self.profile.checked(checks);
        self.definition.check(checks);
        check_comment(self.comment.as_deref(), checks);
        counter::check(self.max_executions, checks);
        self
    }
}

fn forbidden() -> Error {
    let message = "Changing events that are there needs the permission to change events.";
    Error::field(UserErrorCode::Forbidden, "onConflict", message)
}

impl Events {
    /// The definitions of these events, as far as they may be seen; refused beyond so many, or so many bytes.
    pub async fn definitions(
        &self,
        op: &Op,
        chosen: &Chosen,
        most: usize,
        bytes: usize,
    ) -> Result<Vec<NewEvent>> {
        let grant = access::allow(op, Action::ReadEvents)?;
        let field = match chosen {
            Chosen::These(_) => "eventIds",
            Chosen::Like(_) => "filter",
        };
        let too_much = |message| Err(Error::field(UserErrorCode::LimitReached, field, message));
        if let Chosen::These(ids) = chosen
            && ids.len() > most
        {
            return too_much(format!("At most {most} events at a time."));
        }
        let sizes = bulk::sizes(&self.kernel.db, &grant, chosen, most as u64 + 1).await?;
        if let Chosen::These(ids) = chosen
            && let Some(absent) = ids.iter().position(|id| !sizes.contains_key(&id.0))
        {
            op.denied("exportDefinitions", "NOT_FOUND");
            let field = format!("eventIds.{absent}");
            return Err(Error::field(
                UserErrorCode::NotFound,
                &field,
                "There is no such event.",
            ));
        }
        if sizes.len() > most {
            return too_much(format!("These are more than {most} events: narrow the filter."));
        }
        if sizes.values().sum::<i64>() > i64::try_from(bytes).unwrap_or(i64::MAX) {
            return too_much("These definitions are too long together: take fewer at a time.".into());
        }
        let rows = bulk::with_versions(&self.kernel.db, &grant, sizes.into_keys()).await?;
        let mut events: Vec<NewEvent> = rows.into_iter().map(Into::into).collect();
        self.call_by_present_names(op, &mut events).await?;
        Ok(events)
    }

    /// Makes and changes events of one's own, or says what would be done. What is wrong is named at `events.N`. Their
    /// servers were found by `servers_named`.
    pub async fn take(
        &self,
        op: &Op,
        news: Vec<NewEvent>,
        conflict: OnConflict,
        dry_run: bool,
    ) -> Result<Vec<Taken>> {
        // Who is told which names there are reads events.
        access::allow(op, Action::ReadEvents)?;
        let grant = access::allow(op, Action::CreateEvent)?;
        if conflict == OnConflict::Update && access::decide(op, Action::ChangeEvent).is_err() {
            return Err(forbidden());
        }
        let mut checks = Checks::default();
        let checked = news.into_iter().enumerate().map(|(at, new)| {
            let mut own = Checks::default();
            let new = new.checked(&mut own);
            checks.within(&format!("events.{at}"), own);
            new
        });
        let news: Vec<_> = checked.collect();
        checks.done()?;
        let limits = self.quotas.limits(grant.user()).await?;
        let tx = self.kernel.db.begin().await?;
        bulk::lock_names(&tx, grant.user()).await?;
        let asked: Vec<_> = news.iter().map(|new| new.profile.name.as_str()).collect();
        let there = bulk::named(&tx, grant.user(), &asked).await?;
        let mut taken = match conflict {
            OnConflict::Rename => names(&tx, &grant, &asked).await?,
            _ => BTreeSet::new(),
        };
        let named: Vec<_> = asked.iter().map(|&name| name.to_owned()).collect();
        let steps = plan(news, there, conflict, &mut taken)?;
        let made = steps.iter().filter(|step| matches!(step, Step::Make(_))).count();
        // Before the rows of events: whoever accepts a job locks the person first, too.
        self.quotas.admit_events(&tx, grant.user(), &limits, made).await?;
        let changed = steps.iter().filter_map(|step| match step {
            Step::Change(change) => Some((change.0.id, change.0.clone())),
            _ => None,
        });
        let Some(mut locked) = bulk::lock_unchanged(&tx, &changed.collect()).await? else {
            let message = "One of these events was changed meanwhile. Try again.";
            return Err(Error::field(UserErrorCode::Conflict, "", message));
        };
        let (mut all, mut entries) = (Vec::new(), Vec::new());
        let (mut rows, mut versions, mut saved) = (Vec::new(), Vec::new(), Vec::new());
        for (step, named) in steps.into_iter().zip(named) {
            let (outcome, row, change) = match step {
                Step::Leave(row, outcome) => (outcome, row, None),
                Step::Make(new) => {
                    let (row, version) = self.new_rows(&grant, *new);
                    entries.extend(Self::entry(AuditAction::CreateEvent, None, Some(&row)));
                    rows.push(row.clone());
                    versions.push(version);
                    (Outcome::Created, row, None)
                }
                Step::Change(change) => {
                    let (seen, version, new) = *change;
                    let before = locked.remove(&seen.id).unwrap_or(seen);
                    let (row, next) = self.replaced(&grant, &before, &version, new.clone());
                    versions.extend(next);
                    entries.extend(Self::entry(AuditAction::UpdateEvent, Some(&before), Some(&row)));
                    saved.push(row.clone());
                    let now = if dry_run { before.clone() } else { row };
                    (Outcome::Updated, now, Some(((before, version).into(), new)))
                }
            };
            all.push(Taken {
                outcome,
                named,
                row,
                change,
            });
        }
        if !dry_run {
            bulk::insert_all(&tx, rows, versions).await?;
            for row in saved {
                store::save(&tx, row).await?;
            }
            self.audit.record_all(&tx, op, entries).await?;
            tx.commit().await?;
        }
        Ok(all)
    }

    /// An event with everything as it is written, and its new version where that holds something else.
    fn replaced(
        &self,
        grant: &Grant,
        before: &EventRow,
        version: &VersionRow,
        new: NewEvent,
    ) -> (EventRow, Option<VersionRow>) {
        let mut row = put(before, &new);
        row.updated_at = self.kernel.now();
        let current: Definition = version.clone().into();
        if new.definition == current {
            return (row, None);
        }
        row.version_number += 1;
        row.kind = new.definition.kind;
        let id = EventId(row.id);
        let comment = Some("Imported".to_owned());
        let version = self.version_row(grant, Some(id), row.version_number, new.definition, comment);
        row.version_id = version.id;
        (row, Some(version))
    }
}

/// The row with what it holds itself of a definition.
fn put(before: &EventRow, new: &NewEvent) -> EventRow {
    let mut row = before.clone();
    row.description.clone_from(&new.profile.description);
    row.tags.clone_from(&new.profile.tags);
    row.shared = new.profile.shared;
    counter::moved(&mut row, new.status);
    counter::limit(&mut row, new.max_executions);
    row
}

/// What is to be done about each event, or everything that is in the way.
fn plan(
    news: Vec<NewEvent>,
    there: Vec<(EventRow, VersionRow)>,
    conflict: OnConflict,
    taken: &mut BTreeSet<String>,
) -> Result<Vec<Step>> {
    let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for found in there {
        by_name.entry(found.0.name.clone()).or_default().push(found);
    }
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let (mut steps, mut checks) = (Vec::new(), Checks::default());
    for (at, mut new) in news.into_iter().enumerate() {
        let name = new.profile.name.clone();
        let mut refuse = |code, message: String| checks.add(code, &format!("events.{at}.name"), message);
        if conflict == OnConflict::Rename {
            if taken.contains(&name) {
                new.profile.name = free_name(&name, taken);
            }
            taken.insert(new.profile.name.clone());
            steps.push(Step::Make(Box::new(new)));
            continue;
        }
        if let Some(first) = first.get(&name) {
            refuse(
                UserErrorCode::Taken,
                format!("events[{first}] has this name already."),
            );
            continue;
        }
        first.insert(name.clone(), at);
        let mut found = by_name.remove(&name).unwrap_or_default();
        let Some((row, version)) = found.pop() else {
            steps.push(Step::Make(Box::new(new)));
            continue;
        };
        match conflict {
            OnConflict::Update if found.is_empty() => {
                let same = put(&row, &new) == row && new.definition == version.clone().into();
                steps.push(if same {
                    Step::Leave(row, Outcome::Unchanged)
                } else {
                    Step::Change(Box::new((row, version, new)))
                });
            }
            OnConflict::Update => refuse(
                UserErrorCode::Conflict,
                format!(
                    "You have {} events with this name: which one is meant can't be told.",
                    found.len() + 1
                ),
            ),
            OnConflict::Skip => steps.push(Step::Leave(row, Outcome::Skipped)),
            OnConflict::Fail | OnConflict::Rename => refuse(
                UserErrorCode::Taken,
                "You have an event with this name already.".into(),
            ),
        }
    }
    checks.done()?;
    Ok(steps)
}
