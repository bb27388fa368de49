//! Wiring: database → services → schema → router.

use std::sync::Arc;

use cronium_migration::Migrator;
use sea_orm_migration::MigratorTrait as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::config::keys::Keys;
use crate::identity::Identity;
use crate::insight::Insight;
use crate::kernel::{Error, Kernel, Result};
use crate::transport::files;
use crate::transport::graphql::auth::{Origins, origin_of};
use crate::transport::graphql::{self, Gateway};
use crate::transport::health::Probes;
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

/// The database role of orchestrators: it sees Apalis' schema and nothing else.
pub const WAKEUP_ROLE: &str = "cronium_orchestrator";

/// Makes or refreshes the orchestrators' database role. `password` is 64 hex digits of our own making.
pub async fn grant_wakeups(kernel: &Kernel, password: &str) -> Result<()> {
    if !password.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::internal("orchestrator.key is not a key of 64 hex digits"));
    }
    let sql = format!(
        "DO $$ BEGIN CREATE ROLE {WAKEUP_ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER ROLE {WAKEUP_ROLE} PASSWORD '{password}';
         GRANT USAGE ON SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT ALL ON ALL TABLES IN SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA apalis TO {WAKEUP_ROLE};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&kernel.pool)
        .await?;
    Ok(())
}

impl App {
    pub fn new(kernel: Kernel) -> Self {
        let identity = Identity::new(kernel.clone());
        let schema = schema::builder()
            .data(identity.clone())
            .data(Insight::new(kernel.clone()))
            .data(FirstRun(kernel.clone()))
            .finish();
        Self {
            kernel,
            identity,
            schema,
        }
    }

    /// Reconcilers and wake-ups; each is idempotent, so that starting them is recovery.
    pub fn start_workers(&self, _tasks: &TaskTracker, _stop: &CancellationToken) {}

    /// Everything that is reached by HTTP.
    pub fn router(&self, config: &Config, _keys: &Keys, probes: Probes) -> axum::Router {
        crate::transport::health::router(probes)
            .merge(graphql::router(self.gateway(config)))
            .merge(files::router(&config.web_dir))
    }

    /// What carries GraphQL requests.
    pub fn gateway(&self, config: &Config) -> Gateway {
        let origins = Origins {
            public: config.public_url.as_deref().and_then(origin_of),
            allowed: config.cors_origins.clone(),
            secure: config.https(),
        };
        let authenticator = Arc::new(self.identity.clone());
        Gateway::new(self.kernel.clone(), self.schema.clone(), authenticator, origins)
    }
}
