//! Errands of one connection: taken, told and answered beside everything else, so that neither lines nor ends wait for
//! them. With the connection they end; what was not answered is given to somebody else when its time is over.

use std::collections::HashMap;
use std::time::Duration;

use cronium_protocol::agent::ServerToAgent;
use cronium_protocol::host::{Errand, Report};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::kernel::{Error, Result};
use crate::servers;

/// Errands of one orchestrator at a time.
const MOST: usize = 64;
/// Its lease is over by then: it is somebody else's, and takes no room here.
const FORGOTTEN: Duration = Duration::from_secs(100);

/// Errands that are under way.
pub struct Errands {
    /// None: the orchestrator takes none.
    service: Option<servers::Errands>,
    orchestrator: Uuid,
    given: HashMap<Uuid, Instant>,
    work: JoinSet<Done>,
    looking: bool,
    /// There may be more than the present look has seen.
    again: bool,
    draining: bool,
}

enum Done {
    Taken(Result<Vec<(Uuid, Errand)>>),
    Kept(Uuid, Result<()>),
}

impl Errands {
    pub fn new(service: Option<servers::Errands>, orchestrator: Uuid) -> Self {
        Self {
            service,
            orchestrator,
            given: HashMap::new(),
            work: JoinSet::new(),
            looking: false,
            again: false,
            draining: false,
        }
    }

    /// Begins to take what there is, unless the orchestrator is to take nothing new or has enough.
    pub fn look(&mut self, draining: bool) {
        self.draining = draining;
        let now = Instant::now();
        self.given.retain(|_, at| now - *at < FORGOTTEN);
        let room = MOST.saturating_sub(self.given.len());
        let Some(service) = self.service.clone().filter(|_| !draining && room > 0) else {
            return;
        };
        if self.looking {
            self.again = true;
            return;
        }
        self.looking = true;
        let orchestrator = self.orchestrator;
        self.work
            .spawn(async move { Done::Taken(service.take(orchestrator, room).await) });
    }

    /// Begins to keep what came of one.
    pub fn reported(&mut self, id: Uuid, report: Report) {
        let Some(service) = self.service.clone() else {
            return;
        };
        let orchestrator = self.orchestrator;
        self.work
            .spawn(async move { Done::Kept(id, service.done(orchestrator, id, report).await) });
    }

    /// What to tell next; waits for ever while there is nothing to come.
    pub async fn next(&mut self) -> Result<Vec<ServerToAgent>> {
        let Some(done) = self.work.join_next().await else {
            return std::future::pending().await;
        };
        match done.map_err(Error::internal)? {
            Done::Taken(taken) => {
                self.looking = false;
                let taken = taken.unwrap_or_else(|problem| {
                    tracing::warn!(problem = problem.private_text(), "errands were not given out");
                    Vec::new()
                });
                let now = Instant::now();
                self.given.extend(taken.iter().map(|(id, _)| (*id, now)));
                if std::mem::take(&mut self.again) {
                    self.look(self.draining);
                }
                let tell = |(id, errand)| ServerToAgent::Errand { id, errand };
                Ok(taken.into_iter().map(tell).collect())
            }
            Done::Kept(id, kept) => {
                if let Err(problem) = kept {
                    // It is asked for again when its time is over.
                    tracing::warn!(errand = %id, problem = problem.private_text(), "what came of an errand was not kept");
                }
                self.given.remove(&id);
                self.look(self.draining);
                Ok(Vec::new())
            }
        }
    }
}
