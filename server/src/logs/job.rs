//! The log of a job: those of its executions, one after the other; or, on several servers, beside each other.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SelectAll, unfold};
use futures::{Stream, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use crate::kernel::error::Error;
use crate::kernel::ids::{ExecutionId, JobId};
use crate::kernel::signals::JobSignal;
use crate::kernel::{Kernel, Result};

use super::hub::{Heard, Hub};
use super::places::{After, Places};
use super::service::{Batch, CHUNKS, LOOK, Logs, fits, parts};
use super::store::{self, Part};

/// Between an execution's end, or word of one, and the question whether its job goes on with another.
const AGAIN: Duration = Duration::from_millis(100);
const OF_ANOTHER: &str = "`after` is a cursor of another job";

impl Logs {
    /// The logs of a job's executions, as they appear; the last batch says that nothing follows.
    pub fn follow_job(
        &self,
        job: JobId,
        after: Option<After>,
    ) -> impl Stream<Item = Result<Batch>> + Send + use<> {
        let this = self.clone();
        async_stream::try_stream! {
            if store::job_state(&this.kernel, job.0).await?.slots > 1 {
                for await batch in this.follow_slots(job, after) {
                    yield batch?;
                }
                return;
            }
            let mut at = match after {
                Some(After::Line(execution, seq)) => Some((execution, seq)),
                Some(After::Places(_)) => Err(Error::BadRequest(OF_ANOTHER.into()))?,
                None => None,
            };
            loop {
                // Asked first: an execution that is made after this belongs to a job that goes on.
                let over = store::job_state(&this.kernel, job.0).await?.ended;
                for execution in store::executions(&this.kernel, job.0).await? {
                    let from = match at {
                        Some((known, seq)) if known == execution => seq,
                        Some((known, _)) if known.0 > execution.0 => continue,
                        _ => 0,
                    };
                    for await batch in this.follow(execution, from) {
                        let batch = batch?;
                        at = Some((execution, batch.last_seq));
                        if !batch.ended {
                            yield batch;
                        }
                    }
                }
                if over {
                    if let Some((execution, last_seq)) = at {
                        yield Batch { execution, lines: Arc::default(), last_seq, ended: true, places: None };
                    }
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// The logs of several servers beside each other: what is stored one after the other, so that little is in memory,
    /// then what comes. One look at all of them each second stands behind the hub.
    fn follow_slots(
        &self,
        job: JobId,
        after: Option<After>,
    ) -> impl Stream<Item = Result<Batch>> + Send + use<> {
        let this = self.clone();
        async_stream::try_stream! {
            let mut signals = this.kernel.signals.jobs();
            let mut places = begin(&this.kernel, job, after).await?;
            let (mut ears, mut last) = (Ears::default(), None);
            'stored: loop {
                // Asked first: an execution that is made after this belongs to a job that goes on.
                let over = store::job_state(&this.kernel, job.0).await?.ended;
                let all = store::parts(&this.kernel, job.0).await?;
                // Listened to before they are read, so that nothing falls in between.
                let mut news = false;
                for part in all.iter().filter(|part| part.begun && !part.ended) {
                    news |= ears.listen(&this.hub, part.execution());
                }
                if news {
                    continue;
                }
                for part in &all {
                    let execution = part.execution();
                    let Some(mut seq) = places.of(part.slot, part.attempt) else { continue };
                    last.get_or_insert((execution, seq));
                    while seq < part.lines.unsigned_abs() {
                        let lines = store::read(&this.kernel, execution, seq, CHUNKS).await?;
                        if lines.is_empty() {
                            break;
                        }
                        for lines in parts(lines) {
                            seq = lines.last().map_or(seq, |line| line.seq);
                            places.set(part.slot, part.attempt, seq);
                            last = Some((execution, seq));
                            let places = Some(places.clone());
                            yield Batch { execution, lines, last_seq: seq, ended: false, places };
                        }
                    }
                }
                if over {
                    if let Some((execution, last_seq)) = last {
                        let places = Some(places);
                        yield Batch { execution, lines: Arc::default(), last_seq, ended: true, places };
                    }
                    return;
                }
                let mut look = Instant::now() + LOOK;
                loop {
                    let (execution, heard) = tokio::select! {
                        Some(heard) = ears.next() => heard,
                        // Some slot may have begun or ended: several within a moment are looked at together.
                        () = changed(&mut signals, job) => {
                            look = look.min(Instant::now() + AGAIN);
                            continue;
                        }
                        () = sleep_until(look) => continue 'stored,
                    };
                    let Ok(Heard::Lines(block)) = heard else { continue 'stored };
                    let part = all.iter().find(|part| part.execution() == execution);
                    let Some(part) = part else { continue 'stored };
                    let Some(mut seq) = places.of(part.slot, part.attempt) else { continue };
                    let known = block.partition_point(|line| line.seq <= seq);
                    let Some(first) = block.get(known) else { continue };
                    if first.seq != seq + 1 {
                        continue 'stored;
                    }
                    // As it is, unless part of it is known: then all readers share its text.
                    let fresh = if known == 0 && fits(&block) {
                        vec![block]
                    } else {
                        parts(block[known..].to_vec())
                    };
                    for lines in fresh {
                        seq = lines.last().map_or(seq, |line| line.seq);
                        places.set(part.slot, part.attempt, seq);
                        last = Some((execution, seq));
                        let places = Some(places.clone());
                        yield Batch { execution, lines, last_seq: seq, ended: false, places };
                    }
                }
            }
        }
    }
}

/// How far somebody has read who comes with this cursor.
async fn begin(kernel: &Kernel, job: JobId, after: Option<After>) -> Result<Places> {
    let (execution, seq) = match after {
        None => return Ok(Places::default()),
        Some(After::Places(places)) => return Ok(places),
        Some(After::Line(execution, seq)) => (execution, seq),
    };
    let all = store::parts(kernel, job.0).await?;
    let part = all.iter().find(|part| part.execution() == execution);
    let Part { slot, attempt, .. } = part.ok_or_else(|| Error::BadRequest(OF_ANOTHER.into()))?;
    let mut places = Places::default();
    places.set(*slot, *attempt, seq);
    Ok(places)
}

/// Until something is said of this job, or something was missed.
async fn changed(signals: &mut Receiver<JobSignal>, job: JobId) {
    while signals.recv().await.is_ok_and(|signal| !signal.concerns(job)) {}
}

type Told = (ExecutionId, Result<Heard, RecvError>);

/// Many readers of the hub as one.
#[derive(Default)]
struct Ears {
    open: HashSet<ExecutionId>,
    all: SelectAll<Pin<Box<dyn Stream<Item = Told> + Send>>>,
}

impl Ears {
    /// Whether this one was not listened to before.
    fn listen(&mut self, hub: &Hub, execution: ExecutionId) -> bool {
        let new = self.open.insert(execution);
        if new {
            let reader = Some(hub.subscribe(execution));
            let ear = unfold(reader, move |reader| async move {
                let mut reader = reader?;
                let heard = reader.next().await;
                let goes_on = !matches!(heard, Err(RecvError::Closed));
                Some(((execution, heard), goes_on.then_some(reader)))
            });
            self.all.push(Box::pin(ear));
        }
        new
    }

    /// What comes next from any of them; None while there are none.
    async fn next(&mut self) -> Option<Told> {
        let (execution, heard) = self.all.next().await?;
        if matches!(heard, Err(RecvError::Closed)) {
            self.open.remove(&execution);
        }
        Some((execution, heard))
    }
}
