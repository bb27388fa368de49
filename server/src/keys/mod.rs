//! The change of the master key: a new one is made, and every sealed value is wrapped anew, while everything
//! goes on. Knows where sealed values are, not what they mean.

mod graphql;
mod service;
mod store;

pub use graphql::{KeysMutation, KeysQuery};
pub use service::{Changed, MasterKeys};
pub use store::any_sealed;
