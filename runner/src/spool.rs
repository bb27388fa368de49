//! Keeps encoded log blocks until they are acknowledged: in memory first, then in nameless files of the
//! work directory, which no other process can open. Knows nothing of lines' meaning or of frames.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use cronium_protocol::log::{Line, LogBlock, Stream};
use nix::fcntl::OFlag;

const MEMORY: usize = 4 << 20;
const TOTAL: usize = 32 << 20;
const WINDOW: usize = 1 << 20;
/// A file of the spool takes blocks up to this size; it is freed with its last block.
const SEGMENT: u64 = 4 << 20;

#[derive(Debug)]
enum Body {
    Memory(Vec<u8>),
    File(Arc<File>, u64),
}

#[derive(Debug)]
struct Stored {
    first: u64,
    last: u64,
    len: usize,
    body: Body,
    in_flight: bool,
}

/// Blocks in order, with a cursor at the next one to send.
#[derive(Debug)]
pub struct Spool {
    work: PathBuf,
    cap: usize,
    blocks: VecDeque<Stored>,
    next: usize,
    memory: usize,
    total: usize,
    in_flight: usize,
    /// Lines up to and with this one are not sent (again).
    floor: u64,
    segment: Option<(Arc<File>, u64)>,
    disk_refused: bool,
}

impl Spool {
    /// The work directory is usually in memory: the spool takes at most a quarter of the limit.
    pub fn new(work: PathBuf, memory_limit: Option<u64>) -> Self {
        let quarter = memory_limit
            .and_then(|limit| usize::try_from(limit / 4).ok())
            .unwrap_or(TOTAL);
        Self {
            work,
            cap: quarter.clamp(MEMORY, TOTAL),
            blocks: VecDeque::new(),
            next: 0,
            memory: 0,
            total: 0,
            in_flight: 0,
            floor: 0,
            segment: None,
            disk_refused: false,
        }
    }

    /// True: the pipes should not be read until something is acknowledged.
    pub fn is_full(&self) -> bool {
        self.total >= self.cap || (self.disk_refused && self.memory >= MEMORY)
    }

    pub fn push(&mut self, first: u64, last: u64, block: Vec<u8>) {
        let len = block.len();
        let body = if self.memory + len <= MEMORY {
            Body::Memory(block)
        } else {
            // A full or missing disk costs speed, not lines: the block stays in memory.
            match self.write(&block) {
                Ok(body) => body,
                Err(_) => Body::Memory(block),
            }
        };
        self.disk_refused = self.memory + len > MEMORY && matches!(body, Body::Memory(_));
        if matches!(body, Body::Memory(_)) {
            self.memory += len;
        }
        self.total += len;
        self.blocks.push_back(Stored {
            first,
            last,
            len,
            body,
            in_flight: false,
        });
    }

    fn write(&mut self, block: &[u8]) -> io::Result<Body> {
        let (file, at) = match self.segment.take() {
            Some((file, at)) if at < SEGMENT => (file, at),
            _ => (Arc::new(nameless(&self.work)?), 0),
        };
        file.write_all_at(block, at)?;
        self.segment = Some((Arc::clone(&file), at + block.len() as u64));
        Ok(Body::File(file, at))
    }

    /// Everything up to and with `seq` is kept elsewhere.
    pub fn ack(&mut self, seq: u64) {
        while let Some(block) = self.blocks.pop_front_if(|b| b.last <= seq) {
            self.next = self.next.saturating_sub(1);
            self.total -= block.len;
            if matches!(block.body, Body::Memory(_)) {
                self.memory -= block.len;
            }
            if block.in_flight {
                self.in_flight -= block.len;
            }
        }
        if self.blocks.is_empty() {
            self.segment = None;
        }
    }

    /// A new reader has everything up to and with `after`: sending begins again behind it.
    pub fn resume(&mut self, after: u64) {
        self.floor = after;
        self.in_flight = 0;
        for block in &mut self.blocks {
            block.in_flight = false;
        }
        self.next = self.blocks.partition_point(|b| b.last <= after);
    }

    /// Whether nothing waits to be sent.
    pub fn all_sent(&self) -> bool {
        self.next >= self.blocks.len()
    }

    /// The next block, unless too much is on its way unacknowledged.
    pub fn next_to_send(&mut self) -> Option<Vec<u8>> {
        if self.in_flight >= WINDOW {
            return None;
        }
        let floor = self.floor;
        let block = self.blocks.get_mut(self.next)?;
        self.next += 1;
        block.in_flight = true;
        self.in_flight += block.len;
        let bytes = match &block.body {
            Body::Memory(bytes) => Ok(bytes.clone()),
            Body::File(file, at) => {
                let mut bytes = vec![0; block.len];
                file.read_exact_at(&mut bytes, *at).map(|()| bytes)
            }
        };
        let bytes = bytes.unwrap_or_else(|error| lost(block.first, block.last, &error));
        Some(if block.first <= floor {
            after(&bytes, floor)
        } else {
            bytes
        })
    }
}

/// A file without a name, so that user code can't find it.
fn nameless(work: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(work)
}

/// The block without the lines that the reader has.
fn after(block: &[u8], floor: u64) -> Vec<u8> {
    match LogBlock::decode(block) {
        Ok(mut decoded) => {
            decoded.lines.retain(|line| line.seq > floor);
            decoded.encode()
        }
        Err(_) => block.to_vec(),
    }
}

/// Stands for lines that the disk did not give back: the numbers stay whole and the loss is said.
fn lost(first: u64, last: u64, error: &io::Error) -> Vec<u8> {
    let text = format!("this line was lost: the spool can't be read: {error}");
    let lines = (first..=last).map(|seq| Line {
        seq,
        at_us: 0,
        stream: Stream::System,
        text: text.clone(),
    });
    LogBlock {
        lines: lines.collect(),
    }
    .encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(seqs: std::ops::RangeInclusive<u64>, size: usize) -> (u64, u64, Vec<u8>) {
        let lines = seqs
            .clone()
            .map(|seq| Line {
                seq,
                at_us: 1,
                stream: Stream::Stdout,
                text: "x".repeat(size),
            })
            .collect();
        (*seqs.start(), *seqs.end(), LogBlock { lines }.encode())
    }

    fn sent(spool: &mut Spool) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some(bytes) = spool.next_to_send() {
            seqs.extend(LogBlock::decode(&bytes).unwrap().lines.iter().map(|l| l.seq));
        }
        seqs
    }

    #[test]
    fn a_resume_inside_a_block_sends_the_rest_of_it() {
        let mut spool = Spool::new("/nowhere".into(), None);
        for range in [1..=4, 5..=8] {
            let (first, last, bytes) = block(range, 3);
            spool.push(first, last, bytes);
        }
        assert_eq!(sent(&mut spool), (1..=8).collect::<Vec<_>>());
        assert!(spool.all_sent());
        spool.resume(6);
        assert_eq!(sent(&mut spool), [7, 8]);
        spool.resume(2);
        assert_eq!(sent(&mut spool), [3, 4, 5, 6, 7, 8]);
        spool.ack(4);
        spool.resume(0);
        assert_eq!(sent(&mut spool), [5, 6, 7, 8]);
    }

    #[test]
    fn the_window_stops_a_flood_until_it_is_acknowledged() {
        let mut spool = Spool::new("/nowhere".into(), None);
        for seq in 1..=20 {
            let (first, last, bytes) = block(seq..=seq, 100_000);
            spool.push(first, last, bytes);
        }
        assert_eq!(sent(&mut spool), (1..=11).collect::<Vec<_>>());
        assert!(!spool.all_sent());
        spool.ack(3);
        assert_eq!(sent(&mut spool), [12, 13, 14]);
    }

    #[test]
    fn what_exceeds_memory_goes_to_disk_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path().into(), None);
        let count = 300;
        for seq in 1..=count {
            let (first, last, bytes) = block(seq..=seq, 100_000);
            spool.push(first, last, bytes);
        }
        assert!(spool.memory <= MEMORY && spool.total > 4 * MEMORY);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut seen = 0;
        while let Some(&last) = sent(&mut spool).last() {
            seen = last;
            spool.ack(last);
        }
        assert_eq!(
            (seen, spool.total, spool.memory, spool.in_flight),
            (count, 0, 0, 0)
        );
    }

    #[test]
    fn a_small_container_keeps_a_small_spool() {
        let cap = |limit| Spool::new("/nowhere".into(), limit).cap;
        assert_eq!(
            [cap(Some(64 << 20)), cap(Some(1)), cap(Some(u64::MAX)), cap(None)],
            [16 << 20, MEMORY, TOTAL, TOTAL]
        );
    }

    #[test]
    fn without_a_disk_the_pipes_wait_and_nothing_is_lost() {
        let mut spool = Spool::new("/nowhere".into(), None);
        let mut seq = 0;
        while !spool.is_full() {
            seq += 1;
            let (first, last, bytes) = block(seq..=seq, 100_000);
            spool.push(first, last, bytes);
        }
        assert!(spool.memory < 2 * MEMORY);
        let mut seen: Vec<u64> = Vec::new();
        while let Some(&last) = {
            let s = sent(&mut spool);
            seen.extend(&s);
            s
        }
        .last()
        {
            spool.ack(last);
        }
        assert_eq!(seen, (1..=seq).collect::<Vec<_>>());
        assert!(!spool.is_full());
    }
}
