//! Batched loading for nested fields.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::kernel::Kernel;

use super::store::{self, ExecutionRow, JobRow};

/// Executions by job.
#[derive(Debug)]
pub struct ExecutionLoader(pub Kernel);

impl Loader<Uuid> for ExecutionLoader {
    type Value = Vec<ExecutionRow>;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<ExecutionRow>>, String> {
        let rows = store::executions_of(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        let mut by_job: HashMap<Uuid, Vec<ExecutionRow>> = HashMap::new();
        for row in rows {
            by_job.entry(row.job_id).or_default().push(row);
        }
        Ok(by_job)
    }
}

/// Jobs by id.
#[derive(Debug)]
pub struct JobLoader(pub Kernel);

impl Loader<Uuid> for JobLoader {
    type Value = JobRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, JobRow>, String> {
        let rows = store::by_ids(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The newest job of an event, by the event's id.
#[derive(Debug)]
pub struct LastJobLoader(pub Kernel);

impl Loader<Uuid> for LastJobLoader {
    type Value = JobRow;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, JobRow>, String> {
        let rows = store::last_of_events(&self.0.db, keys.iter().copied())
            .await
            .map_err(|e| e.private_text())?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.event_id.map(|event| (event, row)))
            .collect())
    }
}

/// Names of orchestrators by id.
#[derive(Debug)]
pub struct OrchestratorNameLoader(pub Kernel);

impl Loader<Uuid> for OrchestratorNameLoader {
    type Value = String;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, String>, String> {
        let rows = store::orchestrator_names(&self.0.db, keys.iter().copied()).await;
        Ok(rows.map_err(|e| e.private_text())?.into_iter().collect())
    }
}
