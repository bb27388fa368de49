//! Events: definitions of what to run, and their immutable versions.

mod bulk;
mod choice;
mod copies;
mod counter;
mod graphql;
pub mod http;
mod input;
mod loader;
mod model;
mod policy;
mod request;
mod runs;
mod service;
mod store;
mod targets;
mod version;

pub use bulk::{Chosen, OnConflict, Outcome, Taken};
pub use graphql::{Event, EventVersion, EventsMutation, EventsQuery, person};
pub use input::{CreateEventInput, EnvVarInput, EventFilter, EventStatus, EventType, OrderDirection};
pub use loader::{EventLoader, RunsOn, RunsOnLoader, VersionLoader};
pub use model::{
    DEFAULT_TIMEOUT_MS, Definition, EnvVar, MOST_SERVERS, Profile, ServerName, ServerTarget, Target,
};
pub use policy::{Overlap, Policy, RetryOn, RetryPolicy};
pub use request::HttpRequestInput;
pub use runs::{OverlapPolicy, RetryOn as RetryCause, RetryPolicyInput};
pub use service::{Events, NewEvent};
pub use store::{EventRow, Filter, VersionRow};
pub use targets::{ContainerTargetInput, NetworkMode, TargetInput};
