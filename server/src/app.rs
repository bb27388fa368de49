//! Wiring: database → services → schema → router.

use std::sync::Arc;

use cronium_migration::Migrator;
use sea_orm_migration::MigratorTrait as _;

use crate::identity::Identity;
use crate::kernel::{Clock, Kernel, Result};
use crate::transport::schema::{self, Schema};

/// All services of one server.
#[derive(Clone)]
pub struct App {
    pub kernel: Kernel,
    pub identity: Identity,
    pub schema: Schema,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// Whether this installation has yet to run its first job.
#[derive(Clone, Debug)]
pub struct FirstRun(Kernel);

impl FirstRun {
    pub async fn pending(&self) -> Result<bool> {
        Ok(
            !sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT 1 FROM jobs)")
                .fetch_one(&self.0.pool)
                .await?,
        )
    }
}

/// Brings the database to this version's shape.
pub async fn migrate(kernel: &Kernel) -> Result<()> {
    Migrator::up(&kernel.db, None).await?;
    Ok(())
}

impl App {
    pub fn new(pool: sqlx::PgPool, clock: Arc<dyn Clock>) -> Self {
        let kernel = Kernel::new(pool, clock);
        let identity = Identity::new(kernel.clone());
        let schema = schema::builder()
            .data(identity.clone())
            .data(FirstRun(kernel.clone()))
            .finish();
        Self {
            kernel,
            identity,
            schema,
        }
    }
}
