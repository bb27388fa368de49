//! The orchestrator against a real Docker engine, a real runner and an agent server that the test
//! scripts; errands to a real sshd, runs there, and terminals in both. Needs CRONIUM_TEST_RUNNER (path of the static
//! runner); CRONIUM_EXEC_IMAGE names the image.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod agent;
mod ahead;
mod calls;
mod escapes;
mod host;
mod isolation;
mod lifecycle;
mod machine;
mod network;
mod on_server;
mod on_server_broken;
mod on_server_hostile;
mod outcomes;
mod reach;
mod reasons;
mod requests;
mod screen;
mod ssh;
mod sshd;
mod terminal;
mod terminal_container;
mod wakes;
mod world;
