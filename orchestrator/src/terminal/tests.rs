use std::sync::Mutex;

use cronium_protocol::agent::{AgentToServer, Claim};
use cronium_protocol::terminal::Size;
use tokio::time::advance;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::channel::fake::Wire;
use crate::clock;

/// Terminals whose shells last as long as somebody is on the other side.
struct World {
    ask: mpsc::UnboundedSender<Asked>,
    said: mpsc::Receiver<AgentToServer>,
    open: Arc<Mutex<usize>>,
    closing: Closing,
    _wire: Wire,
    running: AbortOnDropHandle<()>,
}

fn world() -> World {
    let (mut wire, link) = Wire::new();
    let said = wire.connect();
    let (ask, asked) = mpsc::unbounded_channel();
    let (open, closing) = (Arc::new(Mutex::new(0)), Closing::default());
    let count = open.clone();
    let shell = move |_: Place, mut back: Back| {
        let count = count.clone();
        async move {
            *count.lock().unwrap() += 1;
            back.opened();
            back.hung_up().await;
            *count.lock().unwrap() -= 1;
            End::Closed
        }
    };
    World {
        ask,
        said,
        open,
        running: AbortOnDropHandle::new(tokio::spawn(run(shell, link, asked, closing.clone()))),
        closing,
        _wire: wire,
    }
}

impl World {
    fn tell(&self, terminal: Uuid, word: ToTerminal) {
        self.ask.send(About { terminal, word }).unwrap();
    }

    fn open(&self) -> Uuid {
        let (id, execution_id) = (clock::new_id(), clock::new_id());
        let place = Place::Container(Claim {
            execution_id,
            epoch: 1,
        });
        let size = Size {
            columns: 80,
            rows: 24,
        };
        self.tell(id, ToTerminal::Open { place, size });
        id
    }

    async fn said(&mut self) -> (Uuid, FromTerminal) {
        let said = timeout(Duration::from_secs(5), self.said.recv()).await;
        match said.expect("in time").expect("a word") {
            AgentToServer::Terminal(About { terminal, word }) => (terminal, word),
            other => panic!("{other:?}"),
        }
    }

    fn count(&self) -> usize {
        *self.open.lock().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_are_open_and_the_next_is_refused_until_one_has_ended() {
    let mut world = world();
    let ids: Vec<_> = (0..MOST).map(|_| world.open()).collect();
    for _ in &ids {
        assert_eq!(world.said().await.1, FromTerminal::Opened);
    }
    let refused = world.open();
    match world.said().await {
        (id, FromTerminal::Ended(End::Failed { told })) => {
            assert_eq!(id, refused);
            assert!(told.starts_with("50 terminals"), "{told}");
        }
        other => panic!("{other:?}"),
    }
    world.tell(ids[7], ToTerminal::Close);
    assert_eq!(world.said().await, (ids[7], FromTerminal::Ended(End::Closed)));
    let next = world.open();
    assert_eq!(world.said().await, (next, FromTerminal::Opened));
    assert_eq!(world.count(), MOST);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_asked_for_twice_is_opened_once() {
    let mut world = world();
    let id = world.open();
    assert_eq!(world.said().await, (id, FromTerminal::Opened));
    let place = Place::Container(Claim {
        execution_id: clock::new_id(),
        epoch: 1,
    });
    let size = Size {
        columns: 80,
        rows: 24,
    };
    world.tell(id, ToTerminal::Open { place, size });
    advance(Duration::from_secs(1)).await;
    assert_eq!(world.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_here_is_over() {
    let mut world = world();
    let id = clock::new_id();
    let data = b"a".to_vec();
    world.tell(id, ToTerminal::Seen { number: 1 });
    world.tell(id, ToTerminal::Input { number: 1, data });
    assert!(matches!(
        world.said().await,
        (_, FromTerminal::Ended(End::Failed { .. }))
    ));
    world.tell(id, ToTerminal::GoOn { output: 0, input: 0 });
    assert!(matches!(
        world.said().await,
        (_, FromTerminal::Ended(End::Failed { .. }))
    ));
    world.tell(id, ToTerminal::Close);
    assert_eq!(world.said().await, (id, FromTerminal::Ended(End::Closed)));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_all_and_the_server_is_told() {
    let mut world = world();
    let mut ids: Vec<_> = (0..3).map(|_| world.open()).collect();
    for _ in &ids {
        assert_eq!(world.said().await.1, FromTerminal::Opened);
    }
    // Somebody takes what is said, as a connection does.
    let mut said = std::mem::replace(&mut world.said, mpsc::channel(1).1);
    let telling = tokio::spawn(async move {
        let mut told = Vec::new();
        while told.len() < 3 {
            match said.recv().await.unwrap() {
                AgentToServer::Terminal(About {
                    terminal,
                    word: FromTerminal::Ended(End::Failed { told: why }),
                }) => {
                    assert!(why.contains("stopped"), "{why}");
                    told.push(terminal);
                }
                other => panic!("{other:?}"),
            }
        }
        told
    });
    world.closing.close().await;
    assert_eq!(world.count(), 0);
    let mut told = telling.await.unwrap();
    told.sort_unstable();
    ids.sort_unstable();
    assert_eq!(told, ids);
    world.running.await.unwrap();
}
