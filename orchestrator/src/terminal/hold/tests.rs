use tokio::sync::Semaphore;
use tokio::time::{advance, timeout};

use super::*;
use crate::channel::fake::Wire;

const SIZE: Size = Size {
    columns: 80,
    rows: 24,
};

/// One terminal: the test is the server, and the shell.
struct World {
    wire: Wire,
    said: mpsc::Receiver<AgentToServer>,
    words: mpsc::UnboundedSender<ToTerminal>,
    back: Back,
    end: Option<oneshot::Sender<End>>,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    task: AbortOnDropHandle<()>,
}

async fn world() -> World {
    let (mut wire, link) = Wire::new();
    let said = wire.connect();
    let (words, words_out) = mpsc::unbounded_channel();
    let (stop, places) = (CancellationToken::new(), Arc::new(Semaphore::new(1)));
    let (back_in, back) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let order = Order {
        id: clock::new_id(),
        size: SIZE,
        words: words_out,
        link,
        stop: stop.clone(),
        place: places.clone().try_acquire_owned().unwrap(),
    };
    let shell = move |back: Back| async move {
        back_in.send(back).unwrap();
        // As one that was cut off: it never ends.
        match ended.await {
            Ok(end) => end,
            Err(_) => std::future::pending().await,
        }
    };
    World {
        wire,
        said,
        words,
        task: AbortOnDropHandle::new(tokio::spawn(hold(order, shell))),
        back: back.await.unwrap(),
        end: Some(end),
        stop,
        places,
    }
}

impl World {
    async fn open() -> Self {
        let mut world = world().await;
        world.back.opened();
        assert_eq!(world.said().await, FromTerminal::Opened);
        world
    }

    async fn said(&mut self) -> FromTerminal {
        let said = timeout(Duration::from_secs(100), self.said.recv()).await;
        match said.expect("in time").expect("a word") {
            AgentToServer::Terminal(About { word, .. }) => word,
            other => panic!("{other:?}"),
        }
    }

    fn says_nothing(&mut self) -> bool {
        self.said.try_recv().is_err()
    }

    fn tell(&self, word: ToTerminal) {
        self.words.send(word).unwrap();
    }

    fn input(&self, number: u64, text: &str) {
        let data = text.as_bytes().to_vec();
        self.tell(ToTerminal::Input { number, data });
    }

    async fn show(&self, text: &str) {
        self.back.output.send(text.as_bytes().to_vec()).await.unwrap();
    }

    async fn output(&mut self) -> (u64, String) {
        match self.said().await {
            FromTerminal::Output { number, data, .. } => (number, String::from_utf8(data).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    async fn typed(&mut self) -> Option<Typed> {
        timeout(Duration::from_secs(100), self.back.input.recv())
            .await
            .expect("in time")
    }

    /// The shell ends.
    fn end(&mut self, end: End) {
        self.end.take().unwrap().send(end).unwrap();
        let (_, gone) = line(SIZE);
        self.back = gone;
    }

    async fn until_forgotten(self) {
        timeout(Duration::from_secs(100), self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn exited() -> End {
    End::Exited { code: Some(0) }
}

#[tokio::test(start_paused = true)]
async fn what_it_shows_is_cleaned_and_numbered() {
    let mut world = World::open().await;
    world.show("a\x1b]52;c;x\x07b\x1b[").await;
    assert_eq!(world.output().await, (1, "ab".to_owned()));
    world.show("1mc").await;
    assert_eq!(world.output().await, (2, "\x1b[1mc".to_owned()));
    world.end(exited());
    assert_eq!(world.said().await, FromTerminal::Ended(exited()));
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_waits_for_the_shell_and_is_typed_once() {
    let mut world = world().await;
    world.input(1, "a");
    world.input(1, "a");
    world.show("greeting").await;
    assert_eq!(world.output().await, (1, "greeting".to_owned()));
    assert!(world.back.input.is_empty(), "the shell is not there yet");
    world.back.opened();
    assert_eq!(world.typed().await, Some((1, b"a".to_vec())));
    world.input(2, "b");
    world.input(1, "a");
    assert_eq!(world.typed().await, Some((2, b"b".to_vec())));
    assert_eq!(world.said().await, FromTerminal::Opened);
    world.back.typed.send_replace(2);
    assert_eq!(world.said().await, FromTerminal::Typed { number: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_new_size_reaches_the_shell_and_none_is_odd() {
    let mut world = World::open().await;
    for (told, meant) in [((100, 30), (100, 30)), ((0, 65_535), (1, 1000))] {
        let size = |(columns, rows)| Size { columns, rows };
        world.tell(ToTerminal::Resize(size(told)));
        world.back.size.changed().await.unwrap();
        assert_eq!(*world.back.size.borrow_and_update(), size(meant));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_is_not_read_waits() {
    let mut world = World::open().await;
    let chunk = "x".repeat(crate::terminal::line::CHUNK);
    let mut shown = 0;
    while timeout(Duration::from_secs(1), world.show(&chunk)).await.is_ok() {
        shown += 1;
        assert!(shown < 100, "it is never full");
    }
    let mut last = 0;
    while let Ok(AgentToServer::Terminal(About { word, .. })) = world.said.try_recv() {
        if let FromTerminal::Output { number, .. } = word {
            last = number;
        }
    }
    world.tell(ToTerminal::Seen { number: last });
    timeout(Duration::from_secs(1), world.show(&chunk)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_closed_ends_when_its_shell_has() {
    let mut world = World::open().await;
    world.tell(ToTerminal::Close);
    assert_eq!(world.typed().await, None);
    assert_eq!(world.places.available_permits(), 0);
    world.end(exited());
    assert_eq!(world.said().await, FromTerminal::Ended(End::Closed));
    assert_eq!(world.places.available_permits(), 1);
    // The server says that it has heard it.
    world.tell(ToTerminal::Close);
    assert_eq!(world.said().await, FromTerminal::Ended(End::Closed));
    world.until_forgotten().await;
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_does_not_end_is_given_up() {
    let mut world = World::open().await;
    let began = Instant::now();
    world.tell(ToTerminal::Close);
    assert_eq!(world.said().await, FromTerminal::Ended(End::Closed));
    assert!(began.elapsed() >= HANG_UP_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_over_the_next_connection() {
    let mut world = World::open().await;
    world.show("a").await;
    assert_eq!(world.output().await, (1, "a".to_owned()));
    world.wire.cut();
    world.show("b").await;
    advance(Duration::from_secs(20)).await;
    world.said = world.wire.connect();
    assert_eq!(world.said().await, FromTerminal::Held);
    world.show("c").await;
    // Not before it is known where.
    advance(Duration::from_secs(20)).await;
    assert!(world.says_nothing());
    world.tell(ToTerminal::GoOn { output: 1, input: 0 });
    assert_eq!(world.said().await, FromTerminal::Opened);
    let mut shown = String::new();
    for number in 2.. {
        let (found, text) = world.output().await;
        assert_eq!(found, number);
        shown += &text;
        if shown == "bc" {
            break;
        }
    }
    // It is not given up any more.
    advance(LOST_LIMIT * 2).await;
    world.input(1, "still there");
    assert!(world.typed().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_has_given_it_up() {
    let mut world = World::open().await;
    let began = Instant::now();
    world.wire.cut();
    assert_eq!(world.typed().await, None);
    assert!(began.elapsed() >= LOST_LIMIT && began.elapsed() < LOST_LIMIT * 2);
    world.end(exited());
    // It comes back in time to hear of it.
    world.said = world.wire.connect();
    assert_eq!(world.said().await, FromTerminal::Held);
    world.tell(ToTerminal::GoOn { output: 0, input: 0 });
    assert_eq!(world.said().await, FromTerminal::Opened);
    assert!(
        matches!(world.said().await, FromTerminal::Ended(End::Failed { told }) if told.contains("Contact"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_has_given_it_up_however_often_it_connects() {
    let mut world = World::open().await;
    let began = Instant::now();
    for _ in 0..3 {
        world.wire.cut();
        tokio::task::yield_now().await;
        world.said = world.wire.connect();
        assert_eq!(world.said().await, FromTerminal::Held);
        advance(Duration::from_secs(9)).await;
    }
    assert_eq!(world.typed().await, None);
    assert!(began.elapsed() <= LOST_LIMIT * 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_not_heard_is_said_again() {
    let mut world = World::open().await;
    world.end(exited());
    assert_eq!(world.said().await, FromTerminal::Ended(exited()));
    world.wire.cut();
    tokio::task::yield_now().await;
    world.said = world.wire.connect();
    assert_eq!(world.said().await, FromTerminal::Held);
    world.tell(ToTerminal::GoOn { output: 0, input: 0 });
    assert_eq!(world.said().await, FromTerminal::Opened);
    assert_eq!(world.said().await, FromTerminal::Ended(exited()));
    // Nobody asks any more.
    world.until_forgotten().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_it_and_is_told() {
    let mut world = World::open().await;
    world.stop.cancel();
    assert_eq!(world.typed().await, None);
    world.end(exited());
    assert!(
        matches!(world.said().await, FromTerminal::Ended(End::Failed { told }) if told.contains("stopped"))
    );
    let began = Instant::now();
    world.until_forgotten().await;
    assert!(began.elapsed() < LINGER);
}
