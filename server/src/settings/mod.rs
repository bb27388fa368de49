//! What administrators set for the whole installation: who may sign up, and how mail leaves. Sends nothing.

mod graphql;
mod model;
mod sealed;
mod service;
mod store;

pub use graphql::{RegistrationMode, SettingsMutation, SettingsQuery};
pub use model::{Registration, Security, Settings as Values, Smtp};
pub use sealed::Sealed;
pub use service::Settings;
