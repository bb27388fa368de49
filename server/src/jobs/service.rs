//! Accepting, cancelling and repeating work. A job's id is given out only after it was committed.

use std::time::Duration;

use cronium_entity::enums::{EventStatus, JobStatus, Priority, Trigger};
use sea_orm::TransactionTrait as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::access::{self, Action, Grant, Reach};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::events::{Definition, EventRow, Events, VersionRow};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::storable::is_storable;
use crate::kernel::{Error, Kernel, Op, Result, Timestamp};
use crate::quotas::Quotas;

use super::loader::Newest;
use super::model::{self, Cancellation, is_final};
use super::store::{self, ExecutionRow, Filter, JobRow, NewJob};

/// Jobs that a watcher that missed signals is told of.
const MISSED: u64 = 1000;

/// Jobs and executions.
#[derive(Clone, Debug)]
pub struct Jobs {
    kernel: Kernel,
    events: Events,
    audit: Audit,
    quotas: Quotas,
}

/// How work is to be started.
#[derive(Debug, Clone)]
pub struct Start {
    pub input: Option<Value>,
    pub priority: Priority,
    /// Wait up to so long for the end.
    pub wait: Duration,
    pub idempotency_key: Option<String>,
}

/// What is to be started, all rows ready.
struct Work<'a> {
    event: Option<&'a EventRow>,
    version_id: Uuid,
    /// A version that is not stored yet.
    ad_hoc: Option<VersionRow>,
    owner: Uuid,
    title: String,
    trigger: Trigger,
    retry_of: Option<Uuid>,
}

/// The hash of what was asked for: a key stands for one request only.
struct Request(Vec<u8>);

impl Request {
    fn new(asked: &Value) -> Self {
        Self(Sha256::digest(asked.to_string().as_bytes()).to_vec())
    }
}

impl Jobs {
    pub fn new(kernel: Kernel, events: Events, audit: Audit, quotas: Quotas) -> Self {
        Self {
            kernel,
            events,
            audit,
            quotas,
        }
    }

    /// In-process changes of jobs.
    pub fn signals(&self) -> tokio::sync::broadcast::Receiver<crate::kernel::signals::JobSignal> {
        self.kernel.signals.jobs()
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: &Filter,
        descending: bool,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<JobRow>, u64)> {
        let grant = access::allow(op, Action::ReadJobs)?;
        let page = store::page(&self.kernel.db, &grant, filter, descending, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, &grant, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    pub async fn get(&self, op: &Op, id: JobId) -> Result<JobRow> {
        store::get(&self.kernel.db, &access::allow(op, Action::ReadJobs)?, id).await
    }

    pub async fn execution(&self, op: &Op, id: ExecutionId) -> Result<ExecutionRow> {
        store::execution(&self.kernel.db, &access::allow(op, Action::ReadJobs)?, id).await
    }

    /// Those of the jobs that may be seen.
    pub async fn seen(&self, op: &Op, ids: &[JobId]) -> Result<Vec<JobRow>> {
        self.matching(op, &Filter::default(), ids).await
    }

    /// Those of the executions that may be seen.
    pub async fn executions_seen(&self, op: &Op, ids: &[ExecutionId]) -> Result<Vec<ExecutionRow>> {
        store::executions_seen(&self.kernel.db, &access::allow(op, Action::ReadJobs)?, ids).await
    }

    /// What to ask a loader for: the newest jobs of an event, as far as they may be seen.
    pub fn newest(&self, op: &Op, event: EventId, each: u64) -> Result<Newest> {
        let viewer = match access::allow(op, Action::ReadJobs)?.reach() {
            Reach::All => None,
            Reach::Own(user) | Reach::OwnAndShared(user) => Some(user.0),
        };
        Ok(Newest {
            event: event.0,
            viewer,
            each,
        })
    }

    /// Those of the jobs that match and may be seen.
    pub async fn matching(&self, op: &Op, filter: &Filter, ids: &[JobId]) -> Result<Vec<JobRow>> {
        store::matching(
            &self.kernel.db,
            &access::allow(op, Action::ReadJobs)?,
            filter,
            ids,
        )
        .await
    }

    /// Those that match, may be seen and have changed since a moment: for a watcher that missed signals.
    pub async fn matching_since(&self, op: &Op, filter: &Filter, at: Timestamp) -> Result<Vec<JobId>> {
        let grant = access::allow(op, Action::ReadJobs)?;
        let faces = store::matching_since(&self.kernel.db, &grant, filter, at, MISSED).await?;
        Ok(faces.into_iter().map(|face| JobId(face.id)).collect())
    }

    pub fn now(&self) -> Timestamp {
        self.kernel.now()
    }

    /// Runs the present version of an event.
    pub async fn run(&self, op: &Op, id: EventId, start: Start) -> Result<JobRow> {
        let grant = access::allow(op, Action::RunEvent)?;
        let request = Request::new(&json!(["run", id.0, start.input, start.priority as i16]));
        if let Some(known) = self.repeated(&grant, &start, &request).await? {
            return Ok(known);
        }
        let (event, version) = self
            .events
            .to_run(op, id)
            .await
            .map_err(|e| no_event(op, "runEvent", e))?;
        let mut checks = Checks::default();
        check_start(&start, &mut checks);
        let archived = event.status == EventStatus::Archived;
        checks.require(
            !archived,
            UserErrorCode::Conflict,
            "eventId",
            "This event is archived: activate it first.",
        );
        Definition::from(version).check_input(start.input.as_ref(), &mut checks);
        checks.done()?;
        let work = Work {
            event: Some(&event),
            version_id: event.version_id,
            ad_hoc: None,
            owner: event.owner_id,
            title: event.name.clone(),
            trigger: if op.bearer { Trigger::Api } else { Trigger::Manual },
            retry_of: None,
        };
        self.start(&grant, work, start, request).await
    }

    /// Runs a source without saving it.
    pub async fn test(
        &self,
        op: &Op,
        event: Option<EventId>,
        definition: Definition,
        start: Start,
    ) -> Result<JobRow> {
        let grant = access::allow(op, Action::RunEvent)?;
        access::allow(op, Action::CreateEvent)?;
        let request = Request::new(&json!([
            "test",
            event.map(|id| id.0),
            format!("{definition:?}"),
            start.input
        ]));
        if let Some(known) = self.repeated(&grant, &start, &request).await? {
            return Ok(known);
        }
        let event = match event {
            Some(id) => {
                let found = self.events.to_run(op, id).await;
                Some(found.map_err(|e| no_event(op, "testEvent", e))?.0)
            }
            None => None,
        };
        let mut checks = Checks::default();
        check_start(&start, &mut checks);
        definition.check(&mut checks);
        definition.check_input(start.input.as_ref(), &mut checks);
        checks.done()?;
        let version = self.events.ad_hoc(&grant, event.as_ref(), definition);
        let work = Work {
            event: event.as_ref(),
            version_id: version.id,
            ad_hoc: Some(version),
            owner: grant.user().0,
            title: event
                .as_ref()
                .map_or_else(|| "Test run".to_owned(), |e| e.name.clone()),
            trigger: Trigger::Test,
            retry_of: None,
        };
        self.start(&grant, work, start, request).await
    }

    /// Runs a finished job's version again with the same input.
    pub async fn retry(&self, op: &Op, id: JobId, idempotency_key: Option<String>) -> Result<JobRow> {
        let grant = access::allow(op, Action::RunEvent)?;
        let old = self.get(op, id).await?;
        let start = Start {
            input: old.input,
            priority: old.priority,
            wait: Duration::ZERO,
            idempotency_key,
        };
        let request = Request::new(&json!(["retry", id.0]));
        if let Some(known) = self.repeated(&grant, &start, &request).await? {
            return Ok(known);
        }
        let mut checks = Checks::default();
        check_start(&start, &mut checks);
        let done = is_final(old.status);
        checks.require(
            done,
            UserErrorCode::Conflict,
            "id",
            "This job has not ended yet: cancel it first.",
        );
        let event = match old.event_id {
            Some(id) => match self.events.to_run(op, EventId(id)).await {
                Ok((event, _)) => Some(event),
                Err(Error::NotFound(_)) => return Err(Error::NotFound("job")),
                Err(other) => return Err(other),
            },
            None => None,
        };
        let archived = event.as_ref().is_some_and(|e| e.status == EventStatus::Archived);
        checks.require(
            !archived,
            UserErrorCode::Conflict,
            "id",
            "This job's event is archived: activate it first.",
        );
        checks.done()?;
        let work = Work {
            event: event.as_ref(),
            version_id: old.event_version_id,
            ad_hoc: None,
            owner: old.owner_id,
            title: old.title,
            trigger: Trigger::Retry,
            retry_of: Some(old.id),
        };
        self.start(&grant, work, start, request).await
    }

    /// The job that this very request has started before, whatever became of its event since.
    async fn repeated(&self, grant: &Grant, start: &Start, request: &Request) -> Result<Option<JobRow>> {
        let mut checks = Checks::default();
        check_start(start, &mut checks);
        let Some(key) = start.idempotency_key.as_ref().filter(|_| checks.done().is_ok()) else {
            return Ok(None);
        };
        match self.known(grant, key, request).await? {
            Some(job) => self.wait_for(job, start.wait).await.map(Some),
            None => Ok(None),
        }
    }

    async fn start(&self, grant: &Grant, work: Work<'_>, start: Start, request: Request) -> Result<JobRow> {
        let accepted = match self.accept(grant, work, &start, &request).await {
            // The quota may be used up by this very request, which came twice at the same time.
            Err(refused @ Error::Invalid(_)) => {
                return self.repeated(grant, &start, &request).await?.ok_or(refused);
            }
            other => other?,
        };
        let Some(job) = accepted else {
            // The key was taken by a request that ran at the same time.
            let known = self.repeated(grant, &start, &request).await?;
            return known.ok_or_else(|| Error::internal("an idempotency key without its job"));
        };
        tracing::info!(job_id = %job.id, number = job.number, "a job is accepted");
        metrics::counter!("cronium_jobs_accepted_total").increment(1);
        self.kernel.signals.job_changed(JobId(job.id), true);
        self.kernel.signals.work_queued();
        self.kernel.signals.outbox_filled();
        self.wait_for(job, start.wait).await
    }

    /// Writes all rows of a job and commits; None when its key is taken.
    async fn accept(
        &self,
        grant: &Grant,
        work: Work<'_>,
        start: &Start,
        request: &Request,
    ) -> Result<Option<JobRow>> {
        let new = NewJob {
            id: self.kernel.id(),
            execution: self.kernel.id(),
            owner: work.owner,
            actor: grant.user().0,
            api_token: grant.token().map(|id| id.0),
            event: work.event.map(|event| event.id),
            version: work.version_id,
            title: work.title,
            priority: start.priority,
            trigger: work.trigger,
            retry_of: work.retry_of,
            input: start.input.clone(),
            at: self.kernel.now(),
            key: start.idempotency_key.clone().map(|key| (key, request.0.clone())),
        };
        let owner = UserId(work.owner);
        let limits = self.quotas.limits(owner).await?;
        if work.ad_hoc.is_none() && !limits.count_jobs() {
            return store::accept(&self.kernel.db, new).await;
        }
        let tx = self.kernel.db.begin().await?;
        self.quotas.admit_job(&tx, owner, &limits).await?;
        if let Some(version) = work.ad_hoc {
            self.events.keep_ad_hoc(&tx, version).await?;
        }
        let job = store::accept(&tx, new).await?;
        if job.is_some() {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(job)
    }

    /// The job that this key has started already; the same key for something else is refused.
    async fn known(&self, grant: &Grant, key: &str, request: &Request) -> Result<Option<JobRow>> {
        let Some(kept) = store::key(&self.kernel.db, grant.user(), key).await? else {
            return Ok(None);
        };
        if kept.request_hash != request.0 {
            let message = "This key was used for another request within 24 hours: take a new one.";
            return Err(Error::field(UserErrorCode::Conflict, "idempotencyKey", message));
        }
        Ok(store::by_ids(&self.kernel.db, [kept.job_id]).await?.pop())
    }

    /// Waits for the end of a job, at most so long; signals are hints, a look each second stands behind.
    async fn wait_for(&self, job: JobRow, wait: Duration) -> Result<JobRow> {
        let mut signals = self.kernel.signals.jobs();
        let deadline = tokio::time::Instant::now() + wait;
        let mut job = job;
        while !is_final(job.status) && tokio::time::Instant::now() < deadline {
            let look = deadline.min(tokio::time::Instant::now() + Duration::from_secs(1));
            let id = JobId(job.id);
            let changed = async { while signals.recv().await.is_ok_and(|signal| !signal.concerns(id)) {} };
            drop(tokio::time::timeout_at(look, changed).await);
            job = store::by_ids(&self.kernel.db, [job.id])
                .await?
                .pop()
                .ok_or(Error::NotFound("job"))?;
        }
        Ok(job)
    }

    /// Stops a job, or asks its orchestrator to.
    pub async fn cancel(&self, op: &Op, id: JobId) -> Result<JobRow> {
        let grant = access::allow(op, Action::CancelJob)?;
        let tx = self.kernel.db.begin().await?;
        let (mut job, mut executions) = store::lock(&tx, &grant, id).await?;
        let how = model::cancel(job.status)
            .map_err(|_| Error::field(UserErrorCode::Conflict, "id", "This job has ended already."))?;
        let now = self.kernel.now();
        if job.cancel_requested_at.is_none() {
            job.cancel_requested_at = Some(now);
            job.cancel_requested_by = Some(grant.user().0);
        }
        let mut told = Vec::new();
        if how == Cancellation::AtOnce {
            job.status = JobStatus::Cancelled;
            job.status_reason = Some("Cancelled before it started".into());
            job.finished_at = Some(now);
            job.cancel_receipt = Some(model::nothing_had_started());
        }
        for execution in executions.iter_mut().filter(|e| !is_final(e.status)) {
            execution.cancel_requested = true;
            if how == Cancellation::AtOnce {
                execution.status = JobStatus::Cancelled;
                execution.status_reason.clone_from(&job.status_reason);
                execution.finished_at = Some(now);
            } else {
                told.push(ExecutionId(execution.id));
            }
        }
        store::save_cancel(&tx, job.clone(), executions).await?;
        if how == Cancellation::AtOnce {
            store::ended(&tx, &job, now).await?;
        }
        let target = Target::new(TargetKind::Job, id, job.title.clone());
        self.audit
            .record(&tx, op, Change::new(AuditAction::CancelJob, target))
            .await?;
        tx.commit().await?;
        if how == Cancellation::AtOnce {
            self.kernel.signals.outbox_filled();
        }
        for execution in told {
            self.kernel.signals.cancel_requested(execution);
        }
        self.kernel.signals.job_changed(id, false);
        Ok(job)
    }

    /// Forgets idempotency keys after their 24 hours.
    pub async fn drop_old_keys(&self) -> Result<u64> {
        store::drop_keys(&self.kernel.db, self.kernel.now() - chrono::TimeDelta::hours(24)).await
    }
}

/// The input names the event by another field than its own id.
fn no_event(op: &Op, asked: &'static str, error: Error) -> Error {
    match error {
        Error::NotFound(_) => {
            op.denied(asked, "NOT_FOUND");
            Error::field(UserErrorCode::NotFound, "eventId", "There is no such event.")
        }
        other => other,
    }
}

fn check_start(start: &Start, checks: &mut Checks) {
    if let Some(key) = &start.idempotency_key {
        let fits = (1..=200).contains(&key.chars().count());
        checks.require(
            fits,
            UserErrorCode::Invalid,
            "idempotencyKey",
            "A key has 1 to 200 characters.",
        );
    }
    let nul = start
        .idempotency_key
        .as_ref()
        .is_some_and(|key| key.contains('\0'));
    checks.require(
        !nul,
        UserErrorCode::Invalid,
        "idempotencyKey",
        "A key has no NUL characters.",
    );
    let minute = start.wait <= Duration::from_secs(60);
    checks.require(
        minute,
        UserErrorCode::Invalid,
        "waitSeconds",
        "Wait between 0 and 60 seconds.",
    );
    let text = start.input.as_ref().map(Value::to_string).unwrap_or_default();
    let nul = !start.input.as_ref().is_none_or(is_storable);
    checks.require(
        !nul,
        UserErrorCode::Invalid,
        "input",
        "An input has no NUL characters.",
    );
    let size = text.len();
    checks.require(
        size <= 1 << 20,
        UserErrorCode::TooLong,
        "input",
        "An input has at most 1 MiB.",
    );
}
