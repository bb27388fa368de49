//! Jobs: accepted requests to run something, and their executions.

mod accept;
mod cancel;
mod graphql;
mod input;
mod inside;
mod intake;
mod live;
mod loader;
pub mod model;
mod places;
pub mod queue;
mod service;
mod store;
mod turns;
mod unmet;
mod watch;

pub use graphql::{Execution, Job, JobsMutation, JobsQuery, jobs_of, last_job_of};
pub use input::JobFilter;
pub use inside::{Inside, SeenExecutionLoader};
pub use live::JobsSubscription;
pub use loader::{
    ExecutionLoader, JobLoader, NewestJobsLoader, OrchestratorNameLoader, RetriesLoader, UnmetLoader,
};
pub use service::{Jobs, Start};
pub use store::{ExecutionRow, JobRow};
pub use turns::Turns;
pub use watch::{look, look_behind};
