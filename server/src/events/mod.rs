//! Events: definitions of what to run, and their immutable versions.

mod graphql;
pub mod http;
mod input;
mod loader;
mod model;
mod service;
mod store;

pub use graphql::{Event, EventVersion, EventsMutation, EventsQuery, person};
pub use input::{ContainerTargetInput, EnvVarInput, EventType, OrderDirection};
pub use loader::{EventLoader, VersionLoader};
pub use model::{DEFAULT_TIMEOUT_MS, Definition, EnvVar, Profile, Target};
pub use service::{Events, NewEvent};
pub use store::{EventRow, VersionRow};
