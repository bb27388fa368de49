//! The database of this installation: the given one, or a private cluster.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::kernel::clock::SystemClock;
use crate::kernel::error::is_away;
use crate::kernel::{Error, Kernel, Result, pool_options, tuned};
use crate::postgres::{Cluster, Programs};

const CONNECTIONS: u32 = 16;
/// How long a database that is away is waited for: it may be starting, as we are.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(500);

/// An open database.
#[derive(Debug, Clone)]
pub struct Database {
    pub kernel: Kernel,
    pub cluster: Option<Cluster>,
    adopted: bool,
}

impl Database {
    /// Opens a database that is there.
    pub async fn open(config: &Config) -> Result<Self> {
        Self::within(config, Duration::ZERO).await
    }

    /// Opens a database, which is waited for when it is away.
    pub async fn awaited(config: &Config) -> Result<Self> {
        Self::within(config, PATIENCE).await
    }

    async fn within(config: &Config, patience: Duration) -> Result<Self> {
        fs::create_dir_all(&config.data_dir).map_err(Error::internal)?;
        let data_dir = fs::canonicalize(&config.data_dir).map_err(Error::internal)?;
        let (options, cluster) = match &config.database_url {
            Some(url) => (url.parse::<PgConnectOptions>()?, None),
            None => {
                let programs = Programs::find(config.postgres_bin.as_deref())?;
                let cluster = Cluster::start(programs, &data_dir).await?;
                (cluster.options().await?, Some(cluster))
            }
        };
        let pool = reached(tuned(options.application_name("cronium")), patience).await?;
        let adopted = cluster.as_ref().is_some_and(Cluster::adopted);
        Ok(Self {
            kernel: Kernel::new(pool, Arc::new(SystemClock)),
            cluster,
            adopted,
        })
    }

    /// Closes the pool, and stops the cluster unless another process had started it.
    pub async fn close(self) {
        self.kernel.close().await;
        if let (Some(cluster), false) = (self.cluster, self.adopted) {
            cluster.stop().await;
        }
    }

    /// Closes the pool and stops the cluster, whoever had started it.
    pub async fn shut_down(self) {
        self.kernel.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// Connects; waits for a database that can't be reached yet. What waiting does not mend, a wrong password for instance, is
/// told at once.
async fn reached(options: PgConnectOptions, patience: Duration) -> Result<PgPool> {
    let until = Instant::now() + patience;
    loop {
        match pool_options(CONNECTIONS).connect_with(options.clone()).await {
            Err(problem) if is_away(&problem) && Instant::now() < until => {
                tracing::warn!(%problem, "the database can't be reached yet; trying again");
            }
            other => return Ok(other?),
        }
        sleep(AGAIN).await;
    }
}
