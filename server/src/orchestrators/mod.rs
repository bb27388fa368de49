//! Orchestrators: who has said hello, what they can do, how their hosts are, and which take no new work. Knows
//! nothing of what they run.

mod graphql;
mod model;
mod service;
mod store;

pub use graphql::{Orchestrator, OrchestratorsMutation, OrchestratorsQuery};
pub use service::{Hello, Offer, Orchestrators, Seen};
