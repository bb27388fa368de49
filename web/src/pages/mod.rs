//! Every page. A page loads its data, and shows it with the parts of `ui`.

mod event_editor;
mod events;
mod first_run;
mod monitoring;
mod not_found;
mod overview;
mod root;
mod run;
pub mod runs;
mod sign_in;

pub use event_editor::{EventEditor, EventNew};
pub use events::Events;
pub use first_run::FirstRun;
pub use monitoring::Monitoring;
pub use not_found::NotFound;
pub use overview::Overview;
pub use root::Root;
pub use run::Run;
pub use runs::Runs;
pub use sign_in::SignIn;
