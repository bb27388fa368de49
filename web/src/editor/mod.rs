//! The script editor: highlighting of the three languages, edits that keys make, and the component.
//! Knows nothing of events.

pub mod highlight;
pub mod keys;
mod lex;
