//! People: accounts, passwords, sessions, API tokens and roles. Knows nothing of events and jobs.

mod factors;
mod graphql;
mod invites;
mod links;
mod loader;
mod model;
mod oidc;
mod password;
mod people;
mod refresh;
mod roles;
mod service;
mod sessions;
mod store;
mod tokens;
mod totp;
mod turns;

pub use graphql::admin::{PeopleMutation, PeopleQuery, Role};
pub use graphql::credentials::{ApiToken, CredentialsMutation, Session, token_of};
pub use graphql::factors::FactorsMutation;
pub use graphql::invites::{Invite, InvitesMutation, InvitesQuery};
pub use graphql::links::LinksMutation;
pub use graphql::oidc::{OidcLink, OidcLinksMutation};
pub use graphql::{IdentityMutation, IdentityQuery, SignInMethod, SignInPayload, User, UserRole};
pub use loader::{ApiTokenLoader, OidcLinksLoader, RoleLoader, RoleMembersLoader, TotpLoader, UserLoader};
pub use oidc::{Refused, Rules, Vouched};
pub use roles::Role as RoleValue;
pub use service::{Identity, NewUser, SignedIn};
pub use store::Row as UserRow;
