//! Taking lines in, and giving them out without gap or duplicate.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock, Stream as LineStream};
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::kernel::error::Error;
use crate::kernel::ids::ExecutionId;
use crate::kernel::signals::Hint;
use crate::kernel::{Kernel, Op, Result, Timestamp};

use super::graphql::{LogPage, LogStream};
use super::hub::{Heard, Hub};
use super::lines::Lines;
use super::places::Places;
use super::store;

/// Lines in one message to a subscriber, and bytes of text: a block of a runner is less, as a rule.
const BATCH: usize = 2000;
const BATCH_BYTES: usize = 256 << 10;
/// Chunks read at a time: at most some MiB.
pub(super) const CHUNKS: i64 = 16;
/// Text in one page, and text that is looked through for it.
const PAGE_BYTES: usize = 1 << 20;
const SEARCH_BYTES: usize = 32 << 20;
/// A look at the store stands behind the hub.
pub(super) const LOOK: Duration = Duration::from_secs(1);

pub(super) fn fits(lines: &[Line]) -> bool {
    lines.len() <= BATCH && lines.iter().map(|line| line.text.len()).sum::<usize>() <= BATCH_BYTES
}

/// Lines in messages of bounded size; a line that is larger by itself goes alone.
pub(super) fn parts(lines: Vec<Line>) -> Vec<Arc<Lines>> {
    let (mut out, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        if part.len() >= BATCH || (bytes + line.text.len() > BATCH_BYTES && !part.is_empty()) {
            out.push(Arc::new(Lines::from(std::mem::take(&mut part))));
            bytes = 0;
        }
        bytes += line.text.len();
        part.push(line);
    }
    if !part.is_empty() {
        out.push(Arc::new(Lines::from(part)));
    }
    out
}

/// Logs of executions.
#[derive(Clone, Debug)]
pub struct Logs {
    pub(super) kernel: Kernel,
    pub(super) hub: Arc<Hub>,
}

/// Lines of one execution; `last` when nothing follows.
#[derive(Debug, Clone)]
pub struct Batch {
    pub execution: ExecutionId,
    pub lines: Arc<Lines>,
    pub last_seq: u64,
    pub ended: bool,
    /// How far all slots of its job were read; None: it has one, or only this execution is read.
    pub places: Option<Places>,
}

impl Logs {
    pub fn new(kernel: Kernel) -> Self {
        let hub = Arc::new(Hub::new(kernel.signals.clone()));
        Self { kernel, hub }
    }

    pub async fn last_seq(&self, execution: ExecutionId) -> Result<u64> {
        store::last_seq(&self.kernel, execution).await
    }

    /// Takes a block whose sender holds the execution's lease. `last` is the last sequence number that is
    /// stored; gives the new one, to be acknowledged after [`Self::settle`]. Lines that are there already are
    /// dropped; a gap is refused, and its sender sends again. None, and nothing stored, when the claim or
    /// `last` is not the present one: another connection took over, or the execution has ended.
    pub async fn ingest(&self, claim: Claim, last: u64, bytes: &[u8]) -> Result<Option<u64>> {
        let execution = ExecutionId(claim.execution_id);
        let mut block = LogBlock::decode(bytes).map_err(|e| Error::BadRequest(e.to_string()))?;
        let received = block.lines.len();
        block.lines.retain(|line| line.seq > last);
        let Some(first) = block.lines.first() else {
            return Ok(Some(last));
        };
        if first.seq != last + 1 {
            return Err(Error::BadRequest(format!(
                "line {} came after line {last}",
                first.seq
            )));
        }
        let span = store::Span::of(&block);
        let whole = block.lines.len() == received;
        let again = if whole { None } else { Some(block.encode()) };
        metrics::counter!("cronium_log_lines_total").increment(block.lines.len() as u64);
        if self.hub.is_heard(execution) {
            self.hub
                .publish(execution, Heard::Lines(Arc::new(Lines::from(block.lines))));
        }
        let body = store::packed(again.as_deref().unwrap_or(bytes))?;
        if !store::append(&self.kernel, claim, span, &body).await? {
            return Ok(None);
        }
        // Stored first: whoever sees from them that lines are missing finds those in the store.
        if let Some(relay) = self.kernel.signals.relay()
            && relay.is_read(execution)
        {
            relay.tell(Hint::Lines(execution, body.into()));
        }
        Ok(Some(span.last_seq))
    }

    /// Makes what was taken in durable: only then its sender may forget it. Gives when Postgres was started:
    /// what was taken in before another start may be lost.
    pub async fn settle(&self) -> Result<Timestamp> {
        store::settle(&self.kernel).await
    }

    /// No more lines will come.
    pub fn ended(&self, execution: ExecutionId) {
        self.hub.close(execution);
        if let Some(relay) = self.kernel.signals.relay()
            && relay.is_read(execution)
        {
            relay.tell(Hint::Ended(execution));
        }
    }

    /// What another server told of logs; the rest is not for here. Lines that can't be read are in the store.
    pub fn hear(&self, hint: &Hint) {
        match hint {
            Hint::Lines(execution, body) if self.hub.is_heard(*execution) => {
                let heard = match store::unpacked(body) {
                    Ok(block) => Heard::Lines(Arc::new(Lines::from(block.lines))),
                    Err(_) => Heard::Behind,
                };
                self.hub.publish(*execution, heard);
            }
            Hint::Ended(execution) => self.hub.close(*execution),
            _ => {}
        }
    }

    /// There are lines of this execution that were not told here.
    pub fn behind(&self, execution: ExecutionId) {
        self.hub.publish(execution, Heard::Behind);
    }

    /// Other servers may have told of any log.
    pub fn missed(&self) {
        self.hub.behind();
    }

    /// Which logs are read here, at most so many.
    pub fn read_here(&self, most: usize) -> Vec<ExecutionId> {
        self.hub.heard(most)
    }

    /// One page of stored lines, bounded by its lines, by their text and by how much a search looks through:
    /// `has_more` says whether to ask again after `last_seq`, also when nothing was found so far.
    pub async fn page(
        &self,
        execution: ExecutionId,
        after: i32,
        first: i32,
        search: Option<&str>,
        stream: Option<LogStream>,
    ) -> Result<LogPage> {
        let limit = usize::try_from(first).ok().filter(|n| (1..=10_000).contains(n));
        let limit = limit.ok_or_else(|| Error::BadRequest("a log page has 1 to 10,000 lines".into()))?;
        let mut after = u64::try_from(after).unwrap_or_default();
        let wanted = search.map(str::to_lowercase);
        let stream = stream.map(LineStream::from);
        let (mut found, mut text, mut looked_at) = (Vec::new(), 0, 0);
        loop {
            let lines = store::read(&self.kernel, execution, after, CHUNKS).await?;
            if lines.is_empty() {
                return Ok(LogPage::new(found, after, false));
            }
            for line in lines {
                let matches = stream.is_none_or(|s| s == line.stream)
                    && wanted
                        .as_ref()
                        .is_none_or(|w| line.text.to_lowercase().contains(w));
                let full = matches && (found.len() == limit || text + line.text.len() > PAGE_BYTES);
                if (full && !found.is_empty()) || looked_at > SEARCH_BYTES {
                    return Ok(LogPage::new(found, after, true));
                }
                (after, looked_at) = (line.seq, looked_at + line.text.len());
                if matches {
                    text += line.text.len();
                    found.push(line);
                }
            }
        }
    }

    /// Everything after a sequence number: what is stored, then what comes, until the end. The hub is
    /// subscribed to before the store is read, so that nothing falls in between.
    pub fn follow(
        &self,
        execution: ExecutionId,
        after: u64,
    ) -> impl Stream<Item = Result<Batch>> + Send + use<> {
        let this = self.clone();
        async_stream::try_stream! {
            let mut last = after;
            let mut live = this.hub.subscribe(execution);
            // Armed again when it is due, not for each block: most blocks come long before it.
            let mut look = std::pin::pin!(tokio::time::sleep(LOOK));
            'stored: loop {
                let (ended, total) = store::state(&this.kernel, execution).await?;
                while last < total {
                    let lines = store::read(&this.kernel, execution, last, CHUNKS).await?;
                    if lines.is_empty() {
                        break;
                    }
                    for part in parts(lines) {
                        last = part.last().map_or(last, |line| line.seq);
                        yield Batch { execution, lines: part, last_seq: last, ended: false, places: None };
                    }
                }
                if ended && last >= total {
                    yield Batch { execution, lines: Arc::default(), last_seq: last, ended: true, places: None };
                    return;
                }
                let mut heard = Instant::now();
                loop {
                    let next = tokio::select! {
                        biased;
                        next = live.next() => next,
                        () = &mut look => {
                            let quiet = heard.elapsed() >= LOOK;
                            look.as_mut().reset(if quiet { Instant::now() } else { heard } + LOOK);
                            if quiet {
                                continue 'stored;
                            }
                            continue;
                        }
                    };
                    heard = Instant::now();
                    match next {
                        Ok(Heard::Lines(block)) => {
                            let known = block.partition_point(|line| line.seq <= last);
                            let Some(first) = block.get(known) else { continue };
                            if first.seq != last + 1 {
                                continue 'stored;
                            }
                            // As it is, unless part of it is known: then all readers share its text.
                            let fresh = if known == 0 && fits(&block) {
                                vec![block]
                            } else {
                                parts(block[known..].to_vec())
                            };
                            for part in fresh {
                                last = part.last().map_or(last, |line| line.seq);
                                yield Batch { execution, lines: part, last_seq: last, ended: false, places: None };
                            }
                        }
                        Ok(Heard::Behind) | Err(RecvError::Lagged(_)) => continue 'stored,
                        Err(RecvError::Closed) => {
                            live = this.hub.subscribe(execution);
                            continue 'stored;
                        }
                    }
                }
            }
        }
    }

    /// Stored lines for a download, some chunks at a time.
    pub async fn read(&self, execution: ExecutionId, after: u64) -> Result<Vec<Line>> {
        store::read(&self.kernel, execution, after, CHUNKS).await
    }

    /// Whether this operation may read the execution: its jobs' policy decides.
    pub async fn authorised(&self, jobs: &crate::jobs::Jobs, op: &Op, execution: ExecutionId) -> Result<()> {
        jobs.execution(op, execution).await.map(drop)
    }
}
