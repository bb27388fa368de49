//! The script editor: highlighting of the three languages, edits that keys make, and the component.
//! Knows nothing of events.

pub mod highlight;
mod keys;
mod lex;
mod view;

pub use view::{Caret, Editor, position};
