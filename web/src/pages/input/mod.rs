//! The input of a run: a form made from the event's JSON Schema, and the dialog that asks for it.

mod ask;
mod form;
pub mod schema;

pub use ask::{RunAsked, Wish, run};
pub use form::InputForm;
