//! Reading, starting and repeating work.

use std::time::Duration;

use cronium_entity::enums::{EventStatus, Priority, Trigger};
use serde_json::{Value, json};

use crate::access::{self, Action, Grant, Reach};
use crate::audit::Audit;
use crate::events::{Definition, Events};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{EventId, ExecutionId, JobId, ServerId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::{Error, Kernel, Op, Result, Timestamp};
use crate::orchestrators::Orchestrators;
use crate::quotas::Quotas;

use super::accept::{Request, Work, check_start};
use super::intake::Intake;
use super::loader::Newest;
use super::model::is_final;
use super::places;
use super::store::{self, ExecutionRow, Filter, JobRow};
use super::turns::Turns;

/// Jobs that a watcher that missed signals is told of.
const MISSED: u64 = 1000;

/// Jobs and executions.
#[derive(Clone, Debug)]
pub struct Jobs {
    pub(super) kernel: Kernel,
    pub(super) events: Events,
    pub(super) audit: Audit,
    pub(super) quotas: Quotas,
    pub(super) turns: Turns,
    pub(super) intake: Intake,
    pub(super) orchestrators: Orchestrators,
}

/// How work is to be started.
#[derive(Debug, Clone)]
pub struct Start {
    pub input: Option<Value>,
    pub priority: Priority,
    /// Wait up to so long for the end.
    pub wait: Duration,
    pub idempotency_key: Option<String>,
    /// Not before this moment; what has passed is now.
    pub run_at: Option<Timestamp>,
    /// Only on these of the event's servers; None: on all.
    pub servers: Option<Vec<ServerId>>,
}

impl Jobs {
    pub fn new(
        kernel: Kernel,
        events: Events,
        audit: Audit,
        quotas: Quotas,
        orchestrators: Orchestrators,
    ) -> Self {
        let turns = Turns::new(kernel.clone());
        let intake = Intake::new(kernel.clone());
        Self {
            kernel,
            events,
            audit,
            quotas,
            turns,
            intake,
            orchestrators,
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
        let mut asked = vec![
            json!("run"),
            json!(id.0),
            json!(start.input),
            json!(start.priority as i16),
        ];
        asked.extend(start.run_at.map(|at| json!(at)));
        let servers = start.servers.as_ref();
        asked.extend(servers.map(|ids| json!(ids.iter().map(|id| id.0).collect::<Vec<_>>())));
        let request = Request::new(&Value::Array(asked));
        if let Some(known) = self.repeated(&grant, &start, &request).await? {
            return Ok(known);
        }
        let (event, version) = self
            .events
            .to_run(op, id)
            .await
            .map_err(|e| no_event(op, "runEvent", e))?;
        let mut checks = Checks::default();
        check_start(&start, self.kernel.now(), &mut checks);
        let archived = event.status == EventStatus::Archived;
        checks.require(
            !archived,
            UserErrorCode::Conflict,
            "eventId",
            "This event is archived: activate it first.",
        );
        let definition = Definition::from(version);
        definition.check_input(start.input.as_ref(), &mut checks);
        let servers = places::chosen(definition.servers, start.servers.as_deref(), &mut checks);
        checks.done()?;
        let work = Work {
            event: Some(&event),
            version_id: event.version_id,
            policy: definition.policy,
            labels: definition.labels,
            servers,
            taking_turns: true,
            event_field: "eventId",
            ad_hoc: None,
            owner: event.owner_id,
            title: event.name.clone(),
            trigger: if op.bearer { Trigger::Api } else { Trigger::Manual },
            retry_of: None,
        };
        self.start(op, &grant, work, start, request).await
    }

    /// Runs a source without saving it.
    pub async fn test(
        &self,
        op: &Op,
        event: Option<EventId>,
        mut definition: Definition,
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
        check_start(&start, self.kernel.now(), &mut checks);
        definition.check(&mut checks);
        definition.check_input(start.input.as_ref(), &mut checks);
        if let Some(servers) = &mut definition.servers {
            // Whoever tests is whose job it is.
            let choice = self.events.choose(op, grant.user(), servers, &[], &mut checks);
            choice.await?;
        }
        checks.done()?;
        let (policy, servers) = (definition.policy.clone(), definition.servers.clone());
        let version = self.events.ad_hoc(&grant, event.as_ref(), definition);
        let work = Work {
            event: event.as_ref(),
            version_id: version.id,
            policy,
            labels: version.labels.clone(),
            servers,
            taking_turns: false,
            event_field: "eventId",
            ad_hoc: Some(version),
            owner: grant.user().0,
            title: event
                .as_ref()
                .map_or_else(|| "Test run".to_owned(), |e| e.name.clone()),
            trigger: Trigger::Test,
            retry_of: None,
        };
        self.start(op, &grant, work, start, request).await
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
            run_at: None,
            servers: None,
        };
        let request = Request::new(&json!(["retry", id.0]));
        if let Some(known) = self.repeated(&grant, &start, &request).await? {
            return Ok(known);
        }
        let mut checks = Checks::default();
        check_start(&start, self.kernel.now(), &mut checks);
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
        let version = self.events.to_dispatch([old.event_version_id]).await?.pop();
        let version = version.ok_or_else(|| Error::internal("a job without its version"))?;
        let taking_turns = !version.ad_hoc;
        let definition = Definition::from(version);
        let servers = self.places_again(id, definition.servers).await?;
        let work = Work {
            event: event.as_ref(),
            version_id: old.event_version_id,
            taking_turns,
            policy: definition.policy,
            labels: definition.labels,
            servers,
            event_field: "id",
            ad_hoc: None,
            owner: old.owner_id,
            title: old.title,
            trigger: Trigger::Retry,
            retry_of: Some(old.id),
        };
        self.start(op, &grant, work, start, request).await
    }

    /// The job that this very request has started before, whatever became of its event since.
    async fn repeated(&self, grant: &Grant, start: &Start, request: &Request) -> Result<Option<JobRow>> {
        let mut checks = Checks::default();
        check_start(start, self.kernel.now(), &mut checks);
        let Some(key) = start.idempotency_key.as_ref().filter(|_| checks.done().is_ok()) else {
            return Ok(None);
        };
        match self.known(grant, key, request).await? {
            Some(job) => self.wait_for(job, start.wait).await.map(Some),
            None => Ok(None),
        }
    }

    async fn start(
        &self,
        op: &Op,
        grant: &Grant,
        work: Work<'_>,
        start: Start,
        request: Request,
    ) -> Result<JobRow> {
        let accepted = match self.accept(op, grant, work, &start, &request).await {
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
        if job.run_at.is_some() {
            self.kernel.signals.something_waits();
        } else {
            self.kernel.signals.work_queued();
        }
        self.kernel.signals.outbox_filled();
        self.wait_for(job, start.wait).await
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
