//! Service and API tests on a real Postgres: one database a test, cloned from a migrated template.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod files;
mod identity;
mod jobs;
mod keys;
mod limits;
mod lists;
mod live;
mod logs;
mod panics;
mod queue;
mod support;
mod transport;
