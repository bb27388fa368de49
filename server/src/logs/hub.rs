//! Live lines by execution, from memory. A reader that lags is told so and reads the store instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::kernel::ids::ExecutionId;

use super::lines::Lines;

/// Blocks that a slow reader may be behind: bounded memory, because blocks are shared.
const BEHIND: usize = 32;

type Channels = Mutex<HashMap<ExecutionId, broadcast::Sender<Arc<Lines>>>>;

fn lock(channels: &Channels) -> MutexGuard<'_, HashMap<ExecutionId, broadcast::Sender<Arc<Lines>>>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fan-out of live lines.
#[derive(Debug, Default)]
pub struct Hub(Arc<Channels>);

/// One reader's place; the last one to leave takes the channel along.
#[derive(Debug)]
pub struct Reader {
    channels: Arc<Channels>,
    execution: ExecutionId,
    receiver: broadcast::Receiver<Arc<Lines>>,
}

impl Reader {
    pub async fn next(&mut self) -> Result<Arc<Lines>, RecvError> {
        self.receiver.recv().await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut channels = lock(&self.channels);
        if let Some(channel) = channels.get(&self.execution)
            && !self.receiver.is_closed()
            && channel.receiver_count() <= 1
        {
            channels.remove(&self.execution);
        }
    }
}

impl Hub {
    pub fn subscribe(&self, execution: ExecutionId) -> Reader {
        let mut channels = lock(&self.0);
        let channel = channels
            .entry(execution)
            .or_insert_with(|| broadcast::channel(BEHIND).0);
        Reader {
            channels: self.0.clone(),
            execution,
            receiver: channel.subscribe(),
        }
    }

    /// Whether anybody reads.
    pub fn is_heard(&self, execution: ExecutionId) -> bool {
        lock(&self.0).contains_key(&execution)
    }

    pub fn publish(&self, execution: ExecutionId, lines: Arc<Lines>) {
        if let Some(channel) = lock(&self.0).get(&execution) {
            // Refused when nobody listens, which is as well.
            drop(channel.send(lines));
        }
    }

    /// No more lines will come: readers see the end of the channel and look at the store once more.
    pub fn close(&self, execution: ExecutionId) {
        lock(&self.0).remove(&execution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_goes_with_its_last_reader() {
        let hub = Hub::default();
        let execution = ExecutionId(uuid::Uuid::from_u128(1));
        let (first, second) = (hub.subscribe(execution), hub.subscribe(execution));
        drop(first);
        assert!(hub.is_heard(execution));
        drop(second);
        assert!(!hub.is_heard(execution));
    }

    #[test]
    fn a_reader_of_a_closed_channel_leaves_its_successor_alone() {
        let hub = Hub::default();
        let execution = ExecutionId(uuid::Uuid::from_u128(1));
        let old = hub.subscribe(execution);
        hub.close(execution);
        let new = hub.subscribe(execution);
        drop(old);
        assert!(hub.is_heard(execution));
        drop(new);
        assert!(!hub.is_heard(execution));
    }
}
