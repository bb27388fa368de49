//! The words that server, orchestrator and runner say to each other: payload manifest and signature,
//! runner frames, log blocks and agent messages. Types, codecs and errors only: no I/O, no clock.

mod address;
pub mod agent;
pub mod frame;
pub mod host;
pub mod http;
pub mod log;
pub mod manifest;
pub mod masks;
pub mod resident;
pub mod runtime;
pub mod terminal;

/// Version of everything in this crate; peers with another one are refused.
pub const PROTOCOL_VERSION: u16 = 1;
