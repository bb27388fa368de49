//! What every slice stands on: database, clock, randomness, errors, identifiers, paging and in-process
//! signals. Knows no slice.

pub mod api;
pub mod clock;
pub mod entropy;
pub mod error;
pub mod ids;
pub mod op;
pub mod paging;
pub mod scalars;
pub mod sealed;
pub mod signals;

use std::sync::Arc;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};

pub use clock::{Clock, Timestamp};
pub use entropy::Entropy;
pub use error::{Error, Result};
pub use op::{Actor, Op};
pub use signals::Signals;

/// Shared by all services; cheap to clone.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub db: DatabaseConnection,
    /// The pool under `db`, for COPY, batches and Apalis.
    pub pool: sqlx::PgPool,
    pub clock: Arc<dyn Clock>,
    pub entropy: Entropy,
    pub signals: Signals,
}

impl Kernel {
    pub fn new(pool: sqlx::PgPool, clock: Arc<dyn Clock>) -> Self {
        Self {
            db: SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
            pool,
            clock,
            entropy: Entropy,
            signals: Signals::default(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new time-ordered identifier of any kind.
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        self.entropy.uuid_v7(self.now()).into()
    }
}
