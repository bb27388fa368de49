//! People: passwords, sessions, profile. Knows nothing of events and jobs.

mod graphql;
mod password;
mod service;
mod store;

pub use graphql::{IdentityMutation, IdentityQuery, SignInMethod, User, UserRole};
pub use service::{Identity, NewUser, SignedIn};
