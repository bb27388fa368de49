//! Every page. A page loads its data, and shows it with the parts of `ui`.

mod account;
mod admin;
mod enter;
mod event_editor;
mod events;
mod first_run;
mod forms;
mod guard;
mod import;
pub mod input;
mod links;
mod monitoring;
mod not_found;
mod overview;
mod parts;
mod quotas;
mod root;
mod run;
pub mod runs;
mod servers;
pub mod targets;
mod terminals;
mod variables;

pub use enter::{ResetPassword, SignIn, SignUp};
pub use first_run::FirstRun;
pub use input::RunAsked;
pub use not_found::{Missing, NotFound};
pub use overview::Overview;

pub use parts::{
    Account, AuditLog, EventEditor, EventNew, Events, Monitoring, Roles, Run, Server, ServerNew, Servers,
    SettingsPage, Terminal, Terminals, Users, Variables,
};
pub use root::Root;
pub use runs::Runs;
