//! Setting limits, showing them, and holding people to them. Whoever adds something limited asks here, in the
//! transaction that adds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{self, Action, roles};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::{Error, Kernel, Op, Result, Timestamp};
use crate::rate::{Allowances, Quota};

use super::model::{self, INSTALLATION, Kind, Limits, Usage};
use super::store;

/// How long limits are held in memory: a change on another server counts here after so long.
const KNOWN: TimeDelta = TimeDelta::seconds(1);
/// People whose limits are held; more, and all are forgotten.
const MOST_KNOWN: usize = 10_000;
/// People that are looked at together.
const BATCH: i64 = 500;

/// Whose limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    User(UserId),
    Role(RoleId),
    Installation,
}

impl Subject {
    fn id(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Role(id) => id.0,
            Self::Installation => INSTALLATION,
        }
    }
}

type Known = HashMap<UserId, (Timestamp, Limits)>;

/// Limits of people.
#[derive(Debug, Clone)]
pub struct Quotas {
    kernel: Kernel,
    audit: Audit,
    known: Arc<Mutex<Known>>,
}

impl Quotas {
    pub fn new(kernel: Kernel, audit: Audit) -> Self {
        Self {
            kernel,
            audit,
            known: Arc::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits that count for a person, at most a second old. Takes a connection, so ask before the
    /// transaction begins.
    pub async fn limits(&self, person: UserId) -> Result<Limits> {
        let now = self.kernel.now();
        if let Some((at, limits)) = self.known().get(&person)
            && now - *at < KNOWN
        {
            return Ok(limits.clone());
        }
        let limits = self
            .limits_of(&[person])
            .await?
            .remove(&person)
            .unwrap_or_default();
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(person, (now, limits.clone()));
        Ok(limits)
    }

    /// Refuses so many more events of this owner beyond the quota. Until the transaction ends nobody else is counted.
    pub async fn admit_events(
        &self,
        tx: &DatabaseTransaction,
        owner: UserId,
        limits: &Limits,
        more: usize,
    ) -> Result<()> {
        self.admit(tx, owner, limits, &[Kind::Events], more).await
    }

    /// Refuses another job of this owner beyond the quota. Until the transaction ends nobody else is counted.
    pub async fn admit_job(&self, tx: &DatabaseTransaction, owner: UserId, limits: &Limits) -> Result<()> {
        let kinds = [Kind::ConcurrentJobs, Kind::JobsPerMonth];
        self.admit(tx, owner, limits, &kinds, 1).await
    }

    async fn admit(
        &self,
        tx: &DatabaseTransaction,
        owner: UserId,
        limits: &Limits,
        kinds: &[Kind],
        more: usize,
    ) -> Result<()> {
        let limited: Vec<_> = kinds
            .iter()
            .filter_map(|kind| Some((*kind, limits.limit(*kind)?)))
            .collect();
        if limited.is_empty() {
            return Ok(());
        }
        store::lock_person(tx, owner).await?;
        let (month, _) = model::month(self.kernel.now());
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        for (kind, limit) in limited {
            let had = store::count(tx, owner, kind, month, limit).await?;
            if more > 0 && had.saturating_add(more) > limit {
                let message = model::refusal(kind, limit);
                return Err(Error::field(UserErrorCode::LimitReached, "", message));
            }
        }
        Ok(())
    }

    /// The limits that count for these people.
    pub async fn limits_of(&self, people: &[UserId]) -> Result<HashMap<UserId, Limits>> {
        let ids: Vec<_> = people.iter().map(|id| id.0).collect();
        let mut settings: HashMap<_, Vec<_>> = HashMap::new();
        for (person, setting) in store::settings(&self.kernel, &ids).await? {
            settings.entry(person).or_default().push(setting);
        }
        let limits = |(person, settings)| (person, Limits::of(settings));
        Ok(settings.into_iter().map(limits).collect())
    }

    /// What these people have. Counts it all, so it is for few people.
    pub async fn usage_of(&self, people: &[UserId]) -> Result<HashMap<UserId, Usage>> {
        let ids: Vec<_> = people.iter().map(|id| id.0).collect();
        let (month, _) = model::month(self.kernel.now());
        let usage = store::usage(&self.kernel, &ids, month).await?;
        Ok(usage.into_iter().collect())
    }

    /// When the month of the quotas ends.
    pub fn month_ends(&self) -> Timestamp {
        model::month(self.kernel.now()).1
    }

    /// What is set for a subject itself.
    pub async fn own(&self, op: &Op, subject: Subject) -> Result<Vec<(Kind, Option<i64>)>> {
        access::allow(op, Action::ManageUsers)?;
        store::own(&self.kernel, subject.id()).await
    }

    /// Sets the limits of a subject: those that are not given come from the wider levels.
    pub async fn set(
        &self,
        op: &Op,
        subject: Subject,
        limits: Vec<(Kind, Option<i64>)>,
    ) -> Result<Vec<(Kind, Option<i64>)>> {
        access::allow(op, Action::ManageUsers)?;
        if matches!(subject, Subject::Installation) {
            // Everybody's limits, administrators' too, and how long all logs are kept.
            access::allow(op, Action::ManageSettings)?;
        }
        let mut checks = Checks::default();
        model::check(&limits, &mut checks);
        checks.done()?;
        let tx = self.kernel.db.begin().await?;
        let name = match subject {
            Subject::Installation => Some("installation".to_owned()),
            Subject::User(id) => store::lock_person(&tx, id).await?,
            Subject::Role(id) => match roles::built_in(id) {
                Some(role) => Some(roles::name_of(role).to_owned()),
                None => store::keep_role(&tx, id.0).await?,
            },
        };
        let (kind, what, field) = match subject {
            Subject::User(_) => (TargetKind::User, "user", "subject.user"),
            Subject::Role(_) => (TargetKind::Role, "role", "subject.role"),
            Subject::Installation => (TargetKind::Settings, "installation", "subject"),
        };
        let Some(name) = name else {
            let message = format!("There is no such {what}.");
            return Err(Error::field(UserErrorCode::NotFound, field, message));
        };
        if let Some(held) = store::permissions_of(&tx, subject.id()).await?
            && !held.within(op.permissions())
        {
            let message = "This account or role may do more than you: you can't change its limits.";
            return Err(Error::field(UserErrorCode::Forbidden, field, message));
        }
        let old = store::replace(&tx, subject.id(), &limits).await?;
        let change = Change::new(AuditAction::SetQuota, Target::new(kind, subject.id(), name))
            .from(audited(&old))
            .to(audited(&limits));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.known().clear();
        Ok(limits)
    }

    /// Days after which the logs of each person are removed, None for those that are kept: of the people after one, a
    /// batch at a time; None after the last.
    pub async fn retention(&self, after: UserId) -> Result<Option<(UserId, Vec<(UserId, Option<i64>)>)>> {
        let people = store::people(&self.kernel, after.0, BATCH).await?;
        let Some(last) = people.last().copied() else {
            return Ok(None);
        };
        let limits = self.limits_of(&people).await?;
        // Who has no limit of any kind is not among them.
        let days = |person| limits.get(&person)?.limit(Kind::LogRetentionDays);
        let people = people.into_iter().map(|person| (person, days(person)));
        Ok(Some((last, people.collect())))
    }

    /// Whether anybody's logs are removed at all.
    pub async fn removes_logs(&self) -> Result<bool> {
        store::any(&self.kernel, Kind::LogRetentionDays).await
    }

    /// Days after which nobody's logs are kept; None where somebody's are kept for good.
    pub async fn longest_retention(&self) -> Result<Option<i64>> {
        let (mut after, mut longest) = (UserId(Uuid::nil()), None);
        while let Some((last, people)) = self.retention(after).await? {
            for (_, days) in people {
                if days.is_none() {
                    return Ok(None);
                }
                longest = longest.max(days);
            }
            after = last;
        }
        Ok(longest)
    }

    /// Forgets the limits of people and roles that are no more.
    pub async fn tidy(&self) -> Result<u64> {
        store::forget_absent(&self.kernel).await
    }
}

impl Allowances for Quotas {
    fn of(&self, user: UserId) -> BoxFuture<'_, Option<Option<Quota>>> {
        Box::pin(async move {
            match self.limits(user).await {
                Ok(limits) => {
                    let own = limits.setting(Kind::ApiCostPerMinute)?.limit;
                    Some(own.map(|cost| Quota(cost.unsigned_abs())))
                }
                // What holds for everybody stands in: the limit is no reason to answer nobody.
                Err(problem) => {
                    tracing::warn!(
                        problem = problem.private_text(),
                        "a person's limits can't be read"
                    );
                    None
                }
            }
        })
    }
}

fn audited(limits: &[(Kind, Option<i64>)]) -> Value {
    let by_name = limits
        .iter()
        .map(|(kind, limit)| (kind.name().to_owned(), json!(limit)));
    Value::Object(by_name.collect())
}
