//! The pool with a maker that makes nothing: what waits, what is taken, what is removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cronium_protocol::frame::{FrameReader, FromRunner, ToRunner};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::executor::Tail;
use crate::problem::Problem;

/// One side of a runner that the test plays.
struct Runner {
    target: Target,
    said: mpsc::Sender<Result<FromRunner, frame::FrameError>>,
    heard: mpsc::UnboundedReceiver<Vec<u8>>,
}

#[derive(Default)]
struct Shared {
    runners: Mutex<Vec<Runner>>,
    removed: Mutex<Vec<Target>>,
    made: AtomicUsize,
    /// As many as were there at a time.
    most: AtomicUsize,
    /// Whether runners end as soon as they are made.
    dying: AtomicBool,
    broken: AtomicBool,
}

#[derive(Clone)]
struct Fake {
    shared: Arc<Shared>,
    /// As many as may be made.
    room: Arc<Semaphore>,
}

impl Maker for Fake {
    async fn make(&self, class: &Class, target: &Target) -> Result<Attached, ExecutorError> {
        if class.image == "broken" || self.shared.broken.load(Ordering::Acquire) {
            return Err(Problem::Refused.into());
        }
        self.room.acquire().await.unwrap().forget();
        let (said, frames) = mpsc::channel(32);
        let (input, heard) = mpsc::unbounded_channel();
        let target = target.clone();
        let made = 1 + self.shared.made.fetch_add(1, Ordering::AcqRel);
        let there = made - self.shared.removed.lock().unwrap().len();
        self.shared.most.fetch_max(there, Ordering::AcqRel);
        if !self.shared.dying.load(Ordering::Acquire) {
            let runner = Runner { target, said, heard };
            self.shared.runners.lock().unwrap().push(runner);
        }
        Ok(Attached {
            frames,
            input,
            stderr: Tail::default(),
            pumps: Vec::new(),
        })
    }

    async fn remove(&self, target: &Target) -> Result<(), ExecutorError> {
        self.shared.removed.lock().unwrap().push(target.clone());
        Ok(())
    }
}

struct World {
    pool: Arc<Pool>,
    fake: Fake,
    keeper: AbortOnDropHandle<()>,
}

fn world(most: usize, room: usize) -> World {
    let (pool, shared) = (Pool::new(most), Arc::new(Shared::default()));
    let room = Arc::new(Semaphore::new(room));
    let fake = Fake { shared, room };
    let keeper = AbortOnDropHandle::new(tokio::spawn(pool.clone().keep(fake.clone())));
    World { pool, fake, keeper }
}

fn class(image: &str) -> Class {
    Class {
        image: image.into(),
        memory_bytes: 1,
        cpu_millis: 1,
        pids: 1,
        verify_key: [0; 32],
    }
}

impl World {
    /// Asks, as a job does that then begins.
    fn ask(&self, image: &str) -> Option<(Target, Attached)> {
        let taken = self.pool.take(&class(image), "docker:1");
        self.pool.refill();
        taken
    }

    /// Time goes on until so many wait.
    async fn waiting(&self, count: usize) -> Vec<Target> {
        for _ in 0..10_000 {
            let waiting = self.pool.waiting();
            if waiting.len() == count {
                return waiting;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{count} never wait, but {:?}", self.pool.waiting());
    }

    fn removed(&self) -> Vec<Target> {
        self.fake.shared.removed.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_waits_for_the_next_and_is_told_whom_it_serves() {
    let world = world(2, 9);
    assert!(world.ask("a").is_none());
    let first = world.waiting(1).await;
    assert!(
        world.pool.take(&class("b"), "docker:2").is_none(),
        "of another class"
    );
    let (target, _attached) = world.ask("a").unwrap();
    assert_eq!(vec![target.clone()], first);
    let heard = world.fake.shared.runners.lock().unwrap()[0]
        .heard
        .try_recv()
        .unwrap();
    let mut reader = FrameReader::default();
    reader.push(&heard);
    let told = ToRunner::Serve {
        target: "docker:1".into(),
    };
    assert_eq!(reader.next::<ToRunner>().unwrap().unwrap(), told);
    // Taken, it is known until it is cleaned up, so that no sweep takes it for a left-over.
    assert!(world.pool.knows(&target));
    world.pool.forget(&target);
    assert!(!world.pool.knows(&target));
}

#[tokio::test(start_paused = true)]
async fn one_that_died_or_does_not_answer_is_never_taken_and_is_removed() {
    let world = world(1, 9);
    world.ask("a");
    let died = world.waiting(1).await;
    world.fake.shared.runners.lock().unwrap().clear();
    assert!(world.ask("a").is_none());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.removed(), died);
    let silent = world.waiting(1).await;
    assert_ne!(silent, died);
    // It never says a word.
    tokio::time::sleep(PING_EVERY + LOOK_EVERY * 2).await;
    assert_eq!(world.removed(), [died, silent].concat());
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_waits_on_until_nobody_has_asked_for_long() {
    let world = world(1, 9);
    world.ask("a");
    let waits = world.waiting(1).await;
    let asked = Instant::now();
    while world.pool.waiting() == waits {
        {
            let runners = world.fake.shared.runners.lock().unwrap();
            runners[0].said.try_send(Ok(FromRunner::Pong)).unwrap();
        }
        tokio::time::sleep(PING_EVERY / 2).await;
    }
    assert!(
        asked.elapsed() >= Duration::from_mins(15),
        "{:?}",
        asked.elapsed()
    );
    world.waiting(0).await;
    assert_eq!(world.removed(), waits);
}

#[tokio::test(start_paused = true)]
async fn a_class_that_cannot_be_made_keeps_no_other_from_waiting() {
    let world = world(4, 9);
    world.ask("broken");
    world.ask("a");
    let waits = world.waiting(1).await;
    world.ask("broken");
    world.ask("broken");
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert_eq!(world.pool.waiting(), waits);
    assert_eq!(
        world.removed().len(),
        2,
        "what may be half made is removed, once for each time"
    );
}

#[tokio::test(start_paused = true)]
async fn what_dies_as_soon_as_it_is_made_is_made_again_with_the_next_round_only() {
    let world = world(2, 50);
    world.fake.shared.dying.store(true, Ordering::Release);
    world.ask("a");
    world.ask("a");
    let rounds = 4;
    tokio::time::sleep(LOOK_EVERY * rounds).await;
    let made = world.fake.shared.made.load(Ordering::Acquire);
    assert!((2..=2 * (rounds as usize + 1)).contains(&made), "{made}");
}

#[tokio::test(start_paused = true)]
async fn classes_that_come_while_one_is_made_get_their_share_of_the_places() {
    let world = world(3, 2);
    for _ in 0..3 {
        world.ask("a");
    }
    world.waiting(2).await;
    // The third is being made and can't go on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.ask("b");
    world.ask("c");
    world.fake.room.add_permits(9);
    tokio::time::sleep(LOOK_EVERY).await;
    assert_eq!(world.waiting(3).await.len(), 3);
    assert_eq!(world.removed().len(), 2);
    assert_eq!(
        world.fake.shared.most.load(Ordering::Acquire),
        3,
        "never more than may wait"
    );
    for image in ["a", "b", "c"] {
        assert!(world.ask(image).is_some(), "one of {image} waits");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_removes_what_waits_and_what_is_just_being_made() {
    let world = world(2, 1);
    world.ask("a");
    world.ask("a");
    let waits = world.waiting(1).await;
    // The second is being made and can't go on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.pool.close();
    world.fake.room.add_permits(1);
    world.keeper.await.unwrap();
    let made: Vec<_> = {
        let runners = world.fake.shared.runners.lock().unwrap();
        runners.iter().map(|runner| runner.target.clone()).collect()
    };
    let mut removed = world.fake.shared.removed.lock().unwrap().clone();
    removed.sort_by_key(|target| made.iter().position(|one| one == target));
    assert_eq!(removed, made);
    assert!(removed.contains(&waits[0]) && removed.len() == 2);
    assert!(world.pool.waiting().is_empty());
    assert!(world.pool.take(&class("a"), "docker:1").is_none());
}

#[tokio::test(start_paused = true)]
async fn without_room_there_is_no_pool() {
    let world = world(0, 9);
    for _ in 0..3 {
        assert!(world.ask("a").is_none());
    }
    tokio::time::sleep(LOOK_EVERY * 3).await;
    assert!(world.fake.shared.runners.lock().unwrap().is_empty());
}
