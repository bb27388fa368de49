//! Takes wake-ups from Apalis: a task only says "there is work", and its whole effect is to wake the
//! claimer. It must not know executions, nor any schema but Apalis' own.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{BoxDynError, Data, PollSnapshot, PollStrategy, PollWith, WorkerBuilder};
use apalis_postgres::{Config, PgListener, PgPool, PostgresStorage};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::config::Hidden;

/// Queue of wake-ups; the server pushes into it.
pub const QUEUE: &str = "cronium-wake";
/// Channel on which a pusher says that there is a new wake-up.
pub const NOTIFY_CHANNEL: &str = "cronium_wake";
const TICK: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);
/// Many wake-ups are one: a claim takes all free slots at once.
const BATCH: usize = 100;

/// Works until dropped; a database that is away is waited for.
pub async fn drive(url: Hidden, orchestrator: Uuid, wake: Arc<Notify>) {
    let mut life = 0_u32;
    loop {
        // A name for each life: Apalis holds an advisory lock on a worker's name.
        life = life.wrapping_add(1);
        let name = format!("orchestrator-{orchestrator}-{}-{life}", std::process::id());
        if let Err(error) = work(&url, name, wake.clone()).await {
            tracing::warn!(%error, "wake-ups can't be taken; the slow poll goes on");
        }
        sleep(PAUSE).await;
    }
}

async fn work(url: &Hidden, name: String, wake: Arc<Notify>) -> Result<(), BoxDynError> {
    let pool = PgPoolOptions::new()
        .max_connections(3)
        .acquire_timeout(Duration::from_secs(5))
        .connect(url.reveal())
        .await?;
    let config = Config::default()
        .queue(QUEUE)
        .batch_size(BATCH)
        .heartbeat_interval(Duration::from_secs(30))
        .lock_tasks(false)
        .persist_results(true);
    let storage = PostgresStorage::<serde_json::Value>::new(&pool).with_config(config);
    let worker = WorkerBuilder::new(name.as_str())
        .backend(PollWith::new(storage, Hints::listen(pool.clone(), wake.clone())))
        .data(wake)
        .build(ring);
    let ended = worker.run().await;
    pool.close().await;
    Ok(ended?)
}

async fn ring(_: serde_json::Value, wake: Data<Arc<Notify>>) -> Result<(), BoxDynError> {
    wake.notify_one();
    Ok(())
}

/// When to look for tasks: on a notification, and every few seconds for those that were scheduled or whose
/// notification was lost with its connection.
struct Hints {
    hints: mpsc::Receiver<()>,
    _listener: AbortOnDropHandle<()>,
}

impl Hints {
    fn listen(pool: PgPool, wake: Arc<Notify>) -> Self {
        let (sender, hints) = mpsc::channel(1);
        let listener = tokio::spawn(async move {
            let ticking = sender.clone();
            tokio::join!(tick(ticking), listen(pool, sender, wake));
        });
        Self {
            hints,
            _listener: AbortOnDropHandle::new(listener),
        }
    }
}

impl PollStrategy for Hints {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        // Polled until pending: only then the waker is registered for the next hint.
        let mut found = false;
        loop {
            match self.hints.poll_recv(cx) {
                Poll::Ready(Some(())) => found = true,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if found => return Poll::Ready(Some(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

async fn tick(hint: mpsc::Sender<()>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A hint that is waiting already says the same.
        let _ = hint.try_send(());
    }
}

async fn listen(pool: PgPool, hint: mpsc::Sender<()>, wake: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&pool, &hint, &wake).await {
            tracing::debug!(%error, "listening for wake-ups broke off");
        }
        sleep(PAUSE).await;
    }
}

async fn listen_once(pool: &PgPool, hint: &mpsc::Sender<()>, wake: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener
        .listen_all([NOTIFY_CHANNEL, "apalis::job::insert"])
        .await?;
    loop {
        listener.recv().await?;
        // One of all that listen takes the task, and that one may be full.
        wake.notify_one();
        let _ = hint.try_send(());
    }
}
