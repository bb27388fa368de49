//! The server's side of terminals: takes what they show as they must say it, each piece once and in order.

use std::collections::HashMap;
use std::fmt;

use cronium_orchestrator::clock;
use cronium_protocol::agent::ServerToAgent;
use cronium_protocol::terminal::{
    About, End, FromTerminal, MAX_PIECE, PIECE_COST, Place, Size, ToTerminal, WINDOW,
};
use uuid::Uuid;

use crate::world::World;

#[derive(Debug, Default)]
pub struct Screens {
    /// Whether it said that it opens terminals.
    pub offered: bool,
    /// Nothing is seen.
    pub mute_seen: bool,
    all: HashMap<Uuid, Screen>,
}

/// What one terminal has said.
#[derive(Default)]
pub struct Screen {
    pub is_open: bool,
    pub shown: String,
    pub typed: u64,
    pub ended: Option<End>,
    /// So often it said that it is still there.
    pub held: usize,
    last: u64,
    /// What is not acknowledged: bytes, and what their pieces cost.
    pub unseen: usize,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.shown.chars().count().saturating_sub(2000);
        let tail: String = self.shown.chars().skip(skipped).collect();
        f.debug_struct("Screen")
            .field("is_open", &self.is_open)
            .field("tail", &tail)
            .field("typed", &self.typed)
            .field("ended", &self.ended)
            .field("last", &self.last)
            .field("unseen", &self.unseen)
            .finish_non_exhaustive()
    }
}

impl Screens {
    pub fn hear(&mut self, about: About<FromTerminal>) -> Vec<ServerToAgent> {
        let screen = self.all.entry(about.terminal).or_default();
        let answer = match about.word {
            FromTerminal::Opened => {
                screen.is_open = true;
                None
            }
            FromTerminal::Output { number, data, .. } => {
                assert!(screen.ended.is_none(), "it is over");
                assert_eq!(number, screen.last + 1, "pieces come once and in order");
                assert!((1..=MAX_PIECE).contains(&data.len()), "{} bytes", data.len());
                screen.last = number;
                screen.unseen += data.len() + PIECE_COST;
                assert!(screen.unseen <= WINDOW, "{} is unseen", screen.unseen);
                screen.shown += std::str::from_utf8(&data).expect("whole characters");
                (!self.mute_seen).then(|| screen.see())
            }
            FromTerminal::Typed { number } => {
                screen.typed = number;
                None
            }
            FromTerminal::Ended(end) => {
                screen.ended = Some(end);
                None
            }
            FromTerminal::Held => {
                screen.held += 1;
                Some(ToTerminal::GoOn {
                    output: screen.last,
                    input: screen.typed,
                })
            }
        };
        let terminal = about.terminal;
        let answer = answer.map(|word| ServerToAgent::Terminal(About { terminal, word }));
        answer.into_iter().collect()
    }

    pub fn get(&self, id: Uuid) -> Option<&Screen> {
        self.all.get(&id)
    }

    fn see(&mut self, id: Uuid) -> Option<ToTerminal> {
        self.all.get_mut(&id).map(Screen::see)
    }
}

impl Screen {
    fn see(&mut self) -> ToTerminal {
        self.unseen = 0;
        ToTerminal::Seen { number: self.last }
    }
}

/// What the server does with a terminal.
impl World {
    pub fn tell_terminal(&self, terminal: Uuid, word: ToTerminal) {
        self.agent.tell(ServerToAgent::Terminal(About { terminal, word }));
    }

    pub fn ask_for_terminal(&self, place: Place) -> Uuid {
        let id = clock::new_id();
        let size = Size {
            columns: 100,
            rows: 30,
        };
        self.tell_terminal(id, ToTerminal::Open { place, size });
        id
    }

    /// One whose shell is there.
    pub async fn open_terminal(&self, place: Place) -> Uuid {
        let id = self.ask_for_terminal(place);
        self.until_terminal(id, "open", |screen| screen.is_open).await;
        id
    }

    pub fn type_into(&self, id: Uuid, number: u64, text: &str) {
        let data = text.as_bytes().to_vec();
        self.tell_terminal(id, ToTerminal::Input { number, data });
    }

    pub async fn until_terminal(&self, id: Uuid, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let look = |screens: &Screens| screens.get(id).is_some_and(&is_so);
        self.agent
            .until(&format!("a terminal that is {what}"), 60, |kept| {
                look(&kept.screens).then_some(())
            })
            .await;
    }

    pub async fn until_shown(&self, id: Uuid, text: &str) {
        self.until_terminal(id, &format!("showing {text:?}"), |screen| {
            screen.shown.contains(text)
        })
        .await;
    }

    pub async fn until_ended(&self, id: Uuid) -> End {
        self.until_terminal(id, "over", |screen| screen.ended.is_some())
            .await;
        self.screen(id, |screen| screen.ended.clone().unwrap())
    }

    pub fn screen<T>(&self, id: Uuid, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.agent.kept().screens.get(id).expect("a terminal"))
    }

    /// Everything that was said so far is seen now, and what comes is seen at once.
    pub fn see_all(&self, id: Uuid) {
        let word = {
            let mut kept = self.agent.kept();
            kept.screens.mute_seen = false;
            kept.screens.see(id)
        };
        self.tell_terminal(id, word.expect("a terminal"));
    }

    /// Names of what is in the directory of connections to servers.
    pub fn ssh_files(&self) -> Vec<String> {
        let memory = std::path::Path::new("/dev/shm").join(format!("cronium-{}", self.id.simple()));
        let entries = std::fs::read_dir(memory).expect("these tests need /dev/shm");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries.map(|entry| name(entry).into_string().unwrap()).collect()
    }
}
