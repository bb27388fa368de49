//! What waits to be told to other servers: bounded, and nobody waits for it. What finds no room is dropped, and the
//! others are told that they are to read the rows.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::kernel::ids::ExecutionId;
use crate::kernel::signals::{Hint, Relay};

use super::interest::Interest;
use super::wire::{Channel, Frame, ServerId};

/// Frames for everyone that wait, in bytes: some ten thousand signals.
const SIGNALS: usize = 256 << 10;
/// Lines that wait, in bytes, for all servers together.
const LINES: usize = 4 << 20;

/// Frames for one channel, one after the other.
#[derive(Debug, Default)]
pub struct Batch {
    frames: Vec<Vec<u8>>,
    bytes: usize,
    behind: HashSet<ExecutionId>,
}

/// A message is at most so large, unless one frame is larger.
pub const MESSAGE: usize = 256 << 10;

impl Batch {
    fn push(&mut self, frame: &Frame) {
        match self.frames.last_mut() {
            Some(last) if last.len() < MESSAGE => frame.write(last),
            _ => {
                let mut first = Vec::new();
                frame.write(&mut first);
                self.frames.push(first);
            }
        }
    }

    /// What is sealed as one message each.
    pub fn messages(mut self) -> Vec<Vec<u8>> {
        for execution in mem::take(&mut self.behind) {
            self.push(&Frame::Behind(execution));
        }
        self.frames
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// Nothing is kept while Valkey is away: whoever comes back says so.
    up: bool,
    everyone: Batch,
    /// `Work` waits already.
    work: bool,
    missed: bool,
    servers: HashMap<ServerId, Batch>,
    lines: usize,
}

/// The bounded queue in front of Valkey.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    pub interest: Interest,
}

fn lost(what: &'static str) {
    metrics::counter!("cronium_fanout_lost_total", "what" => what).increment(1);
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to take.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Begins to keep what is said, or stops and forgets it; gives how it was before.
    pub fn turn(&self, up: bool) -> bool {
        let now = Waiting {
            up,
            ..Waiting::default()
        };
        mem::replace(&mut *self.waiting(), now).up
    }

    /// Says something to everyone.
    pub fn say(&self, frame: &Frame) {
        let mut waiting = self.waiting();
        if !waiting.up {
            return;
        }
        let work = *frame == Frame::Hint(Hint::Work);
        if work && mem::replace(&mut waiting.work, true) {
            return;
        }
        if waiting.everyone.bytes >= SIGNALS {
            waiting.missed = true;
            drop(waiting);
            lost("signals");
            return;
        }
        // The largest of these frames.
        waiting.everyone.bytes += 17;
        waiting.everyone.push(frame);
        drop(waiting);
        self.filled.notify_one();
    }

    fn say_lines(&self, execution: ExecutionId, frame: &Frame, bytes: usize) {
        let readers = self.interest.readers(execution);
        let mut waiting = self.waiting();
        if !waiting.up {
            return;
        }
        for server in readers {
            let room = waiting.lines + bytes <= LINES;
            let batch = waiting.servers.entry(server).or_default();
            if room {
                batch.push(frame);
                waiting.lines += bytes;
            } else {
                batch.behind.insert(execution);
                lost("lines");
            }
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// All that waits, by channel.
    pub fn take(&self) -> Vec<(Channel, Vec<Vec<u8>>)> {
        let mut waiting = self.waiting();
        let up = waiting.up;
        let taken = mem::replace(
            &mut *waiting,
            Waiting {
                up,
                ..Waiting::default()
            },
        );
        drop(waiting);
        let mut everyone = taken.everyone;
        if taken.missed {
            everyone.push(&Frame::Missed);
        }
        let servers = taken.servers.into_iter();
        let servers = servers.map(|(server, batch)| (Channel::To(server), batch.messages()));
        std::iter::once((Channel::Everyone, everyone.messages()))
            .chain(servers)
            .filter(|(_, messages)| !messages.is_empty())
            .collect()
    }
}

impl Relay for Outbox {
    fn tell(&self, hint: Hint) {
        match &hint {
            Hint::Lines(execution, body) => {
                let (execution, bytes) = (*execution, body.len() + 21);
                self.say_lines(execution, &Frame::Hint(hint), bytes);
            }
            Hint::Ended(execution) => self.say_lines(*execution, &Frame::Hint(hint), 17),
            _ => self.say(&Frame::Hint(hint)),
        }
    }

    fn is_read(&self, execution: ExecutionId) -> bool {
        self.interest.is_read(execution)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;
    use uuid::Uuid;

    use crate::kernel::ids::JobId;

    use super::super::wire::frames;
    use super::*;

    fn read_by(outbox: &Outbox, execution: ExecutionId, servers: &[u128]) {
        for server in servers {
            let server = ServerId(Uuid::from_u128(*server));
            outbox.interest.reads(server, execution, Instant::now());
        }
    }

    fn told(outbox: &Outbox) -> Vec<(Channel, Vec<Frame>)> {
        let all = outbox.take().into_iter();
        all.map(|(channel, messages)| {
            (
                channel,
                messages.into_iter().flat_map(|all| frames(all.into())).collect(),
            )
        })
        .collect()
    }

    #[test]
    fn signals_without_room_become_one_word_that_some_were_missed() {
        let outbox = Outbox::default();
        outbox.turn(true);
        for n in 0..100_000 {
            let job = JobId(Uuid::from_u128(n));
            outbox.tell(Hint::Job { job, created: true });
            outbox.tell(Hint::Work);
        }
        let all = told(&outbox);
        assert_eq!(all.len(), 1);
        let frames = &all[0].1;
        assert!(frames.len() < 16_000, "{}", frames.len());
        assert_eq!(frames.last(), Some(&Frame::Missed));
        let work = frames.iter().filter(|frame| **frame == Frame::Hint(Hint::Work));
        assert_eq!(work.count(), 1);
        assert_eq!(told(&outbox), []);
    }

    #[test]
    fn lines_without_room_are_marked_and_take_no_memory() {
        let outbox = Outbox::default();
        outbox.turn(true);
        let (flood, quiet) = (ExecutionId(Uuid::from_u128(1)), ExecutionId(Uuid::from_u128(2)));
        read_by(&outbox, flood, &[7]);
        let body = Bytes::from(vec![1; 100 << 10]);
        for _ in 0..1000 {
            assert!(outbox.is_read(flood) && !outbox.is_read(quiet));
            outbox.tell(Hint::Lines(flood, body.clone()));
        }
        outbox.tell(Hint::Job {
            job: JobId(Uuid::nil()),
            created: false,
        });
        let all = told(&outbox);
        let of = |wanted| {
            all.iter()
                .find(|(channel, _)| *channel == wanted)
                .unwrap()
                .1
                .clone()
        };
        let lines = of(Channel::To(ServerId(Uuid::from_u128(7))));
        let kept: usize = lines
            .iter()
            .map(|frame| match frame {
                Frame::Hint(Hint::Lines(_, body)) => body.len(),
                _ => 0,
            })
            .sum();
        assert!((LINES / 2..=LINES).contains(&kept), "{kept}");
        assert_eq!(lines.last(), Some(&Frame::Behind(flood)));
        assert_eq!(of(Channel::Everyone).len(), 1, "signals have room of their own");
    }

    #[test]
    fn nothing_is_kept_while_valkey_is_away() {
        let outbox = Outbox::default();
        let execution = ExecutionId(Uuid::from_u128(1));
        read_by(&outbox, execution, &[7, 8]);
        outbox.tell(Hint::Work);
        outbox.tell(Hint::Ended(execution));
        assert_eq!(told(&outbox), []);
        outbox.turn(true);
        outbox.tell(Hint::Ended(execution));
        assert_eq!(told(&outbox).len(), 2, "one for each reader");
        outbox.tell(Hint::Work);
        outbox.turn(false);
        assert_eq!(told(&outbox), []);
    }
}
