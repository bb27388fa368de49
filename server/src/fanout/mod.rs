//! Hints between servers, through Valkey's channels: a subscriber on one server hears at once what happens on
//! another. Everything here may be lost without harm. Whoever is told that something was, or finds it out by a gap,
//! reads the rows, and a poll stands behind all of it (docs/adr/0013).

mod inbox;
mod interest;
mod outbox;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, RedisError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::kernel::signals::{Hint, Relay};
use crate::kernel::{Error, Kernel, Result};
use crate::logs::Logs;

use inbox::{Inbox, Told};
use outbox::Outbox;
use wire::{Channel, Frame, Sealer, Secret, ServerId};

/// How long Valkey may take to answer; nobody waits for it but this task.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between attempts to reach it, at first and at most.
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);
/// Servers say that they are there, and what they read.
const REPEAT: Duration = Duration::from_secs(5);
/// Logs whose readers are told of; readers of more are served from the store.
const READ: usize = 4096;
/// Looks at everything are at least so far apart: while much is lost they cost what the looks behind cost.
const APART: Duration = Duration::from_secs(1);
/// The same for repeating what is read.
const REPEAT_APART: Duration = Duration::from_millis(100);

/// This server's end.
#[derive(Debug)]
pub struct Fanout {
    kernel: Kernel,
    logs: Logs,
    client: Client,
    secret: Secret,
    me: ServerId,
    outbox: Arc<Outbox>,
}

/// Why a connection is over.
#[derive(Debug)]
enum Over {
    Redis(RedisError),
    Silent,
    Closed,
}

impl From<RedisError> for Over {
    fn from(problem: RedisError) -> Self {
        Self::Redis(problem)
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redis(problem) => problem.fmt(f),
            Self::Silent => f.write_str("no answer"),
            Self::Closed => f.write_str("the connection was closed"),
        }
    }
}

impl Fanout {
    /// `shared` is what all servers of the installation know and nobody else. Nothing is connected yet.
    pub fn new(kernel: Kernel, logs: Logs, url: &str, shared: &str) -> Result<Self> {
        let client = Client::open(url).map_err(|e| Error::internal(e.to_string()))?;
        // One connection for both ways: RESP3 has a place for what nobody asked for.
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client =
            Client::open(info.set_redis_settings(settings)).map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self {
            client,
            secret: Secret::new(shared.as_bytes())?,
            me: ServerId(kernel.id()),
            outbox: Arc::default(),
            kernel,
            logs,
        })
    }

    /// Tells and listens until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        self.kernel
            .signals
            .relay_to(Arc::clone(&self.outbox) as Arc<dyn Relay>);
        metrics::gauge!("cronium_fanout_up").set(0.0);
        let mut sealer = self.secret.sealer(self.me);
        let (mut pause, mut said) = (FIRST, false);
        loop {
            let began = Instant::now();
            let over = tokio::select! {
                () = stop.cancelled() => return,
                over = self.connected(&mut sealer) => over,
            };
            let was_up = self.outbox.turn(false);
            metrics::gauge!("cronium_fanout_up").set(0.0);
            if was_up || !said {
                said = true;
                tracing::warn!(problem = %over, "Valkey does not answer: servers see each other's news by looking");
            }
            // One that comes and goes at once is not hurried either.
            pause = if was_up && began.elapsed() > MOST {
                FIRST
            } else {
                (pause * 2).min(MOST)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause + self.kernel.entropy.up_to(pause)) => {}
            }
        }
    }

    /// One connection, until it is over.
    async fn connected(&self, sealer: &mut Sealer) -> Over {
        let inbox = Arc::new(Inbox::new(self.me));
        let (mut connection, told) = match timeout(PATIENCE, self.connect(&inbox)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(problem)) => return problem.into(),
            Err(_) => return Over::Silent,
        };
        self.outbox.turn(true);
        metrics::gauge!("cronium_fanout_up").set(1.0);
        tracing::info!("servers tell each other what happens through Valkey");
        self.outbox.say(&Frame::Hello);
        // What was said while nobody listened here.
        self.missed();
        tokio::select! {
            over = self.send(&mut connection, sealer) => over,
            () = self.receive(&inbox, told) => Over::Closed,
        }
    }

    async fn connect(&self, inbox: &Arc<Inbox>) -> redis::RedisResult<(MultiplexedConnection, Told)> {
        let (push, told) = Inbox::pair(inbox);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_push_sender(push);
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let channels = [Channel::Everyone, Channel::To(self.me)].map(|channel| self.secret.name(channel));
        connection.subscribe(&channels).await?;
        Ok((connection, told))
    }

    /// Passes on what is told, several messages at a time. What comes while Valkey answers waits together.
    async fn send(&self, connection: &mut MultiplexedConnection, sealer: &mut Sealer) -> Over {
        let mut repeat = interval(REPEAT);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut all = tokio::select! {
                () = self.outbox.filled() => self.outbox.take(),
                now = repeat.tick() => {
                    self.outbox.interest.tidy(now);
                    self.say_what_is_read();
                    self.outbox.take()
                }
            };
            if all.iter().all(|(channel, _)| *channel != Channel::Everyone) {
                // Whoever missed the message before learns of it.
                all.push((Channel::Everyone, vec![Vec::new()]));
            }
            let (mut pipe, mut count, mut bytes) = (redis::pipe(), 0, 0);
            for (channel, messages) in all {
                let name = self.secret.name(channel);
                for message in messages {
                    let Ok(sealed) = sealer.seal(channel, &message) else {
                        continue;
                    };
                    (count, bytes) = (count + 1, bytes + sealed.len() as u64);
                    pipe.publish(&name, sealed).ignore();
                }
            }
            match timeout(PATIENCE, pipe.query_async::<()>(connection)).await {
                Ok(Ok(())) => {
                    metrics::counter!("cronium_fanout_messages_total", "way" => "out").increment(count);
                    metrics::counter!("cronium_fanout_bytes_total", "way" => "out").increment(bytes);
                }
                Ok(Err(problem)) => return problem.into(),
                Err(_) => return Over::Silent,
            }
        }
    }

    fn say_what_is_read(&self) {
        for execution in self.logs.read_here(READ) {
            self.outbox.say(&Frame::Hint(Hint::Reads(execution)));
        }
    }

    /// Hears what others tell, until the connection is closed.
    async fn receive(&self, inbox: &Inbox, mut told: Told) {
        let mut openers = inbox::Openers::new(self.secret.clone(), self.me);
        let (mut look, mut repeat) = (false, false);
        let (mut look_at, mut repeat_at) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                message = inbox.next(&mut told) => {
                    let Some(message) = message else { return };
                    if inbox.overflowed() {
                        look = true;
                    }
                    let Some((from, opened)) = openers.open(&message) else { continue };
                    metrics::counter!("cronium_fanout_messages_total", "way" => "in").increment(1);
                    metrics::counter!("cronium_fanout_bytes_total", "way" => "in").increment(message.len() as u64);
                    if opened.gap {
                        metrics::counter!("cronium_fanout_lost_total", "what" => "messages").increment(1);
                        look = true;
                    }
                    for frame in opened.frames {
                        match frame {
                            Frame::Hello => (look, repeat) = (true, true),
                            Frame::Missed => look = true,
                            Frame::Behind(execution) => self.logs.behind(execution),
                            Frame::Hint(Hint::Reads(execution)) => {
                                self.outbox.interest.reads(from, execution, Instant::now());
                            }
                            Frame::Hint(Hint::Unread(execution)) => self.outbox.interest.unread(from, execution),
                            Frame::Hint(hint @ (Hint::Lines(..) | Hint::Ended(_))) => self.logs.hear(&hint),
                            Frame::Hint(hint) => self.kernel.signals.hear(&hint),
                        }
                    }
                }
                () = sleep_until(look_at), if look => {
                    self.missed();
                    (look, look_at) = (false, Instant::now() + APART);
                }
                () = sleep_until(repeat_at), if repeat => {
                    self.say_what_is_read();
                    (repeat, repeat_at) = (false, Instant::now() + REPEAT_APART);
                }
            }
        }
    }

    /// Anything may have been said: whoever listens here looks at the rows.
    fn missed(&self) {
        self.kernel.signals.missed();
        self.logs.missed();
    }
}
