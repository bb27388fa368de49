//! Variables and secrets: texts that scripts read by their key. Knows nothing of scripts but whose they are.

mod model;
mod scripts;
mod service;
mod store;

pub use model::Value;
pub use scripts::{Changing, Script, Written};
pub use service::Variables;
