//! The orchestrator against a real Docker engine, a real runner and an agent server that the test
//! scripts. Needs CRONIUM_TEST_RUNNER (path of the static runner); CRONIUM_EXEC_IMAGE names the image.

mod agent;
mod isolation;
mod lifecycle;
mod outcomes;
mod world;
