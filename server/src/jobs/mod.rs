//! Jobs: accepted requests to run something, and their executions.

mod execution;
mod graphql;
mod input;
mod live;
mod loader;
pub mod model;
pub mod queue;
mod service;
mod store;

pub use graphql::{Execution, Job, JobsMutation, JobsQuery, jobs_of};
pub use input::JobFilter;
pub use live::JobsSubscription;
pub use loader::{ExecutionLoader, JobLoader, LastJobLoader, OrchestratorNameLoader};
pub use service::{Jobs, Start};
pub use store::{ExecutionRow, JobRow};
