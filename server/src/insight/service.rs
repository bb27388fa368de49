//! What may be known about work and installation.

use std::time::Instant;

use cronium_entity::{event, job};

use crate::access::{self, Action};
use crate::kernel::ids::UserId;
use crate::kernel::{Kernel, Op, Result, Timestamp};
use crate::orchestrators::{Orchestrators, Seen};

use super::model::{Buckets, TimeRange};
use super::store::{self, Point, Present, Queue, Totals};

/// Reads figures.
#[derive(Clone, Debug)]
pub struct Insight {
    pub(super) kernel: Kernel,
    orchestrators: Orchestrators,
}

/// An event that failed.
#[derive(Debug, Clone)]
pub struct Failing {
    pub event: event::Model,
    pub failures: i64,
    pub last_job: job::Model,
}

/// How jobs went in a range.
#[derive(Debug, Clone)]
pub struct Overview {
    pub range: TimeRange,
    pub buckets: Buckets,
    pub totals: Totals,
    pub present: Present,
    pub series: Vec<Point>,
    pub failing: Vec<Failing>,
}

/// How the installation is.
#[derive(Debug, Clone)]
pub struct Status {
    pub at: Timestamp,
    /// Milliseconds that the database took to answer; None when it did not.
    pub latency_ms: Option<f64>,
    pub queue: Queue,
    pub orchestrators: Vec<Seen>,
}

impl Insight {
    pub fn new(kernel: Kernel, orchestrators: Orchestrators) -> Self {
        Self {
            kernel,
            orchestrators,
        }
    }

    pub async fn overview(&self, op: &Op, range: TimeRange) -> Result<Overview> {
        let grant = access::allow(op, Action::ReadJobs)?;
        let events = access::allow(op, Action::ReadEvents)?;
        let db = &self.kernel.db;
        let buckets = range.buckets(self.kernel.now());
        let (totals, present, series, failing) = tokio::try_join!(
            store::totals(db, &grant, buckets),
            store::present(db, &grant),
            store::series(db, &grant, buckets),
            store::failing(db, &grant, buckets),
        )?;
        let (mut rows, mut jobs) = tokio::try_join!(
            store::events(db, failing.iter().map(|f| f.event_id).collect()),
            store::jobs(db, failing.iter().map(|f| f.last_job).collect()),
        )?;
        // An event that was shared when it ran may be private now.
        rows.retain(|row| events.covers(UserId(row.owner_id), row.shared));
        let failing = failing.into_iter().filter_map(|f| {
            let event = rows.iter().position(|row| row.id == f.event_id)?;
            let last_job = jobs.iter().position(|row| row.id == f.last_job)?;
            Some(Failing {
                event: rows.swap_remove(event),
                failures: f.failures,
                last_job: jobs.swap_remove(last_job),
            })
        });
        Ok(Overview {
            range,
            buckets,
            totals,
            present,
            failing: failing.collect(),
            series,
        })
    }

    pub async fn status(&self, op: &Op) -> Result<Status> {
        access::allow(op, Action::ReadSystem)?;
        let begin = Instant::now();
        store::ping(&self.kernel.db).await?;
        let latency_ms = begin.elapsed().as_secs_f64() * 1000.0;
        let queue = store::queue(&self.kernel.db).await?;
        Ok(Status {
            at: self.kernel.now(),
            latency_ms: Some(latency_ms),
            queue,
            orchestrators: self.orchestrators.list(op).await?,
        })
    }
}
