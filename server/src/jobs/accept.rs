//! Accepting work. A job's id is given out only after it was committed.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::Trigger;
use sea_orm::TransactionTrait as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::access::Grant;
use crate::events::{EventRow, Policy, ServerTarget, VersionRow};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{ExecutionId, UserId};
use crate::kernel::storable::is_storable;
use crate::kernel::{Op, Result, Timestamp};

use super::cancel;
use super::model;
use super::service::{Jobs, Start};
use super::store::{self, JobRow, NewExecution, NewJob};
use super::turns::{Answer, Arrival};

/// How far ahead a start may be.
const FURTHEST: TimeDelta = TimeDelta::days(366);

/// What is to be started, all rows ready.
pub struct Work<'a> {
    pub event: Option<&'a EventRow>,
    pub version_id: Uuid,
    pub policy: Policy,
    /// What its event asks of an orchestrator.
    pub labels: Vec<String>,
    /// None: it runs in a container, or is a request.
    pub servers: Option<ServerTarget>,
    /// Whether it takes turns with the other runs of its event, and counts towards its limit.
    pub taking_turns: bool,
    /// The field of the input that names the event.
    pub event_field: &'static str,
    /// A version that is not stored yet.
    pub ad_hoc: Option<VersionRow>,
    pub owner: Uuid,
    pub title: String,
    pub trigger: Trigger,
    pub retry_of: Option<Uuid>,
}

/// The hash of what was asked for: a key stands for one request only.
pub struct Request(pub Vec<u8>);

impl Request {
    pub fn new(asked: &Value) -> Self {
        Self(Sha256::digest(asked.to_string().as_bytes()).to_vec())
    }
}

impl Jobs {
    /// Writes all rows of a job and commits; None when its key is taken. An event without limits costs one statement.
    pub(super) async fn accept(
        &self,
        op: &Op,
        grant: &Grant,
        work: Work<'_>,
        start: &Start,
        request: &Request,
    ) -> Result<Option<JobRow>> {
        let now = self.kernel.now();
        let run_at = start.run_at.filter(|at| *at > now);
        let gate = work
            .event
            .filter(|_| work.taking_turns && work.policy.places().is_some());
        let labels = model::labels::with_servers(work.labels, work.servers.is_some());
        let max_parallel = work.servers.as_ref().and_then(|servers| servers.max_parallel);
        let mut new = NewJob {
            id: self.kernel.id(),
            executions: self.slots(work.servers),
            max_parallel,
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
            at: now,
            key: start.idempotency_key.clone().map(|key| (key, request.0.clone())),
            run_at,
            reason: run_at.map(|at| format!("Starts at {}.", model::spoken(at))),
            gate: gate.map(|event| event.id),
            // Whose turn it is, is decided at the moment of the start.
            held: gate.is_some() && run_at.is_some(),
            skipped: false,
            max_starts: work.policy.max_starts(),
            labels: Some(labels).filter(|labels| !labels.is_empty()),
        };
        let owner = UserId(work.owner);
        let limits = self.quotas.limits(owner).await?;
        let counted = work
            .event
            .filter(|event| work.taking_turns && event.max_executions > 0);
        if work.ad_hoc.is_none() && !limits.count_jobs() && gate.is_none() && counted.is_none() {
            return self.intake.accept(new).await;
        }
        let tx = self.kernel.db.begin().await?;
        self.quotas.admit_job(&tx, owner, &limits).await?;
        if let Some(version) = work.ad_hoc {
            self.events.keep_ad_hoc(&tx, version).await?;
        }
        let mut answer = Answer::default();
        if let (Some(event), None) = (gate, run_at) {
            let arrival = Arrival {
                event: event.id,
                owner: event.owner_id,
                actor: Some(grant.user().0),
                policy: &work.policy,
            };
            answer = self.turns.arrive(&tx, &arrival).await?;
            new.held = answer.held.is_some();
            new.skipped = answer.skipped.is_some();
            new.reason = answer.held.take().or(answer.skipped.map(str::to_owned));
        }
        // Before the limit is counted, whose last run is written into the audit log: that comes last.
        let skipped = new.skipped;
        let Some(job) = store::accept(&tx, &[new]).await?.pop() else {
            tx.rollback().await?;
            return Ok(None);
        };
        if let Some(event) = counted.filter(|_| !skipped) {
            self.events.count_run(&tx, op, event.id, work.event_field).await?;
        }
        tx.commit().await?;
        cancel::announce(&self.kernel, &answer.stopped);
        Ok(Some(job))
    }

    /// One execution for each server, in their order; those wait that come after as many as run at a time.
    fn slots(&self, servers: Option<ServerTarget>) -> Vec<NewExecution> {
        let Some(ServerTarget {
            servers,
            max_parallel,
        }) = servers
        else {
            return vec![NewExecution {
                id: self.kernel.id(),
                server: None,
                waits: None,
            }];
        };
        let waits = |slot: usize| {
            let most = max_parallel?;
            let at_once = usize::try_from(most).unwrap_or_default().max(1);
            (slot >= at_once).then(|| model::slots::waits(most))
        };
        // Sorted: of those that were queued at the same moment the first is given out first.
        let mut ids: Vec<ExecutionId> = servers.iter().map(|_| self.kernel.id()).collect();
        ids.sort_unstable();
        let slot = |(slot, (id, server))| NewExecution {
            id,
            server: Some(server),
            waits: waits(slot),
        };
        ids.into_iter().zip(servers).enumerate().map(slot).collect()
    }
}

/// Notes what is wrong with how work is to be started.
pub fn check_start(start: &Start, now: Timestamp, checks: &mut Checks) {
    let soon = start.run_at.is_none_or(|at| at <= now + FURTHEST);
    checks.require(
        soon,
        UserErrorCode::Invalid,
        "runAt",
        "A start is at most a year ahead.",
    );
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
