//! Signing in by an OpenID Connect provider: its settings, the protocol, and the doors that browsers come through. Who
//! gets in is for `identity` to say.

mod flow;
mod graphql;
mod model;
mod remote;
mod routes;
mod service;
mod store;

pub use graphql::{OidcMutation, OidcQuery, OidcSignIn};
pub use routes::router;
pub use service::Oidc;
