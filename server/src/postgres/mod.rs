//! A private Postgres from the machine's installed programs: made once in the data directory, reached by
//! a unix socket only, adopted when a killed server left it running, restarted when it dies.

mod cluster;
mod programs;

pub use cluster::{Cluster, Location};
pub use programs::Programs;
