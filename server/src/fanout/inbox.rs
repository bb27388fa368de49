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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn pushed(message: Vec<u8>) -> PushInfo {
        PushInfo {
            kind: PushKind::Message,
            data: vec![Value::BulkString(b"channel".to_vec()), Value::BulkString(message)],
        }
    }

    #[tokio::test]
    async fn what_nobody_takes_is_dropped_and_that_is_known() {
        let secret = Secret::new(b"shared").ok().unwrap();
        let (me, other) = (ServerId(Uuid::from_u128(1)), ServerId(Uuid::from_u128(2)));
        let inbox = Arc::new(Inbox::new(me));
        let (push, mut told) = Inbox::pair(&inbox);
        let mut sealer = secret.sealer(other);
        let mut sealed = |bytes| sealer.seal(Channel::To(me), &vec![0; bytes]).ok().unwrap();
        let (large, small) = (sealed(1 << 20), sealed(0));
        for _ in 0..20 {
            push(pushed(large.clone())).unwrap();
        }
        assert!(inbox.overflowed() && !inbox.overflowed());
        assert!(inbox.bytes.load(Ordering::Relaxed) <= BYTES);
        assert_eq!(told.len(), 7, "eight are a little more than there is room for");
        while !told.is_empty() {
            inbox.next(&mut told).await.unwrap();
        }
        for _ in 0..2000 {
            push(pushed(small.clone())).unwrap();
        }
        assert_eq!((told.len(), inbox.overflowed()), (MESSAGES, true));
    }

    #[tokio::test]
    async fn a_server_does_not_hear_itself_and_hears_that_the_connection_is_over() {
        let secret = Secret::new(b"shared").ok().unwrap();
        let (me, other) = (ServerId(Uuid::from_u128(1)), ServerId(Uuid::from_u128(2)));
        let inbox = Arc::new(Inbox::new(me));
        let (push, mut told) = Inbox::pair(&inbox);
        let (mut mine, mut theirs) = (secret.sealer(me), secret.sealer(other));
        push(pushed(mine.seal(Channel::Everyone, b"").ok().unwrap())).unwrap();
        push(pushed(b"nonsense".to_vec())).unwrap();
        let message = theirs.seal(Channel::Everyone, b"").ok().unwrap();
        push(pushed(message.clone())).unwrap();
        let heard = inbox.next(&mut told).await.unwrap();
        assert_eq!(heard, message);
        let mut openers = Openers::new(secret, me);
        assert_eq!(openers.open(&heard).unwrap().0, other);
        assert_eq!(openers.open(&heard), None, "again");
        let over = PushInfo {
            kind: PushKind::Disconnection,
            data: Vec::new(),
        };
        push(over).unwrap();
        assert_eq!(inbox.next(&mut told).await, None);
    }
}
