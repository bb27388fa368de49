//! Events: definitions of what to run, and their immutable versions.

mod bulk;
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
mod version;

pub use bulk::{Chosen, OnConflict, Outcome, Taken};
pub use graphql::{Event, EventVersion, EventsMutation, EventsQuery, person};
pub use input::{
    ContainerTargetInput, CreateEventInput, EnvVarInput, EventFilter, EventStatus, EventType, NetworkMode,
    OrderDirection,
};
pub use loader::{EventLoader, VersionLoader};
pub use model::{DEFAULT_TIMEOUT_MS, Definition, EnvVar, Profile, Target};
pub use policy::{Overlap, Policy, RetryOn, RetryPolicy};
pub use request::HttpRequestInput;
pub use runs::{OverlapPolicy, RetryOn as RetryCause, RetryPolicyInput};
pub use service::{Events, NewEvent};
pub use store::{EventRow, Filter, VersionRow};
