//! The orchestrator: claims executions from the server over the agent channel and runs each in an
//! environment of its own. It must not know users, GraphQL or the server's tables.

mod adoption;
pub mod allow;
pub mod app;
pub mod channel;
pub mod claimer;
pub mod clock;
pub mod config;
pub mod docker;
pub mod executor;
pub mod executors;
pub mod heartbeat;
mod hex;
pub mod http;
pub mod leases;
pub mod on_server;
pub mod problem;
pub mod registry;
pub mod run;
pub mod ssh;
pub mod state;
pub mod status;
pub mod telemetry;
pub mod terminal;
pub mod wake;

pub use app::{Error, run};
