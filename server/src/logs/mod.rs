//! Logs: numbered lines in compressed chunks, live before they are stored, gapless over reconnects.

mod clean;
mod download;
mod graphql;
mod hub;
mod job;
mod lines;
mod places;
mod retention;
mod service;
mod store;

pub use download::router;
pub use graphql::{LogPage, LogStream, LogsSubscription};
pub use retention::drop_old;
pub use service::Logs;
pub use store::make_partitions;
