//! People: accounts, passwords, sessions, API tokens and roles. Knows nothing of events and jobs.

mod graphql;
mod links;
mod loader;
mod model;
mod password;
mod people;
mod roles;
mod service;
mod sessions;
mod store;
mod tokens;

pub use graphql::admin::{PeopleMutation, PeopleQuery, Role};
pub use graphql::credentials::{ApiToken, CredentialsMutation, Session, token_of};
pub use graphql::links::LinksMutation;
pub use graphql::{IdentityMutation, IdentityQuery, SignInMethod, User, UserRole};
pub use loader::{ApiTokenLoader, RoleLoader, RoleMembersLoader};
pub use service::{Identity, NewUser, SignedIn};
pub use store::Row as UserRow;
