//! Service and API tests on a real Postgres: one database a test, cloned from a migrated template.

mod identity;
mod support;
mod transport;
