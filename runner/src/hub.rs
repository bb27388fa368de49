//! Where the threads meet: numbers lines into blocks, spools them, and decides what is written to the
//! orchestrator next. Knows no processes and does no writing itself.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::frame::FromRunner;
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_protocol::manifest::Refusal;
use cronium_protocol::runtime::Reply;
use uuid::Uuid;

use crate::calls::{Calls, NotCarried};
use crate::lines::Cut;
use crate::spool::Spool;

const BLOCK_BYTES: usize = 64 << 10;
/// Between two blocks of a script that prints steadily. A line after a silence goes at once.
const FLUSH_AFTER: Duration = Duration::from_millis(20);
/// What a line costs beside its text.
const LINE_COST: usize = 48;

/// What is to be said besides lines: one slot for each message, so that it stays bounded however long
/// nobody listens.
#[derive(Debug, Default)]
struct Slots {
    hello: bool,
    refused: Option<Refusal>,
    start_request: bool,
    started: Option<i64>,
    pong: bool,
}

#[derive(Debug)]
struct Inner {
    total_limit: u64,
    total: u64,
    limit_reached: bool,
    truncated: bool,
    last_seq: u64,
    pending: Vec<Line>,
    pending_bytes: usize,
    sealed_at: Option<Instant>,
    spool: Spool,
    slots: Slots,
    calls: Calls,
    /// What the runner has come to; said again after a resume.
    refusal: Option<Refusal>,
    asked: bool,
    started_at: Option<i64>,
    exit: Option<FromRunner>,
    exit_sent: bool,
    stalled: usize,
    discard: bool,
    writing: bool,
}

#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// A call was answered, or will not be.
    answered: Condvar,
}

impl Hub {
    pub fn new(work: PathBuf, memory_limit: Option<u64>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                total_limit: u64::MAX,
                total: 0,
                limit_reached: false,
                truncated: false,
                last_seq: 0,
                pending: Vec::new(),
                pending_bytes: 0,
                sealed_at: None,
                spool: Spool::new(work, memory_limit),
                slots: Slots {
                    hello: true,
                    ..Slots::default()
                },
                calls: Calls::default(),
                refusal: None,
                asked: false,
                started_at: None,
                exit: None,
                exit_sent: false,
                stalled: 0,
                discard: false,
                writing: false,
            }),
            changed: Condvar::new(),
            answered: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the writer and waiting readers.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let out = change(&mut self.lock());
        self.changed.notify_all();
        out
    }

    pub fn limit_total(&self, bytes: u64) {
        self.lock().total_limit = bytes;
    }

    /// Adds a line of user code. Waits while the spool is full.
    pub fn line(&self, stream: Stream, at_us: i64, cut: Cut) {
        let mut inner = self.lock();
        while inner.spool.is_full() && !inner.discard {
            inner.stalled += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.stalled -= 1;
        }
        if inner.discard || inner.limit_reached {
            return;
        }
        let was_empty = inner.pending.is_empty();
        inner.add_user_line(stream, at_us, cut);
        if was_empty || inner.pending.is_empty() {
            drop(inner);
            self.changed.notify_all();
        }
    }

    /// Adds a line of our own.
    pub fn note(&self, at_us: i64, text: String) {
        self.change(|inner| inner.add(Stream::System, at_us, text));
    }

    /// Whether a reader waits for room: its pipe is not silent, we are.
    pub fn is_stalled(&self) -> bool {
        self.lock().stalled > 0
    }

    pub fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    pub fn truncated(&self) -> bool {
        self.lock().truncated
    }

    /// Nobody will read any more: lines are dropped from now on.
    pub fn discard(&self) {
        self.change(|inner| {
            inner.discard = true;
            inner.calls.end();
        });
        self.answered.notify_all();
    }

    pub fn ack(&self, seq: u64) {
        self.change(|inner| inner.spool.ack(seq));
    }

    /// Calls are carried from now on, under ids that are counted from `base`.
    pub fn carry_calls(&self, base: Uuid) {
        self.lock().calls.begin(base);
    }

    /// Has a call carried, and waits for its answer however often the channel is cut meanwhile.
    pub fn call(&self, method: String, path: String, body: Vec<u8>) -> Result<Reply, NotCarried> {
        let number = self.change(|inner| inner.calls.add(method, path, body))?;
        let mut inner = self.lock();
        loop {
            if let Some(answer) = inner.calls.take(number) {
                return answer;
            }
            inner = self.answered.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn answered(&self, id: Uuid, reply: Reply) {
        self.lock().calls.answered(id, reply);
        self.answered.notify_all();
    }

    /// A new reader: says everything again that it can't know.
    pub fn resume(&self, after: u64, calls: bool) {
        self.change(|inner| {
            inner.spool.resume(after);
            inner.calls.resume(calls);
            let running_or_over = inner.started_at.is_some() || inner.exit.is_some();
            inner.slots = Slots {
                hello: true,
                refused: inner.refusal.clone(),
                start_request: inner.asked && !running_or_over,
                started: inner.started_at,
                pong: false,
            };
            inner.exit_sent = false;
        });
        self.answered.notify_all();
    }

    /// A refusal that ends this runner's usefulness.
    pub fn refuse(&self, refusal: Refusal) {
        self.change(|inner| {
            inner.slots.refused = Some(refusal.clone());
            inner.refusal = Some(refusal);
        });
    }

    /// A refusal that changes nothing for the execution under way.
    pub fn refuse_once(&self, refusal: Refusal) {
        self.change(|inner| inner.slots.refused = Some(refusal));
    }

    pub fn ask_to_start(&self) {
        self.change(|inner| (inner.asked, inner.slots.start_request) = (true, true));
    }

    pub fn started(&self, at_us: i64) {
        self.change(|inner| (inner.started_at, inner.slots.started) = (Some(at_us), Some(at_us)));
    }

    pub fn pong(&self) {
        self.change(|inner| inner.slots.pong = true);
    }

    pub fn exited(&self, exit: FromRunner) {
        self.change(|inner| {
            inner.seal();
            inner.calls.end();
            inner.exit = Some(exit);
        });
        self.answered.notify_all();
    }

    /// What to write next; waits until there is something. Only one thread may call this.
    pub fn next(&self) -> FromRunner {
        let mut inner = self.lock();
        if inner.writing {
            inner.writing = false;
            self.changed.notify_all();
        }
        loop {
            if let Some(message) = inner.next_message() {
                inner.writing = true;
                return message;
            }
            let wait = inner.flush_in();
            inner = match wait {
                Some(Duration::ZERO) => {
                    inner.seal();
                    inner
                }
                Some(wait) => {
                    self.changed
                        .wait_timeout(inner, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Gives the writer a moment to say what is left to say.
    pub fn settle(&self, at_most: Duration) {
        let busy = |inner: &mut Inner| inner.writing || inner.slots.any() || !inner.spool.all_sent();
        let inner = self.lock();
        drop(self.changed.wait_timeout_while(inner, at_most, busy));
    }
}

impl Slots {
    fn any(&self) -> bool {
        self.hello || self.refused.is_some() || self.start_request || self.started.is_some() || self.pong
    }
}

impl Inner {
    fn add_user_line(&mut self, stream: Stream, at_us: i64, cut: Cut) {
        let cost = cut.text.len() as u64 + 1;
        if self.total.saturating_add(cost) > self.total_limit {
            (self.limit_reached, self.truncated) = (true, true);
            let text = format!(
                "the log reached its limit of {} bytes; the rest is dropped",
                self.total_limit
            );
            self.add(Stream::System, at_us, text);
            return;
        }
        self.total += cost;
        self.add(stream, at_us, cut.text);
        if cut.dropped > 0 {
            self.truncated = true;
            let text = format!("line {} was cut: {} bytes dropped", self.last_seq, cut.dropped);
            self.add(Stream::System, at_us, text);
        }
        if self.pending_bytes >= BLOCK_BYTES {
            self.seal();
        }
    }

    fn add(&mut self, stream: Stream, at_us: i64, text: String) {
        self.last_seq += 1;
        self.pending_bytes += text.len() + LINE_COST;
        self.pending.push(Line {
            seq: self.last_seq,
            at_us,
            stream,
            text,
        });
    }

    /// How long what is pending may still gather company; None when nothing is.
    fn flush_in(&self) -> Option<Duration> {
        let since = self.sealed_at.map_or(FLUSH_AFTER, |at| at.elapsed());
        (!self.pending.is_empty()).then(|| FLUSH_AFTER.saturating_sub(since))
    }

    fn seal(&mut self) {
        let block = LogBlock {
            lines: std::mem::take(&mut self.pending),
        };
        self.pending_bytes = 0;
        if !block.lines.is_empty() {
            self.sealed_at = Some(Instant::now());
            self.spool
                .push(block.first_seq(), block.last_seq(), block.encode());
        }
    }

    fn next_message(&mut self) -> Option<FromRunner> {
        let slots = &mut self.slots;
        if std::mem::take(&mut slots.hello) {
            let started = self.started_at.is_some();
            return Some(FromRunner::Hello {
                protocol: PROTOCOL_VERSION,
                started,
                last_seq: self.last_seq,
            });
        }
        if let Some(refusal) = slots.refused.take() {
            return Some(FromRunner::Refused { refusal });
        }
        if std::mem::take(&mut slots.start_request) {
            return Some(FromRunner::StartRequest);
        }
        if let Some(at_us) = slots.started.take() {
            return Some(FromRunner::Started { at_us });
        }
        if std::mem::take(&mut slots.pong) {
            return Some(FromRunner::Pong);
        }
        if let Some(call) = self.calls.next() {
            return Some(call);
        }
        if let Some(block) = self.spool.next_to_send() {
            return Some(FromRunner::Log { block });
        }
        if self.exit.is_some() && !self.exit_sent && self.pending.is_empty() && self.spool.all_sent() {
            self.exit_sent = true;
            return self.exit.clone();
        }
        None
    }
}
