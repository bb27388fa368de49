//! The system's status as a subscription.

use std::time::Duration;

use async_graphql::{Context, Subscription};
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use crate::kernel::api::{api, op};
use crate::kernel::signals::JobSignal;
use crate::kernel::{Error, Op};

use super::graphql::SystemStatus;
use super::service::{Insight, Status};

const EVERY: Duration = Duration::from_secs(5);
/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(500);

/// Watching figures.
#[derive(Debug, Default)]
pub struct InsightSubscription;

struct Watch {
    insight: Insight,
    op: Op,
    jobs: Receiver<JobSignal>,
    last: Status,
    first: bool,
}

impl Watch {
    async fn next(mut self) -> Option<(SystemStatus, Self)> {
        if self.first {
            self.first = false;
            return Some((self.last.clone().into(), self));
        }
        // A signal, having missed some, or five seconds without any: all of them mean to look again.
        if let Ok(heard) = timeout(EVERY, self.jobs.recv()).await {
            sleep(TOGETHER).await;
            if matches!(heard, Err(RecvError::Closed)) {
                return None;
            }
            self.jobs = self.jobs.resubscribe();
        }
        match self.insight.status(&self.op).await {
            Ok(status) => self.last = status,
            Err(Error::Unavailable(_)) => {
                self.last.at = self.insight.kernel.now();
                self.last.latency_ms = None;
            }
            Err(error) => {
                tracing::error!(error = %error.private_text(), "the system's status can't be read");
                return None;
            }
        }
        Some((self.last.clone().into(), self))
    }
}

#[Subscription]
impl InsightSubscription {
    /// How the installation is: at once, when work changes, and every five seconds.
    async fn system_status(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = SystemStatus>> {
        let insight = ctx.data::<Insight>()?.clone();
        let op = op(ctx)?.clone();
        let jobs = insight.kernel.signals.jobs();
        let last = api(ctx, insight.status(&op).await)?;
        let watch = Watch {
            insight,
            op,
            jobs,
            last,
            first: true,
        };
        Ok(unfold(watch, Watch::next))
    }
}
