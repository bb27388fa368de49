//! Create, change, restore, delete and read events.

use std::collections::{BTreeMap, BTreeSet};

use cronium_entity::enums::{EventKind, EventStatus};
use sea_orm::{DatabaseTransaction, TransactionTrait as _};

use uuid::Uuid;

use crate::access::{self, Action, Grant};
use crate::audit::{Audit, AuditAction, Change, Target as Audited, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{EventId, EventVersionId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Error, Kernel, Op, Result};
use crate::quotas::Quotas;
use crate::servers::Servers;

use super::counter;
use super::http::HttpConfig;
use super::model::{Definition, EnvVar, Profile, ServerTarget, Target};
use super::policy::{Overlap, Policy, RetryPolicy};
use super::store::{self, EventRow, Filter, OrderBy, VersionRow};

/// Events and their versions.
#[derive(Clone, Debug)]
pub struct Events {
    pub(super) kernel: Kernel,
    pub(super) audit: Audit,
    pub(super) quotas: Quotas,
    pub(super) servers: Servers,
}

/// Everything of a new event.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub profile: Profile,
    pub status: EventStatus,
    pub definition: Definition,
    /// 0: no limit.
    pub max_executions: i32,
    pub comment: Option<String>,
}

/// What changes; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct EventChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub tags: Option<Vec<String>>,
    pub shared: Option<bool>,
    pub kind: Option<EventKind>,
    pub source: Option<String>,
    /// Some(None): it is a request no more.
    pub http: Option<Option<HttpConfig>>,
    pub environment: Option<Vec<EnvVar>>,
    /// Some(None) removes the schema.
    pub input_schema: Option<Option<serde_json::Value>>,
    /// The container, or the servers that there are instead of it.
    pub target: Option<(Target, Option<ServerTarget>)>,
    pub timeout_ms: Option<i64>,
    pub retry: Option<RetryPolicy>,
    pub overlap: Option<Overlap>,
    /// Some(None) removes the limit.
    pub max_concurrent: Option<Option<i32>>,
    pub idempotent: Option<bool>,
    pub labels: Option<Vec<String>>,
    pub max_executions: Option<i32>,
    pub comment: Option<String>,
}

impl Events {
    pub fn new(kernel: Kernel, audit: Audit, quotas: Quotas, servers: Servers) -> Self {
        Self {
            kernel,
            audit,
            quotas,
            servers,
        }
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: &Filter,
        order: (OrderBy, bool),
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<EventRow>, u64)> {
        let grant = access::allow(op, Action::ReadEvents)?;
        let page = store::page(&self.kernel.db, &grant, filter, order.0, order.1, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, &grant, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    pub async fn get(&self, op: &Op, id: EventId) -> Result<EventRow> {
        let grant = access::allow(op, Action::ReadEvents)?;
        store::get(&self.kernel.db, &grant, id).await
    }

    /// The event and its present version, for whoever may run it.
    pub async fn to_run(&self, op: &Op, id: EventId) -> Result<(EventRow, VersionRow)> {
        let grant = access::allow(op, Action::RunEvent)?;
        store::with_version(&self.kernel.db, &grant, id).await
    }

    /// Adds to the run counters; for the reaction to accepted jobs, inside its transaction.
    pub async fn count_runs(&self, tx: &mut sqlx::PgConnection, runs: &BTreeMap<Uuid, i64>) -> Result<()> {
        store::count_runs(tx, runs).await
    }

    pub async fn versions(&self, op: &Op, id: EventId, args: &PageArgs) -> Result<(Page<VersionRow>, u64)> {
        let event = self.get(op, id).await?;
        store::versions(&self.kernel.db, EventId(event.id), args).await
    }

    /// Those of the events that may be seen.
    pub async fn seen(&self, op: &Op, ids: &[EventId]) -> Result<Vec<EventRow>> {
        let grant = access::allow(op, Action::ReadEvents)?;
        store::seen(&self.kernel.db, &grant, ids.iter().map(|id| id.0)).await
    }

    /// Events that name one of these words (letters, digits, underscores) in the source or environment of their present
    /// version, with the word, by their names. Of one person and shared ones; None: of everybody. Who asks for somebody
    /// has asked the policy.
    pub async fn naming(&self, viewer: Option<UserId>, words: &[String]) -> Result<Vec<(String, EventRow)>> {
        let found = store::naming(&self.kernel.db, viewer, words).await?;
        let ids: BTreeSet<_> = found.iter().map(|(_, id)| *id).collect();
        let rows: BTreeMap<_, _> = store::by_ids(&self.kernel.db, ids)
            .await?
            .into_iter()
            .map(|row| (row.id, row))
            .collect();
        let named = found.into_iter();
        let mut named: Vec<_> = named
            .filter_map(|(word, id)| Some((word, rows.get(&id)?.clone())))
            .collect();
        named.sort_by_cached_key(|(_, row)| (row.name.to_lowercase(), row.id));
        Ok(named)
    }

    /// Those of the versions that may be seen: with their event, or by whoever made them.
    pub async fn versions_seen(&self, op: &Op, ids: &[EventVersionId]) -> Result<Vec<VersionRow>> {
        let grant = access::allow(op, Action::ReadEvents)?;
        let mut rows = store::versions_by_ids(&self.kernel.db, ids.iter().map(|id| id.0)).await?;
        let events: BTreeSet<_> = rows.iter().filter_map(|row| row.event_id).collect();
        let events = store::seen(&self.kernel.db, &grant, events).await?;
        rows.retain(|row| {
            let made = row.created_by.map(UserId);
            made.is_some_and(|user| grant.covers(user, false))
                || events.iter().any(|event| Some(event.id) == row.event_id)
        });
        Ok(rows)
    }

    pub async fn create(&self, op: &Op, new: NewEvent) -> Result<EventRow> {
        let grant = access::allow(op, Action::CreateEvent)?;
        let mut checks = Checks::default();
        let mut new = new.checked(&mut checks);
        if let Some(servers) = &mut new.definition.servers {
            self.choose(op, grant.user(), servers, &[], &mut checks).await?;
        }
        checks.done()?;
        let (row, version) = self.new_rows(&grant, new);
        let limits = self.quotas.limits(grant.user()).await?;
        let tx = self.kernel.db.begin().await?;
        self.quotas.admit_events(&tx, grant.user(), &limits, 1).await?;
        store::insert(&tx, row.clone()).await?;
        store::insert_version(&tx, version).await?;
        self.changed(&tx, op, AuditAction::CreateEvent, None, Some(&row))
            .await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The rows of a new event and its first version.
    pub(super) fn new_rows(&self, grant: &Grant, new: NewEvent) -> (EventRow, VersionRow) {
        let (now, id) = (self.kernel.now(), self.kernel.id::<EventId>());
        let kind = new.definition.kind;
        let version = self.version_row(grant, Some(id), 1, new.definition, new.comment);
        let row = EventRow {
            id: id.0,
            owner_id: grant.user().0,
            name: new.profile.name,
            description: new.profile.description,
            kind,
            status: new.status,
            tags: new.profile.tags,
            shared: new.profile.shared,
            version_id: version.id,
            version_number: 1,
            run_count: 0,
            max_executions: new.max_executions,
            counted_runs: 0,
            created_at: now,
            updated_at: now,
        };
        (row, version)
    }

    /// Writes a change of an event into the audit log.
    pub(super) async fn changed(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        action: AuditAction,
        before: Option<&EventRow>,
        after: Option<&EventRow>,
    ) -> Result<()> {
        let entry = Self::entry(action, before, after);
        self.audit.record_all(tx, op, entry.into_iter().collect()).await
    }

    /// What the audit log keeps of a change: what it was and is, without source and environment, which its versions
    /// keep.
    pub(super) fn entry(
        action: AuditAction,
        before: Option<&EventRow>,
        after: Option<&EventRow>,
    ) -> Option<Change> {
        let row = after.or(before)?;
        let target = Audited::new(TargetKind::Event, row.id, row.name.clone());
        Some(Change {
            before: before.map(store::audited),
            after: after.map(store::audited),
            ..Change::new(action, target)
        })
    }

    pub(super) fn version_row(
        &self,
        grant: &Grant,
        event: Option<EventId>,
        number: i32,
        definition: Definition,
        comment: Option<String>,
    ) -> VersionRow {
        let blank = VersionRow {
            id: self.kernel.id::<EventVersionId>().0,
            event_id: event.map(|id| id.0),
            number,
            ad_hoc: false,
            created_at: self.kernel.now(),
            created_by: Some(grant.user().0),
            comment,
            kind: definition.kind,
            source: String::new(),
            http: None,
            environment: serde_json::Value::Null,
            input_schema: None,
            image: None,
            memory_bytes: 0,
            cpu_millis: 0,
            pids: 0,
            network: false,
            servers: None,
            timeout_ms: 0,
            retry: None,
            overlap: Overlap::Allow,
            max_concurrent: None,
            idempotent: false,
            labels: Vec::new(),
        };
        store::definition_columns(definition, blank)
    }

    /// Saves a change. What a version holds makes a new one when it differs.
    pub async fn update(
        &self,
        op: &Op,
        id: EventId,
        expected: i32,
        mut change: EventChange,
    ) -> Result<EventRow> {
        let grant = access::allow(op, Action::ChangeEvent)?;
        let mut checks = Checks::default();
        // Before anything is locked. When it is another version by then, that is refused.
        if let Some((_, Some(servers))) = &mut change.target {
            let (seen, version) = store::with_version(&self.kernel.db, &grant, id).await?;
            expect_version(&seen, expected)?;
            let kept = Definition::from(version).servers.map(|target| target.servers);
            let (owner, kept) = (UserId(seen.owner_id), kept.unwrap_or_default());
            self.choose(op, owner, servers, &kept, &mut checks).await?;
        }
        let tx = self.kernel.db.begin().await?;
        let mut row = store::lock(&tx, &grant, id).await?;
        let before = row.clone();
        expect_version(&row, expected)?;
        let current: Definition = match store::versions_by_ids(&tx, [row.version_id]).await?.pop() {
            Some(version) => version.into(),
            None => return Err(Error::internal("an event without its version")),
        };
        let profile = Profile {
            name: change.name.unwrap_or(row.name),
            description: change.description.unwrap_or(row.description),
            tags: change.tags.unwrap_or(row.tags),
            shared: change.shared.unwrap_or(row.shared),
        };
        let (target, servers) = change
            .target
            .unwrap_or_else(|| (current.target.clone(), current.servers.clone()));
        let mut definition = Definition {
            kind: change.kind.unwrap_or(current.kind),
            source: change.source.unwrap_or_else(|| current.source.clone()),
            http: change.http.unwrap_or_else(|| current.http.clone()),
            environment: change.environment.unwrap_or_else(|| current.environment.clone()),
            input_schema: change
                .input_schema
                .unwrap_or_else(|| current.input_schema.clone()),
            target,
            servers,
            timeout_ms: change.timeout_ms.unwrap_or(current.timeout_ms),
            policy: Policy {
                retry: change.retry.unwrap_or_else(|| current.policy.retry.clone()),
                overlap: change.overlap.unwrap_or(current.policy.overlap),
                max_concurrent: change.max_concurrent.unwrap_or(current.policy.max_concurrent),
                idempotent: change.idempotent.unwrap_or(current.policy.idempotent),
            },
            labels: change.labels.unwrap_or_else(|| current.labels.clone()),
        };
        let max_executions = change.max_executions.unwrap_or(row.max_executions);
        let profile = profile.checked(&mut checks);
        definition.check(&mut checks);
        check_comment(change.comment.as_deref(), &mut checks);
        counter::check(max_executions, &mut checks);
        checks.done()?;
        (row.name, row.description) = (profile.name, profile.description);
        (row.tags, row.shared) = (profile.tags, profile.shared);
        counter::limit(&mut row, max_executions);
        definition.labels.sort_unstable();
        if definition != current {
            row.kind = definition.kind;
            row.version_number += 1;
            let version = self.version_row(&grant, Some(id), row.version_number, definition, change.comment);
            row.version_id = version.id;
            store::insert_version(&tx, version).await?;
        }
        row.updated_at = self.kernel.now();
        store::save(&tx, row.clone()).await?;
        self.changed(&tx, op, AuditAction::UpdateEvent, Some(&before), Some(&row))
            .await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn set_status(&self, op: &Op, id: EventId, status: EventStatus) -> Result<EventRow> {
        let grant = access::allow(op, Action::ChangeEvent)?;
        let tx = self.kernel.db.begin().await?;
        let mut row = store::lock(&tx, &grant, id).await?;
        let before = row.clone();
        counter::moved(&mut row, status);
        row.updated_at = self.kernel.now();
        store::save(&tx, row.clone()).await?;
        self.changed(&tx, op, AuditAction::UpdateEvent, Some(&before), Some(&row))
            .await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Makes a new version with the content of an old one.
    pub async fn restore(
        &self,
        op: &Op,
        id: EventId,
        version: EventVersionId,
        expected: i32,
    ) -> Result<EventRow> {
        let grant = access::allow(op, Action::ChangeEvent)?;
        // Before anything is locked. When it is another version by then, that is refused; no version ever changes.
        let (seen, current) = store::with_version(&self.kernel.db, &grant, id).await?;
        expect_version(&seen, expected)?;
        let old = store::version_of(&self.kernel.db, id, version).await;
        let old = old.map_err(|e| match e {
            Error::NotFound(_) => Error::field(
                UserErrorCode::NotFound,
                "versionId",
                "This event has no such version.",
            ),
            other => other,
        })?;
        let comment = Some(format!("Restored from version {}", old.number));
        let mut definition = Definition::from(old);
        if let Some(servers) = &mut definition.servers {
            let kept = Definition::from(current).servers.map(|target| target.servers);
            let (owner, kept) = (UserId(seen.owner_id), kept.unwrap_or_default());
            self.choose_again(op, owner, servers, &kept).await?;
        }
        let tx = self.kernel.db.begin().await?;
        let mut row = store::lock(&tx, &grant, id).await?;
        let before = row.clone();
        expect_version(&row, expected)?;
        row.version_number += 1;
        let version = self.version_row(&grant, Some(id), row.version_number, definition, comment);
        (row.version_id, row.kind, row.updated_at) = (version.id, version.kind, self.kernel.now());
        store::insert_version(&tx, version).await?;
        store::save(&tx, row.clone()).await?;
        self.changed(&tx, op, AuditAction::UpdateEvent, Some(&before), Some(&row))
            .await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn delete(&self, op: &Op, id: EventId) -> Result<EventId> {
        let grant = access::allow(op, Action::ChangeEvent)?;
        let tx = self.kernel.db.begin().await?;
        let row = store::lock(&tx, &grant, id).await?;
        store::delete(&tx, id).await?;
        self.changed(&tx, op, AuditAction::DeleteEvent, Some(&row), None)
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Versions of claimed jobs: the queue asks, not a person.
    pub async fn to_dispatch(&self, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<VersionRow>> {
        store::versions_by_ids(&self.kernel.db, ids).await
    }

    /// Stores an ad-hoc version in the transaction of the job that runs it.
    pub async fn keep_ad_hoc(&self, tx: &DatabaseTransaction, version: VersionRow) -> Result<()> {
        store::insert_version(tx, version).await
    }

    /// The row of an ad-hoc version: unsaved source, or a test run.
    pub fn ad_hoc(&self, grant: &Grant, event: Option<&EventRow>, definition: Definition) -> VersionRow {
        let number = event.map_or(0, |event| event.version_number);
        let id = event.map(|event| EventId(event.id));
        VersionRow {
            ad_hoc: true,
            ..self.version_row(grant, id, number, definition, None)
        }
    }
}

fn expect_version(row: &EventRow, expected: i32) -> Result<()> {
    if row.version_number == expected {
        return Ok(());
    }
    let message = format!(
        "Version {} was saved meanwhile. Load it, then make your change again.",
        row.version_number
    );
    Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message))
}

pub(super) fn check_comment(comment: Option<&str>, checks: &mut Checks) {
    let short = comment.is_none_or(|c| c.chars().count() <= 500);
    checks.require(
        short,
        UserErrorCode::TooLong,
        "comment",
        "At most 500 characters.",
    );
}
