//! Who may go into the container of a run, and see what somebody did there. A script acts with its owner's rights, and
//! so does whoever sits beside it: to have started it is not enough.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use cronium_entity::enums::{EventKind, JobStatus};
use uuid::Uuid;

use crate::access::{self, Action, Grant};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{ExecutionId, JobId, UserId};
use crate::kernel::{Error, Op, Result};

use super::service::Jobs;
use super::store::{self, ExecutionRow};

/// A container that somebody may go into.
#[derive(Debug)]
pub struct Inside {
    pub execution: ExecutionId,
    /// Who runs it.
    pub orchestrator: Uuid,
    /// What the run is called.
    pub title: String,
}

impl Jobs {
    /// The container of an execution, for whoever may stop it and has the rights of its script. What is wrong is at
    /// `executionId`.
    pub async fn to_enter(&self, op: &Op, id: ExecutionId) -> Result<Inside> {
        let refused = |code, message: &str| Err(Error::field(code, "executionId", message));
        let grant = match access::decide(op, Action::CancelJob) {
            Err(Error::Forbidden) => return Err(Error::NotFound("execution")),
            other => other?,
        };
        let row = store::execution(&self.kernel.db, &grant, id).await?;
        let job = store::get(&self.kernel.db, &grant, JobId(row.job_id)).await?;
        if !grant.covers(UserId(job.owner_id), false) {
            let message = "Its script acts for the owner of its event, who alone may go into its container.";
            return refused(UserErrorCode::Forbidden, message);
        }
        if row.server_id.is_some() {
            let message = "It runs on a server: open a terminal there.";
            return refused(UserErrorCode::Invalid, message);
        }
        let version = self.events.to_dispatch([job.event_version_id]).await?.pop();
        if version.is_some_and(|version| version.kind == EventKind::HttpRequest) {
            let message = "A request is made without a container.";
            return refused(UserErrorCode::Invalid, message);
        }
        match (row.status, row.orchestrator_id) {
            (JobStatus::Running, Some(orchestrator)) => Ok(Inside {
                execution: id,
                orchestrator,
                title: job.title,
            }),
            (JobStatus::Queued | JobStatus::Dispatching | JobStatus::Running, _) => {
                refused(UserErrorCode::Conflict, "It has not started yet.")
            }
            _ => refused(UserErrorCode::Conflict, "It has ended: its container is gone."),
        }
    }

    /// What to ask a loader for: an execution, as far as somebody may see it; None for who sees none.
    pub fn seen_execution(&self, op: &Op, id: Uuid) -> Option<SeenExecution> {
        let grant = access::decide(op, Action::ReadJobs).ok()?;
        Some(SeenExecution { id, grant })
    }
}

/// An execution, and who would see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeenExecution {
    id: Uuid,
    grant: Grant,
}

/// Loads executions by id, as far as they may be seen.
#[derive(Debug)]
pub struct SeenExecutionLoader(pub Jobs);

impl Loader<SeenExecution> for SeenExecutionLoader {
    type Value = ExecutionRow;
    type Error = String;

    async fn load(&self, keys: &[SeenExecution]) -> Result<HashMap<SeenExecution, ExecutionRow>, String> {
        let mut alike: HashMap<Grant, Vec<ExecutionId>> = HashMap::new();
        for key in keys {
            alike.entry(key.grant).or_default().push(ExecutionId(key.id));
        }
        let mut found = HashMap::new();
        for (grant, ids) in alike {
            let rows = store::executions_seen(&self.0.kernel.db, &grant, &ids).await;
            for row in rows.map_err(|e| e.private_text())? {
                found.insert(SeenExecution { id: row.id, grant }, row);
            }
        }
        Ok(found)
    }
}
