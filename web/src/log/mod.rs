//! The log viewer: reading styled lines, holding a large log cheaply, and drawing the part in view.
//! Knows nothing of runs or events; it is given the id of an execution, or that of a job with what its executions are
//! called.

mod ansi;
mod data;
pub mod dom;
mod layout;
mod model;
mod pieces;
mod receive;
mod search;
mod state;
mod toolbar;
mod viewer;

pub use toolbar::copy;
pub use viewer::{LogViewer, MergedLog, Origin};
