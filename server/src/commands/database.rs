//! The database of this installation: the given one, or a private cluster.

use std::fs;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use crate::config::Config;
use crate::kernel::clock::SystemClock;
use crate::kernel::{Error, Kernel, Result, pool_options, tuned};
use crate::postgres::{Cluster, Programs};

const CONNECTIONS: u32 = 16;

/// An open database.
#[derive(Debug, Clone)]
pub struct Database {
    pub kernel: Kernel,
    pub cluster: Option<Cluster>,
    adopted: bool,
}

impl Database {
    pub async fn open(config: &Config) -> Result<Self> {
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
        let pool = pool_options(CONNECTIONS)
            .connect_with(tuned(options.application_name("cronium")))
            .await?;
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
