//! The installation's people and rules: users, roles, settings, audit log.

mod audit;
mod explain;
mod invite;
mod invites;
mod keys;
mod oidc;
mod person;
mod role;
mod roles;
mod settings;
mod terminals;
mod users;

pub use audit::AuditLog;
pub use roles::Roles;
pub use settings::SettingsPage;
pub use users::Users;
