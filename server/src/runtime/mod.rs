//! What a script may call while it runs: one service behind the local socket of its runner, whose calls come through
//! the agent channel, and behind HTTP, for which it has a token. Knows neither transport.

pub mod helpers;
mod model;
mod openapi;
mod service;
mod store;
mod token;

pub use model::{Failure, ROUTES, Route};
pub use openapi::document;
pub use service::{Caller, Runtime};
pub use token::Tokens;
