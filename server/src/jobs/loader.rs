//! Batched loading for nested fields.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::kernel::Kernel;

use super::service::Jobs;
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

/// Jobs that repeat others, by those.
#[derive(Debug)]
pub struct RetriesLoader(pub Kernel);

/// Retries of one job that are shown.
const RETRIES: u64 = 100;

impl Loader<Uuid> for RetriesLoader {
    type Value = Vec<JobRow>;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<JobRow>>, String> {
        let rows = store::retries_of(&self.0.db, keys.to_vec(), RETRIES)
            .await
            .map_err(|e| e.private_text())?;
        let mut by_job: HashMap<Uuid, Vec<JobRow>> = HashMap::new();
        for row in rows {
            let Some(of) = row.retry_of else { continue };
            by_job.entry(of).or_default().push(row);
        }
        Ok(by_job)
    }
}

/// The newest jobs of one event, as far as somebody may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Newest {
    pub event: Uuid,
    /// None: may see all.
    pub viewer: Option<Uuid>,
    pub each: u64,
}

/// The newest jobs of events, newest first.
#[derive(Debug)]
pub struct NewestJobsLoader(pub Kernel);

impl Loader<Newest> for NewestJobsLoader {
    type Value = Vec<JobRow>;
    type Error = String;

    async fn load(&self, keys: &[Newest]) -> Result<HashMap<Newest, Vec<JobRow>>, String> {
        let mut alike: HashMap<(Option<Uuid>, u64), Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry((key.viewer, key.each)).or_default().push(key.event);
        }
        let mut found: HashMap<Newest, Vec<JobRow>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for ((viewer, each), events) in alike {
            let rows = store::newest_of_events(&self.0.db, events, viewer, each).await;
            for row in rows.map_err(|e| e.private_text())? {
                let Some(event) = row.event_id else { continue };
                found.entry(Newest { event, viewer, each }).or_default().push(row);
            }
        }
        Ok(found)
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

/// What jobs are told whose work asks for labels that nobody offers.
#[derive(Debug)]
pub struct UnmetLoader(pub Jobs);

impl Loader<Uuid> for UnmetLoader {
    type Value = String;
    type Error = String;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, String>, String> {
        self.0.unmet(keys).await.map_err(|e| e.private_text())
    }
}
