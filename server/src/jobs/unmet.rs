//! Ready work that nobody may take: said when it is looked at, from the rows of the orchestrators, and so never stale.
//! And all that somebody sees who watches a job.

use std::collections::HashMap;

use cronium_entity::enums::JobStatus;
use uuid::Uuid;

use crate::kernel::ids::JobId;
use crate::kernel::{Op, Result};

use super::model::labels::unmet;
use super::service::Jobs;
use super::store::{self, ExecutionFace, JobRow};

/// What changes for who watches a job.
#[derive(Debug, PartialEq)]
pub struct Watched {
    pub row: JobRow,
    /// Beside its row.
    told: Option<String>,
    /// Of a job on several servers: they change while its row does not.
    executions: Vec<ExecutionFace>,
}

impl Jobs {
    /// What those of the jobs are told whose ready work asks for labels that no orchestrator has which takes work.
    /// Who asks may see the jobs.
    pub async fn unmet(&self, jobs: &[Uuid]) -> Result<HashMap<Uuid, String>> {
        let asked = store::asked_labels(&self.kernel.db, jobs).await?;
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let offers = self.orchestrators.offers().await?;
        let told = asked
            .into_iter()
            .filter_map(|(job, labels)| Some((job, unmet(&labels, &offers)?)));
        Ok(told.collect())
    }

    /// A job as somebody sees it now.
    pub async fn watched(&self, op: &Op, id: JobId) -> Result<Watched> {
        let row = self.get(op, id).await?;
        let told = if row.status == JobStatus::Queued && !row.held {
            self.unmet(&[row.id]).await?.remove(&row.id)
        } else {
            None
        };
        let executions = if row.slots > 1 {
            store::execution_faces(&self.kernel.db, row.id).await?
        } else {
            Vec::new()
        };
        Ok(Watched {
            row,
            told,
            executions,
        })
    }
}
