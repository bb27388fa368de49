//! Checks of servers in the API.

use async_graphql::{ID, Object};

use crate::kernel::Timestamp;

use super::input::ServerTrouble;
use super::store::CheckRow;

/// What a look at a server found.
#[derive(Debug, Clone)]
pub struct ServerCheck(pub CheckRow);

/// What a look at a server found.
#[Object]
impl ServerCheck {
    /// Tells it from others.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// When it ended.
    async fn at(&self) -> Timestamp {
        self.0.at
    }

    /// Whether it could be used: the sign-in worked and a command was run.
    async fn reachable(&self) -> bool {
        self.0.trouble.is_none()
    }

    /// Why it could not be used.
    async fn trouble(&self) -> Option<ServerTrouble> {
        self.0.trouble.map(Into::into)
    }

    /// The same in words, with what to do.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// From asking to the answer of a command, in milliseconds.
    async fn latency_ms(&self) -> Option<f64> {
        self.0.latency_us.map(millis)
    }

    /// Its operating system, such as `Linux 6.1.0 (Debian GNU/Linux 12)`.
    async fn system(&self) -> Option<&str> {
        self.0.system.as_deref()
    }

    /// What it is built on, such as `x86_64`.
    async fn machine(&self) -> Option<&str> {
        self.0.machine.as_deref()
    }

    /// How many processors it has.
    async fn processors(&self) -> Option<i32> {
        self.0.processors
    }

    /// Load average of the last minute.
    async fn load_average(&self) -> Option<f64> {
        self.0.load_average
    }

    /// Memory in use, in bytes.
    async fn memory_used(&self) -> Option<f64> {
        self.0.memory_used.map(|bytes| bytes as f64)
    }

    /// Memory in all, in bytes.
    async fn memory_total(&self) -> Option<f64> {
        self.0.memory_total.map(|bytes| bytes as f64)
    }

    /// Disk space in use where runs are kept, in bytes.
    async fn disk_used(&self) -> Option<f64> {
        self.0.disk_used.map(|bytes| bytes as f64)
    }

    /// Disk space in all where runs are kept, in bytes.
    async fn disk_total(&self) -> Option<f64> {
        self.0.disk_total.map(|bytes| bytes as f64)
    }

    /// Version of the runner that is kept there for this installation.
    async fn runner_version(&self) -> Option<&str> {
        self.0.runner_version.as_deref()
    }
}

fn millis(us: i64) -> f64 {
    us as f64 / 1000.0
}
