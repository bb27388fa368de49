//! Terminals: shells on servers and in containers, opened by orchestrators, watched and typed into from anywhere,
//! recorded. What is shown and typed are rows; nothing here knows a connection.

mod channel;
mod download;
mod graphql;
mod input;
mod limits;
mod lines;
mod live;
mod looks;
mod model;
mod noted;
mod recording;
mod service;
mod sight;
mod store;

pub use channel::Said;
pub use download::router;
pub use graphql::{TerminalSession, TerminalsMutation, TerminalsQuery};
pub use lines::{Heard, Lines, News, Opening};
pub use live::TerminalsSubscription;
pub use service::{Place, Terminals};
pub use store::TerminalRow;
