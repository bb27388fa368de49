//! The log viewer: reading styled lines, holding a large log cheaply, and drawing the part in view.
//! Knows nothing of runs or events; it is given an execution's id.

pub mod ansi;
pub mod layout;
pub mod model;
pub mod search;
