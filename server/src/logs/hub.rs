//! Live lines by execution, from memory. A reader that lags is told so and reads the store instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cronium_protocol::log::Line;
use tokio::sync::broadcast;

use crate::kernel::ids::ExecutionId;

/// Blocks that a slow reader may be behind: bounded memory, because blocks are shared.
const BEHIND: usize = 64;

/// One block of live lines.
pub type Lines = Arc<Vec<Line>>;

/// Fan-out of live lines.
#[derive(Debug, Default)]
pub struct Hub(Mutex<HashMap<ExecutionId, broadcast::Sender<Lines>>>);

impl Hub {
    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, broadcast::Sender<Lines>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn subscribe(&self, execution: ExecutionId) -> broadcast::Receiver<Lines> {
        self.channels()
            .entry(execution)
            .or_insert_with(|| broadcast::channel(BEHIND).0)
            .subscribe()
    }

    pub fn publish(&self, execution: ExecutionId, lines: Lines) {
        let mut channels = self.channels();
        if let Some(channel) = channels.get(&execution)
            && channel.send(lines).is_err()
        {
            channels.remove(&execution);
        }
    }

    /// No more lines will come: readers see the end of the channel and look at the store once more.
    pub fn close(&self, execution: ExecutionId) {
        self.channels().remove(&execution);
    }
}
