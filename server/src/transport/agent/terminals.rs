//! Terminals of one connection: opened, told and heard beside everything else, so that neither lines nor ends wait for
//! them. What they say is kept in its order, all that came meanwhile at once. With the connection they stay where they
//! are: the orchestrator names them over its next one.

use std::collections::{BTreeSet, HashMap};

use cronium_protocol::agent::ServerToAgent;
use cronium_protocol::terminal::{About, FromTerminal, ToTerminal};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::kernel::signals::TerminalSignal;
use crate::kernel::{Error, Result};
use crate::terminals::{self, Heard, Lines, News, Opening, Said};

/// Terminals of one orchestrator at a time.
const MOST: usize = 50;
/// Output that waits to be kept: more than all terminals together may have under way.
const MOST_BYTES: usize = 64 << 20;

/// Terminals that this connection carries.
pub struct Terminals {
    /// None: the orchestrator opens none.
    service: Option<terminals::Terminals>,
    orchestrator: Uuid,
    /// It reaches servers.
    ssh: bool,
    draining: bool,
    signals: Receiver<TerminalSignal>,
    lines: Lines,
    /// What was said and waits for what was said before.
    said: Said,
    /// Of these there may be news.
    asked: BTreeSet<Uuid>,
    work: JoinSet<Done>,
    looking: Looking,
    hearing: bool,
    asking: bool,
    /// The next look says too that the orchestrator is there.
    renew: bool,
}

/// A look for terminals that are to be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looking {
    No,
    Yes,
    /// There may be more than it has seen.
    Again,
}

enum Done {
    Taken(Result<Vec<Opening>>),
    Heard(BTreeSet<Uuid>, Result<Heard>),
    News(Result<HashMap<Uuid, Option<News>>>),
}

fn told(about: About<ToTerminal>) -> ServerToAgent {
    ServerToAgent::Terminal(about)
}

impl Terminals {
    pub fn new(
        service: Option<terminals::Terminals>,
        orchestrator: Uuid,
        ssh: bool,
        signals: Receiver<TerminalSignal>,
    ) -> Self {
        Self {
            service,
            orchestrator,
            ssh,
            draining: false,
            signals,
            lines: Lines::default(),
            said: Said::default(),
            asked: BTreeSet::new(),
            work: JoinSet::new(),
            looking: Looking::No,
            hearing: false,
            asking: false,
            renew: false,
        }
    }

    /// Begins to take what is to be opened. One that is to take nothing new still opens terminals in what it runs.
    pub fn look(&mut self, draining: bool) {
        self.draining = draining;
        let room = MOST.saturating_sub(self.lines.count());
        let Some(service) = self.service.clone().filter(|_| room > 0) else {
            return;
        };
        if self.looking != Looking::No {
            self.looking = Looking::Again;
            return;
        }
        self.looking = Looking::Yes;
        let (orchestrator, servers, known) = (self.orchestrator, self.ssh && !draining, self.lines.ids());
        self.work
            .spawn(async move { Done::Taken(service.take(orchestrator, servers, room, &known).await) });
    }

    /// Stands behind the signals, and says that the orchestrator is there.
    pub fn beat(&mut self, draining: bool) {
        self.look(draining);
        self.renew = true;
        self.ask(self.lines.ids());
    }

    /// Takes in what was said, to be kept with what comes with it. More than may be under way ends the connection.
    pub fn heard(&mut self, about: About<FromTerminal>) -> Result<()> {
        if let FromTerminal::Ended(_) = about.word {
            self.lines.ended(about.terminal);
        }
        self.said.add(about);
        if self.said.bytes() > MOST_BYTES {
            return Err(Error::BadRequest("terminals say more than they may".into()));
        }
        Ok(())
    }

    /// Begins to keep what was said.
    fn hear(&mut self) {
        let Some(service) = self.service.clone() else {
            self.said = Said::default();
            return;
        };
        if self.hearing || self.said.is_empty() {
            return;
        }
        self.hearing = true;
        let (orchestrator, said) = (self.orchestrator, std::mem::take(&mut self.said));
        self.work.spawn(async move {
            let alive = said.alive();
            Done::Heard(alive, service.hear(orchestrator, said).await)
        });
    }

    /// Begins to look for news of these, and of those that waited for that.
    fn ask(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        self.asked.extend(ids);
        let Some(service) = self.service.clone().filter(|_| !self.asking) else {
            return;
        };
        let told = self.lines.told(std::mem::take(&mut self.asked));
        let renew = std::mem::take(&mut self.renew);
        if told.is_empty() {
            return;
        }
        self.asking = true;
        let orchestrator = self.orchestrator;
        self.work.spawn(async move {
            if renew {
                let ids: Vec<Uuid> = told.iter().map(|(id, _)| *id).collect();
                if let Err(problem) = service.renew(orchestrator, &ids).await {
                    return Done::News(Err(problem));
                }
            }
            Done::News(service.news(orchestrator, &told).await)
        });
    }

    /// What to tell next; waits for ever while there is nothing to come.
    pub async fn next(&mut self) -> Result<Vec<ServerToAgent>> {
        loop {
            self.hear();
            tokio::select! {
                Some(done) = self.work.join_next() => {
                    let messages = self.done(done.map_err(Error::internal)?)?;
                    if !messages.is_empty() {
                        return Ok(messages);
                    }
                }
                signal = self.signals.recv() => self.signalled(signal).await,
            }
        }
    }

    async fn signalled(&mut self, signal: std::result::Result<TerminalSignal, RecvError>) {
        match signal {
            Ok(TerminalSignal::Wanted) => self.look(self.draining),
            Ok(TerminalSignal::Told(id)) if self.lines.contains(id.0) => self.ask([id.0]),
            Ok(TerminalSignal::Told(_) | TerminalSignal::Shown(_)) => {}
            Ok(TerminalSignal::Missed) | Err(RecvError::Lagged(_)) => {
                self.look(self.draining);
                self.ask(self.lines.ids());
            }
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    fn done(&mut self, done: Done) -> Result<Vec<ServerToAgent>> {
        Ok(match done {
            Done::Taken(taken) => {
                let again = std::mem::replace(&mut self.looking, Looking::No) == Looking::Again;
                let mut taken = taken.unwrap_or_else(|problem| {
                    let problem = problem.private_text();
                    tracing::warn!(
                        problem,
                        "terminals were not given out; they are with the next look"
                    );
                    Vec::new()
                });
                // One that it was given over its last connection, and has named meanwhile over this one.
                taken.retain(|opening| !self.lines.contains(opening.id));
                // One may have been closed before its line was here to be told.
                let ids: Vec<Uuid> = taken.iter().map(|opening| opening.id).collect();
                let open = taken.into_iter().map(|opening| told(self.lines.open(opening)));
                let messages = open.collect();
                self.ask(ids);
                if again {
                    self.look(self.draining);
                }
                messages
            }
            Done::Heard(alive, heard) => {
                self.hearing = false;
                let heard = match heard {
                    Ok(heard) => heard,
                    // Over another connection it is all said again.
                    Err(Error::Unavailable(away)) => return Err(Error::Unavailable(away)),
                    Err(problem) => {
                        let problem = problem.private_text();
                        tracing::error!(
                            problem,
                            "what terminals showed could not be kept: they are hung up"
                        );
                        Heard {
                            over: alive.into_iter().collect(),
                            ..Heard::default()
                        }
                    }
                };
                // What was typed meanwhile waits for those that go on.
                let met: Vec<Uuid> = heard.met.iter().map(|meeting| meeting.id).collect();
                let messages = self.lines.heard(heard).into_iter().map(told).collect();
                self.ask(met);
                messages
            }
            Done::News(news) => {
                self.asking = false;
                let news = news.unwrap_or_else(|problem| {
                    let problem = problem.private_text();
                    tracing::warn!(
                        problem,
                        "what is new of terminals was not found out; it is looked for again"
                    );
                    HashMap::new()
                });
                let mut messages = Vec::new();
                for (id, one) in news {
                    messages.extend(self.lines.news(id, one).into_iter().map(told));
                }
                self.ask([]);
                messages
            }
        })
    }
}
