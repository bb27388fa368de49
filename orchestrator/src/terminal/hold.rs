//! Holds one terminal from being asked for to its end: carries words between the server and the shell, keeps what the
//! server has not seen while the connection is away, and hangs up where nobody asks for it any more. It must not know
//! where the shell is.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::AgentToServer;
use cronium_protocol::terminal::{About, End, FromTerminal, Size, ToTerminal};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::failed;
use super::filter::Filter;
use super::line::{Back, Front, HANG_UP_LIMIT, Typed, line, within};
use super::talk::{Talk, Typing};
use crate::channel::{Link, Session};
use crate::clock;

/// A server that is away for so long, or does not say how to go on, has given it up.
const LOST_LIMIT: Duration = Duration::from_secs(30);
/// Its end is kept for so long, because the connection over which it was said may have broken.
const LINGER: Duration = Duration::from_secs(30);

/// What it takes to hold a terminal.
#[derive(Debug)]
pub struct Order {
    pub id: Uuid,
    pub size: Size,
    pub words: mpsc::UnboundedReceiver<ToTerminal>,
    pub link: Link,
    /// The orchestrator stops.
    pub stop: CancellationToken,
    /// Given back when the shell has ended.
    pub place: OwnedSemaphorePermit,
}

/// Opens the shell, and holds it.
pub async fn hold<F>(order: Order, shell: impl FnOnce(Back) -> F)
where
    F: Future<Output = End> + Send + 'static,
{
    let (front, back) = line(order.size);
    let Front {
        opened,
        output,
        input,
        typed,
        size,
    } = front;
    let session = order.link.session();
    let mut holder = Holder {
        id: order.id,
        generation: session.as_ref().map_or(0, |session| session.generation),
        session,
        words: order.words,
        link: order.link,
        stop: order.stop,
        talk: Talk::new(),
        filter: Filter::default(),
        opened: Some(opened),
        output: Some(output),
        input: Some(input),
        early: Vec::new(),
        typed: Some(typed),
        size,
        shell: Some(AbortOnDropHandle::new(tokio::spawn(shell(back)))),
        place: Some(order.place),
        closing: None,
        closed_by: None,
        lost_at: None,
        has_greeted: false,
        over_at: None,
        is_dismissed: false,
    };
    if holder.session.is_none() {
        holder.lost();
    }
    holder.run().await;
}

struct Holder {
    id: Uuid,
    session: Option<Arc<Session>>,
    generation: u64,
    words: mpsc::UnboundedReceiver<ToTerminal>,
    link: Link,
    stop: CancellationToken,
    talk: Talk,
    filter: Filter,
    opened: Option<oneshot::Receiver<()>>,
    /// None: at its end, or not wanted any more.
    output: Option<mpsc::Receiver<Vec<u8>>>,
    /// None: hung up.
    input: Option<mpsc::UnboundedSender<Typed>>,
    /// What was typed before the shell was there.
    early: Vec<Typed>,
    typed: Option<watch::Receiver<u64>>,
    size: watch::Sender<Size>,
    shell: Option<AbortOnDropHandle<End>>,
    place: Option<OwnedSemaphorePermit>,
    /// It was hung up, for this.
    closing: Option<End>,
    closed_by: Option<Instant>,
    /// The server is given up.
    lost_at: Option<Instant>,
    /// A new connection has heard of it since the server was lost.
    has_greeted: bool,
    /// Nobody asks for its end any more.
    over_at: Option<Instant>,
    /// The server wants to hear nothing more after its end.
    is_dismissed: bool,
}

impl Holder {
    async fn run(mut self) {
        loop {
            self.say().await;
            let is_stopping = self.stop.is_cancelled();
            if self.talk.is_over() && (self.is_dismissed || is_stopping) {
                return;
            }
            tokio::select! {
                biased;
                Some(word) = self.words.recv() => self.hear(word),
                () = self.stop.cancelled(), if self.closing.is_none() && !self.talk.is_over() => {
                    self.hang_up(failed("The orchestrator stopped."));
                }
                session = self.link.changed() => self.connection(session).await,
                () = at(self.closed_by) => self.end(failed("The shell did not end in time.")),
                () = at(self.lost_at) => self.give_up(),
                () = at(self.over_at) => return,
                is_there = heard(&mut self.opened) => if is_there {
                    self.open();
                },
                changed = changed(&mut self.typed) => match changed {
                    Some(number) => self.talk.typed(number),
                    None => self.typed = None,
                },
                () = at(self.talk.due()) => self.talk.cut(clock::now()),
                chunk = next(&mut self.output), if self.talk.has_room() => match chunk {
                    Some(chunk) => {
                        let mut shown = Vec::with_capacity(chunk.len());
                        self.filter.pass(&chunk, &mut shown);
                        self.show(&shown);
                    }
                    None => self.output = None,
                },
                ended = joined(&mut self.shell), if self.output.is_none() => match ended {
                    Ok(end) => self.end(end),
                    Err(error) => {
                        tracing::error!(%error, terminal = %self.id, "a terminal's task failed");
                        self.end(failed("Something went wrong in the orchestrator; its log says more."));
                    }
                },
            }
        }
    }

    /// Says what there is to say, where somebody listens. What does not arrive is said again over the next connection.
    async fn say(&mut self) {
        let Some(session) = self.session.clone() else {
            return;
        };
        for word in self.talk.words() {
            if tell(&session, self.id, word).await.is_err() {
                return;
            }
        }
    }

    fn hear(&mut self, word: ToTerminal) {
        match word {
            // Again, from a server that has lost the connection.
            ToTerminal::Open { .. } => {}
            ToTerminal::Input { number, data } => self.input(number, data),
            ToTerminal::Resize(size) => {
                self.size.send_replace(within(size));
            }
            ToTerminal::Seen { number } => self.talk.seen(number),
            ToTerminal::Close if self.talk.is_over() => {
                self.talk.repeat_end();
                self.is_dismissed = true;
            }
            ToTerminal::Close => self.hang_up(End::Closed),
            ToTerminal::GoOn { output, input } => {
                self.talk.go_on(output, input);
                (self.lost_at, self.has_greeted) = (None, false);
            }
        }
    }

    fn input(&mut self, number: u64, data: Vec<u8>) {
        let Some(input) = &self.input else { return };
        match self.talk.input(number, data.len()) {
            // A shell that has ended takes nothing: its end says so.
            Typing::Next if self.talk.is_open() => drop(input.send((number, data))),
            Typing::Next => self.early.push((number, data)),
            Typing::PassedOver => {}
            Typing::TooMuch => self.hang_up(failed("More was typed than the program there takes.")),
        }
    }

    fn open(&mut self) {
        tracing::debug!(terminal = %self.id, "a terminal is open");
        self.talk.open();
        if let Some(input) = &self.input {
            for piece in self.early.drain(..) {
                let _ = input.send(piece);
            }
        }
    }

    fn show(&mut self, shown: &[u8]) {
        if !shown.is_empty() {
            self.talk.show(shown, clock::now());
        }
    }

    async fn connection(&mut self, session: Option<Arc<Session>>) {
        if session.as_ref().map(|session| session.generation) == Some(self.generation) {
            return;
        }
        if self.talk.is_heard() {
            self.lost();
        }
        let Some(session) = session else {
            self.session = None;
            return;
        };
        // Once: a server that does not answer is not waited for longer because its connections break.
        if !std::mem::replace(&mut self.has_greeted, true) {
            self.lost_at = Some(Instant::now() + LOST_LIMIT);
        }
        self.generation = session.generation;
        // Where this fails, the next connection comes.
        let _ = tell(&session, self.id, FromTerminal::Held).await;
        self.session = Some(session);
    }

    fn lost(&mut self) {
        self.talk.cut_off();
        self.lost_at = Some(Instant::now() + LOST_LIMIT);
        self.has_greeted = false;
    }

    fn give_up(&mut self) {
        self.lost_at = None;
        self.hang_up(failed("Contact with the server was lost."));
    }

    fn hang_up(&mut self, why: End) {
        if self.closing.is_some() || self.talk.is_over() {
            return;
        }
        self.closing = Some(why);
        self.closed_by = Some(Instant::now() + HANG_UP_LIMIT);
        (self.input, self.output) = (None, None);
        self.early.clear();
    }

    /// The shell has ended like this, or for what it was hung up for.
    fn end(&mut self, end: End) {
        let end = self.closing.take().unwrap_or(end);
        tracing::debug!(terminal = %self.id, ?end, "a terminal is over");
        if let Some(typed) = self.typed.take() {
            let number = *typed.borrow();
            self.talk.typed(number);
        }
        let mut shown = Vec::new();
        self.filter.end(&mut shown);
        self.show(&shown);
        self.talk.cut(clock::now());
        self.talk.end(end);
        (self.input, self.output, self.shell, self.opened) = (None, None, None, None);
        drop(self.place.take());
        self.closed_by = None;
        self.over_at = Some(Instant::now() + LINGER);
    }
}

/// Says something about a terminal.
pub async fn tell(session: &Session, terminal: Uuid, word: FromTerminal) -> Result<(), crate::channel::Down> {
    session
        .send(AgentToServer::Terminal(About { terminal, word }))
        .await
}

/// Never, where there is no such moment.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Whether the shell is there now; false: it will not be.
async fn heard(opened: &mut Option<oneshot::Receiver<()>>) -> bool {
    let Some(receiver) = opened else {
        return std::future::pending().await;
    };
    let is_there = receiver.await.is_ok();
    *opened = None;
    is_there
}

/// The number of the last piece that was typed when there is another one; None: there will be none.
async fn changed(typed: &mut Option<watch::Receiver<u64>>) -> Option<u64> {
    let Some(receiver) = typed else {
        return std::future::pending().await;
    };
    receiver.changed().await.ok()?;
    Some(*receiver.borrow_and_update())
}

async fn next(output: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match output {
        Some(output) => output.recv().await,
        None => std::future::pending().await,
    }
}

async fn joined(shell: &mut Option<AbortOnDropHandle<End>>) -> Result<End, JoinError> {
    match shell {
        Some(shell) => shell.await,
        None => std::future::pending().await,
    }
}
