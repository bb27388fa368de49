//! Accepted jobs on their way into the database. What is asked for while a statement is under way goes with the next
//! one: then many writers share a trip and a commit, and one alone waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::kernel::{Error, Kernel, Result};

use super::store::{self, JobRow, NewJob};

/// Statements under way at a time: while one waits for the disk, the next one is worked out.
const UNDER_WAY: usize = 2;
/// A statement that takes longer waits for somebody's lock: then others take its place, so as not to wait too.
const LONG: Duration = Duration::from_millis(100);
/// Jobs of one statement.
const TOGETHER: usize = 64;
/// Bytes of their inputs, but for a larger one, which goes alone.
const TOGETHER_BYTES: usize = 2 << 20;

/// Takes jobs in.
#[derive(Clone, Debug)]
pub struct Intake {
    kernel: Kernel,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<Asked>,
    under_way: usize,
}

#[derive(Debug)]
struct Asked {
    new: NewJob,
    bytes: usize,
    answer: oneshot::Sender<Result<Option<JobRow>>>,
}

impl Desk {
    /// The next ones that go together; empty: nobody waits.
    fn next(&mut self) -> Vec<Asked> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(first) = self.waiting.front() {
            bytes += first.bytes;
            if !batch.is_empty() && (batch.len() == TOGETHER || bytes > TOGETHER_BYTES) {
                break;
            }
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}

/// A statement's place, given back also when its task fails.
struct Place(Intake);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.desk().under_way -= 1;
        // For what has come since the last look.
        self.0.begin();
    }
}

impl Intake {
    pub fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            desk: Arc::default(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a job and commits; None when its key is taken. It is written also when nobody waits for the answer any more.
    pub async fn accept(&self, new: NewJob) -> Result<Option<JobRow>> {
        let (answer, told) = oneshot::channel();
        let bytes = new.input.as_ref().map_or(0, |input| input.to_string().len());
        self.desk().waiting.push_back(Asked { new, bytes, answer });
        self.begin();
        told.await
            .map_err(|_| Error::internal("a job was not taken in: its task has failed"))?
    }

    /// Takes a free place, if there is one, for what waits.
    fn begin(&self) {
        let mut desk = self.desk();
        if desk.under_way < UNDER_WAY && !desk.waiting.is_empty() {
            desk.under_way += 1;
            tokio::spawn(Place(self.clone()).work());
        }
    }

    async fn write(&self, batch: Vec<Asked>) {
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        for asked in batch {
            answers.push((asked.new.id.0, asked.answer));
            jobs.push(asked.new);
        }
        match store::accept(&self.kernel.db, &jobs).await {
            Ok(mut rows) => {
                for (id, answer) in answers {
                    let at = rows.iter().position(|row| row.id == id);
                    // Who asked may have gone.
                    drop(answer.send(Ok(at.map(|at| rows.swap_remove(at)))));
                }
            }
            // One of them can't be written, and so none was: each stands for itself.
            Err(Error::Internal(_)) if jobs.len() > 1 => {
                for (job, (_, answer)) in jobs.iter().zip(answers) {
                    let one = store::accept(&self.kernel.db, std::slice::from_ref(job)).await;
                    drop(answer.send(one.map(|mut rows| rows.pop())));
                }
            }
            Err(problem) => {
                let text = problem.private_text();
                let mut first = Some(problem);
                for (_, answer) in answers {
                    let problem = first
                        .take()
                        .unwrap_or_else(|| Error::Unavailable(text.clone().into()));
                    drop(answer.send(Err(problem)));
                }
            }
        }
    }
}

impl Place {
    async fn work(self) {
        let intake = self.0.clone();
        loop {
            let batch = intake.desk().next();
            if batch.is_empty() {
                return;
            }
            let mut write = Box::pin(intake.write(batch));
            if tokio::time::timeout(LONG, &mut write).await.is_err() {
                drop(self);
                return write.await;
            }
        }
    }
}
