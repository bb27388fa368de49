//! What a run is asked with: a form for its input, made from the event's JSON Schema, a choice of servers, and the
//! dialog that asks for both.

mod ask;
mod form;
pub mod schema;
mod servers;

pub use ask::{RunAsked, Wish, run};
pub use form::InputForm;
pub use servers::{ServerTicks, chosen};
