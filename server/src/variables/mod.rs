//! Variables and secrets: texts that scripts read by their key. Knows nothing of scripts but whose they are.

mod exchange;
mod formats;
mod graphql;
mod input;
mod loader;
mod model;
mod scripts;
mod service;
mod store;
mod usage;

pub use graphql::{Variable, VariablesMutation, VariablesQuery};
pub use loader::UsageLoader;
pub use model::Value;
pub use scripts::{Changing, Script, Written};
pub use service::Variables;
