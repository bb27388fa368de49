//! The audit log: who changed what and what was refused, chained by hashes so that a later change of it shows.
//! Must not know what the changes mean; the slices that make them say it.

mod action;
mod denials;
mod download;
mod graphql;
mod model;
mod service;
mod store;

pub use action::{AuditAction, AuditOutcome, TargetKind};
pub use download::router;
pub use graphql::{AuditEntry, AuditQuery};
pub use service::{Audit, Change, Target};
