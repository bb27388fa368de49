//! Service and API tests on a real Postgres: one database a test, cloned from a migrated template.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod audit;
mod authorisation;
mod claims;
mod contract;
mod credentials;
mod definitions;
mod fanout;
mod files;
mod identity;
mod intake;
mod jobs;
mod keys;
mod large;
mod limits;
mod lists;
mod live;
mod logs;
mod mail;
mod managers;
mod on_servers;
mod orchestrators;
mod overview;
mod panics;
mod people;
mod queue;
mod quotas;
mod refresh;
mod requests;
mod runtime;
mod security;
mod semantics;
mod servers;
mod starts;
mod support;
mod terminals;
mod totp;
mod transport;
mod valkey;
mod variables;
