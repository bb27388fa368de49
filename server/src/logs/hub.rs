//! Live lines by execution, from memory. A reader that lags is told so and reads the store instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::kernel::Signals;
use crate::kernel::ids::ExecutionId;
use crate::kernel::signals::Hint;

use super::lines::Lines;

/// Blocks that a slow reader may be behind: bounded memory, because blocks are shared.
const BEHIND: usize = 32;

/// What readers hear.
#[derive(Debug, Clone)]
pub enum Heard {
    Lines(Arc<Lines>),
    /// There are lines in the store that were not told.
    Behind,
}

type Channels = HashMap<ExecutionId, broadcast::Sender<Heard>>;

fn lock(channels: &Mutex<Channels>) -> MutexGuard<'_, Channels> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fan-out of live lines.
#[derive(Debug)]
pub struct Hub {
    channels: Arc<Mutex<Channels>>,
    signals: Signals,
}

/// One reader's place; the last one to leave takes the channel along.
#[derive(Debug)]
pub struct Reader {
    channels: Arc<Mutex<Channels>>,
    signals: Signals,
    execution: ExecutionId,
    receiver: broadcast::Receiver<Heard>,
}

impl Reader {
    pub async fn next(&mut self) -> Result<Heard, RecvError> {
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
            if let Some(relay) = self.signals.relay() {
                relay.tell(Hint::Unread(self.execution));
            }
        }
    }
}

impl Hub {
    pub fn new(signals: Signals) -> Self {
        Self {
            channels: Arc::default(),
            signals,
        }
    }

    pub fn subscribe(&self, execution: ExecutionId) -> Reader {
        let mut channels = lock(&self.channels);
        let channel = channels.entry(execution).or_insert_with(|| {
            // Under the lock, so that others hear in the same order who comes and who goes.
            if let Some(relay) = self.signals.relay() {
                relay.tell(Hint::Reads(execution));
            }
            broadcast::channel(BEHIND).0
        });
        Reader {
            channels: self.channels.clone(),
            signals: self.signals.clone(),
            execution,
            receiver: channel.subscribe(),
        }
    }

    /// Whether anybody reads.
    pub fn is_heard(&self, execution: ExecutionId) -> bool {
        lock(&self.channels).contains_key(&execution)
    }

    /// What is read, at most so many.
    pub fn heard(&self, most: usize) -> Vec<ExecutionId> {
        lock(&self.channels).keys().copied().take(most).collect()
    }

    pub fn publish(&self, execution: ExecutionId, heard: Heard) {
        if let Some(channel) = lock(&self.channels).get(&execution) {
            // Refused when nobody listens, which is as well.
            drop(channel.send(heard));
        }
    }

    /// All readers look at the store.
    pub fn behind(&self) {
        for channel in lock(&self.channels).values() {
            drop(channel.send(Heard::Behind));
        }
    }

    /// No more lines will come: readers see the end of the channel and look at the store once more.
    pub fn close(&self, execution: ExecutionId) {
        lock(&self.channels).remove(&execution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_goes_with_its_last_reader() {
        let hub = Hub::new(Signals::default());
        let execution = ExecutionId(uuid::Uuid::from_u128(1));
        let (first, second) = (hub.subscribe(execution), hub.subscribe(execution));
        drop(first);
        assert!(hub.is_heard(execution));
        drop(second);
        assert!(!hub.is_heard(execution));
    }

    #[test]
    fn a_reader_of_a_closed_channel_leaves_its_successor_alone() {
        let hub = Hub::new(Signals::default());
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
