//! Watching jobs. Signals are hints: each one makes the watcher read the row, and a slow look stands behind.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_graphql::{Context, Enum, ID, SimpleObject, Subscription};
use chrono::TimeDelta;
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;

use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::ids::JobId;
use crate::kernel::signals::JobSignal;

use super::graphql::Job;
use super::input::JobFilter;
use super::model::is_final;
use super::service::Jobs;
use super::store::{Face, Filter, JobRow};

/// Changes are gathered for so long: at most ten messages a second.
const GATHER: Duration = Duration::from_millis(100);
/// A look behind the signals.
const LOOK: Duration = Duration::from_secs(1);
/// After lost signals, the rows are read from so long before the last that were read.
const MARGIN: TimeDelta = TimeDelta::seconds(5);
/// Jobs whose last message is remembered, so that nothing is said twice.
const REMEMBERED: usize = 4096;

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum JobChangeKind {
    /// It is new.
    Created,
    /// It changed.
    Updated,
}

/// One change in a live list.
#[derive(Debug, Clone, SimpleObject)]
pub struct JobChange {
    /// What happened.
    kind: JobChangeKind,
    /// The job as it is now.
    job: Job,
}

/// Subscriptions about jobs.
#[derive(Debug, Default)]
pub struct JobsSubscription;

#[Subscription]
impl JobsSubscription {
    /// The job as it is, then at each change; completes after the final state.
    async fn job_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the job.")] id: ID,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<Job>> + use<>> {
        let (jobs, op) = (ctx.data::<Jobs>()?.clone(), op(ctx)?.clone());
        let id = api(ctx, JobId::parse(&id))?;
        let mut signals = jobs.signals();
        let mut last = api(ctx, jobs.watched(&op, id).await)?;
        Ok(async_stream::stream! {
            yield Ok(Job(last.row.clone()));
            while !is_final(last.row.status) {
                let changed = async { while signals.recv().await.is_ok_and(|signal| !signal.concerns(id)) {} };
                drop(tokio::time::timeout(LOOK, changed).await);
                match jobs.watched(&op, id).await {
                    Ok(seen) if seen != last => {
                        last = seen;
                        yield Ok(Job(last.row.clone()));
                    }
                    Ok(_) => {}
                    Err(e) => {
                        yield Err(crate::kernel::api::to_graphql(Some(&op), e));
                        return;
                    }
                }
            }
        })
    }

    /// Jobs that are made or change, among those that the viewer may see.
    async fn jobs_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<JobFilter>,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<JobChange>> + use<>> {
        let (jobs, op) = (ctx.data::<Jobs>()?.clone(), op(ctx)?.clone());
        let filter: Filter = api(ctx, filter.unwrap_or_default().try_into())?;
        // First, so that little can happen between this and what a client asks for next.
        let mut signals = jobs.signals();
        api(ctx, jobs.matching(&op, &filter, &[]).await)?;
        Ok(async_stream::stream! {
            let (mut told, mut whole_until) = (HashMap::new(), jobs.now());
            loop {
                let mut gathered = Gathered::default();
                match signals.recv().await {
                    Ok(signal) => gathered.add(signal),
                    Err(RecvError::Lagged(_)) => gathered.missed = true,
                    Err(RecvError::Closed) => return,
                }
                let until = tokio::time::Instant::now() + GATHER;
                while let Ok(next) = tokio::time::timeout_at(until, signals.recv()).await {
                    match next {
                        Ok(signal) => gathered.add(signal),
                        Err(RecvError::Lagged(_)) => gathered.missed = true,
                        Err(RecvError::Closed) => return,
                    }
                }
                let looked_at = jobs.now();
                let rows = async {
                    if gathered.missed {
                        gathered.jobs.extend(
                            jobs.matching_since(&op, &filter, whole_until - MARGIN).await?.into_iter().map(|id| (id, false)),
                        );
                    }
                    jobs.matching(&op, &filter, &gathered.ids()).await
                };
                match rows.await {
                    Ok(rows) => for row in rows {
                        let before = told.insert(row.id, Face::from(&row));
                        if before.as_ref() == told.get(&row.id) {
                            continue;
                        }
                        let new = before.is_none() && gathered.is_new(&row, whole_until);
                        let kind = if new { JobChangeKind::Created } else { JobChangeKind::Updated };
                        yield Ok(JobChange { kind, job: Job(row) });
                    },
                    Err(e) => {
                        yield Err(crate::kernel::api::to_graphql(Some(&op), e));
                        return;
                    }
                }
                whole_until = looked_at;
                if told.len() > REMEMBERED {
                    told.clear();
                }
            }
        })
    }
}

/// Signals of one moment.
#[derive(Debug, Default)]
struct Gathered {
    /// Jobs, and whether they are new.
    jobs: BTreeMap<JobId, bool>,
    /// Some were lost: the rows say what.
    missed: bool,
}

impl Gathered {
    fn add(&mut self, signal: JobSignal) {
        match signal {
            JobSignal::Changed { job, created } => *self.jobs.entry(job).or_default() |= created,
            JobSignal::Missed => self.missed = true,
        }
    }

    fn ids(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }

    fn is_new(&self, row: &JobRow, since: Timestamp) -> bool {
        self.jobs.get(&JobId(row.id)) == Some(&true) || (self.missed && row.created_at > since)
    }
}
