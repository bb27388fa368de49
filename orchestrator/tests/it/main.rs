//! The orchestrator against a real Docker engine, a real runner and an agent server that the test
//! scripts; errands to a real sshd, and runs there. Needs CRONIUM_TEST_RUNNER (path of the static runner);
//! CRONIUM_EXEC_IMAGE names the image.

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
mod outcomes;
mod reach;
mod reasons;
mod requests;
mod ssh;
mod sshd;
mod wakes;
mod world;
