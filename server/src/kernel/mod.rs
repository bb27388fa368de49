//! What every slice stands on: database, clock, randomness, errors, identifiers, paging and in-process
//! signals. Knows no slice.

pub mod api;
pub mod clock;
pub mod denials;
pub mod email;
pub mod entropy;
pub mod error;
pub mod ids;
pub mod jwt;
pub mod naming;
pub mod op;
pub mod paging;
pub mod permission;
pub mod pulse;
pub mod scalars;
pub mod sealed;
pub mod signals;
pub mod storable;
pub mod template;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use clock::{Clock, Timestamp};
pub use entropy::Entropy;
pub use error::{Error, Result};
pub use op::{Actor, Credential, Op};
pub use permission::{Action, Permissions};
pub use signals::Signals;

const RELAXED_CONNECTIONS: u32 = 8;

/// What every connection of this server is told. What is asked for often is in memory or on a disk without a moving head:
/// with Postgres' default of 4 for a page out of order, lists of one event or state would sometimes walk everybody's rows
/// instead of their own index.
pub fn tuned(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("random_page_cost", "1.1")])
}

/// Pools of this server: a connection that was in use a moment ago is taken without asking whether it lives.
pub fn pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= Duration::from_secs(1) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Shared by all services; cheap to clone.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub db: DatabaseConnection,
    /// The pool under `db`, for batches and Apalis.
    pub pool: sqlx::PgPool,
    /// The same database without waiting for its disk at a commit (`synchronous_commit = off`): for what is
    /// written again when it is lost, such as claims, leases, heartbeats and log lines.
    pub relaxed: sqlx::PgPool,
    pub clock: Arc<dyn Clock>,
    pub entropy: Entropy,
    pub signals: Signals,
    /// Refusals that the audit log takes.
    pub denials: denials::Denials,
}

impl Kernel {
    pub fn new(pool: sqlx::PgPool, clock: Arc<dyn Clock>) -> Self {
        let options = pool.connect_options().as_ref().clone();
        let relaxed = pool_options(RELAXED_CONNECTIONS)
            .connect_lazy_with(options.options([("synchronous_commit", "off")]));
        Self {
            relaxed,
            db: SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
            pool,
            clock,
            entropy: Entropy,
            signals: Signals::default(),
            denials: denials::Denials::default(),
        }
    }

    /// Closes all connections to the database.
    pub async fn close(&self) {
        self.pool.close().await;
        self.relaxed.close().await;
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new time-ordered identifier of any kind.
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        self.entropy.uuid_v7(self.now()).into()
    }
}
