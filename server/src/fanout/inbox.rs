//! What comes from other servers and waits to be heard: bounded. What finds no room is dropped, and whoever listens
//! here reads the rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc};

use super::wire::{Channel, Opened, Opener, Secret, ServerId, sender};

/// Messages that wait, and how large they may be together.
const MESSAGES: usize = 1024;
const BYTES: usize = 8 << 20;
/// Senders that are remembered.
const SENDERS: usize = 256;

/// What waits.
#[derive(Debug)]
pub struct Inbox {
    me: ServerId,
    bytes: AtomicUsize,
    overflowed: AtomicBool,
    closed: Notify,
}

/// Sealed messages in their order.
pub type Told = mpsc::Receiver<Vec<u8>>;

impl Inbox {
    pub fn new(me: ServerId) -> Self {
        Self {
            me,
            bytes: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            closed: Notify::new(),
        }
    }

    /// What the connection gives its messages to, which must not wait, and where they come out.
    pub fn pair(this: &Arc<Self>) -> (impl Fn(PushInfo) -> Result<(), ()> + use<>, Told) {
        let (queue, told) = mpsc::channel(MESSAGES);
        let inbox = Arc::clone(this);
        let push = move |push: PushInfo| {
            inbox.take(push, &queue);
            Ok(())
        };
        (push, told)
    }

    fn take(&self, push: PushInfo, queue: &mpsc::Sender<Vec<u8>>) {
        match push.kind {
            PushKind::Disconnection => self.closed.notify_one(),
            PushKind::Message => {
                let Some(Value::BulkString(message)) = push.data.into_iter().nth(1) else {
                    return;
                };
                // A server hears what it says to everyone.
                if sender(&message).is_none_or(|from| from == self.me) {
                    return;
                }
                let size = message.len();
                let before = self.bytes.fetch_add(size, Ordering::Relaxed);
                if before + size > BYTES || queue.try_send(message).is_err() {
                    self.bytes.fetch_sub(size, Ordering::Relaxed);
                    self.overflowed.store(true, Ordering::Relaxed);
                    metrics::counter!("cronium_fanout_lost_total", "what" => "messages").increment(1);
                }
            }
            _ => {}
        }
    }

    /// None: the connection is over.
    pub async fn next(&self, told: &mut Told) -> Option<Vec<u8>> {
        tokio::select! {
            biased;
            () = self.closed.notified() => None,
            message = told.recv() => {
                let message = message?;
                self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
                Some(message)
            }
        }
    }

    /// Whether something was dropped since this was last asked.
    pub fn overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::Relaxed)
    }
}

/// Opens the messages of all senders.
#[derive(Debug)]
pub struct Openers {
    secret: Secret,
    me: ServerId,
    known: HashMap<(ServerId, Channel), Opener>,
}

impl Openers {
    pub fn new(secret: Secret, me: ServerId) -> Self {
        Self {
            secret,
            me,
            known: HashMap::new(),
        }
    }

    /// None for what is not of this installation, or came before.
    pub fn open(&mut self, message: &[u8]) -> Option<(ServerId, Opened)> {
        let from = sender(message)?;
        let channels = [Channel::Everyone, Channel::To(self.me)];
        for channel in channels {
            if let Some(opener) = self.known.get_mut(&(from, channel))
                && let Some(opened) = opener.open(message)
            {
                return Some((from, opened));
            }
        }
        for channel in channels {
            if self.known.contains_key(&(from, channel)) {
                continue;
            }
            let mut opener = self.secret.opener(from, channel);
            if let Some(opened) = opener.open(message) {
                if self.known.len() >= SENDERS {
                    self.known.clear();
                }
                self.known.insert((from, channel), opener);
                return Some((from, opened));
            }
        }
        None
    }
}
