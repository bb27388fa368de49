//! The agent channel: one WebSocket to the server, made again whenever it breaks. Messages of one
//! connection keep their order. It must not know what messages mean, apart from Hello and Welcome.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, ServerToAgent, decode};
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::config::Hidden;

const QUEUE: usize = 256;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const WRITE_LIMIT: Duration = Duration::from_secs(20);
const PING_EVERY: Duration = Duration::from_secs(5);
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const MAX_MESSAGE: usize = 128 << 20;

/// The channel is down; what was to be sent is repeated by its owner after the next connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent channel is down")]
pub struct Down;

/// Why a connection could not be made or broke.
#[derive(Debug, thiserror::Error)]
enum ChannelError {
    #[error("{0}")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("the key can't be sent in a header")]
    Key,
    #[error("the server did not answer in time")]
    Timeout,
    #[error("the server closed the connection")]
    Closed,
    #[error("the server's first message was not Welcome")]
    NoWelcome,
    #[error("a message can't be written: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("a message can't be read: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
}

impl From<tungstenite::Error> for ChannelError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// One connection after the server's Welcome.
#[derive(Debug, Clone)]
pub struct Session {
    /// Grows by one with every connection.
    pub generation: u64,
    pub verify_key: [u8; 32],
    pub lease: Duration,
    pub renew: Duration,
    /// The server answers runtime calls.
    pub runtime: bool,
    /// The server takes back a start that was not used.
    pub takes_back: bool,
    queue: mpsc::Sender<AgentToServer>,
}

impl Session {
    pub async fn send(&self, message: AgentToServer) -> Result<(), Down> {
        self.queue.send(message).await.map_err(|_| Down)
    }

    /// Waits until all that was said is on its way, or the connection is down.
    pub async fn flushed(&self) {
        // All places of the queue are free: the last message is with the socket.
        let _ = self.queue.reserve_many(QUEUE).await;
    }
}

/// The present connection, if there is one.
#[derive(Debug, Clone)]
pub struct Link(watch::Receiver<Option<Arc<Session>>>);

impl Link {
    pub fn session(&self) -> Option<Arc<Session>> {
        self.0.borrow().clone()
    }

    pub fn is_up(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits for the next change after the last one that was waited for.
    pub async fn changed(&mut self) -> Option<Arc<Session>> {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }

    /// Waits until there is a connection.
    pub async fn up(&mut self) -> Arc<Session> {
        loop {
            if let Some(session) = self.0.borrow_and_update().clone() {
                return session;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What is needed to connect.
#[derive(Debug)]
pub struct Channel {
    url: String,
    key: Hidden,
    hello: AgentToServer,
    session: watch::Sender<Option<Arc<Session>>>,
}

impl Channel {
    pub fn new(url: String, key: Hidden, hello: AgentToServer) -> (Self, Link) {
        let (session, receiver) = watch::channel(None);
        let channel = Self {
            url,
            key,
            hello,
            session,
        };
        (channel, Link(receiver))
    }

    /// Connects for ever; every message of the server goes to `deliver`.
    pub async fn drive(self, deliver: impl Fn(ServerToAgent)) {
        let (mut generation, mut pause) = (0, FIRST_PAUSE);
        loop {
            generation += 1;
            let begun = Instant::now();
            let ended = self.converse(generation, &deliver).await;
            if self.session.send_replace(None).is_some() {
                pause = FIRST_PAUSE;
            }
            if let Err(error) = ended {
                tracing::warn!(%error, "the agent channel is down");
            }
            metrics::counter!("cronium_orchestrator_reconnects_total").increment(1);
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn converse(&self, generation: u64, deliver: &impl Fn(ServerToAgent)) -> Result<(), ChannelError> {
        let mut request = self.url.as_str().into_client_request()?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", self.key.reveal())).map_err(|_| ChannelError::Key)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
        let (socket, _) = timeout(CONNECT_LIMIT, connecting)
            .await
            .map_err(|_| ChannelError::Timeout)??;
        let (mut sink, mut stream) = socket.split();
        write(&mut sink, Message::binary(rmp_serde::to_vec_named(&self.hello)?)).await?;
        let welcome = timeout(CONNECT_LIMIT, next(&mut stream))
            .await
            .map_err(|_| ChannelError::Timeout)??;
        let Some(ServerToAgent::Welcome {
            verify_key,
            lease_secs,
            renew_secs,
            runtime,
            takes_back,
        }) = welcome
        else {
            return Err(ChannelError::NoWelcome);
        };
        let (queue, outgoing) = mpsc::channel(QUEUE);
        tracing::info!(generation, "the agent channel is up");
        self.session.send_replace(Some(Arc::new(Session {
            generation,
            verify_key,
            lease: Duration::from_secs(u64::from(lease_secs.max(1))),
            renew: Duration::from_secs(u64::from(renew_secs.max(1))),
            runtime,
            takes_back,
            queue,
        })));
        // Both directions at once: neither waits for the other, so full buffers can't lock both ends.
        tokio::select! {
            ended = write_all(&mut sink, outgoing) => ended,
            ended = read_all(&mut stream, deliver) => ended,
        }
    }
}

async fn write<S>(sink: &mut S, message: Message) -> Result<(), ChannelError>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    match timeout(WRITE_LIMIT, sink.send(message)).await {
        Ok(sent) => Ok(sent?),
        Err(_) => Err(ChannelError::Timeout),
    }
}

async fn write_all<S>(sink: &mut S, mut outgoing: mpsc::Receiver<AgentToServer>) -> Result<(), ChannelError>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    let mut ping = interval(PING_EVERY);
    loop {
        let message = tokio::select! {
            message = outgoing.recv() => match message {
                Some(message) => Message::binary(rmp_serde::to_vec_named(&message)?),
                None => return Err(ChannelError::Closed),
            },
            _ = ping.tick() => Message::Ping(tungstenite::Bytes::new()),
        };
        write(sink, message).await?;
    }
}

async fn read_all<S>(stream: &mut S, deliver: &impl Fn(ServerToAgent)) -> Result<(), ChannelError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    loop {
        match timeout(SILENCE_LIMIT, next(stream)).await {
            Ok(message) => {
                if let Some(message) = message? {
                    deliver(message);
                }
            }
            Err(_) => return Err(ChannelError::Timeout),
        }
    }
}

/// The next message; None for anything that only shows that the peer is there.
async fn next<S>(stream: &mut S) -> Result<Option<ServerToAgent>, ChannelError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    match stream.next().await.ok_or(ChannelError::Closed)?? {
        Message::Binary(bytes) => {
            let message = decode(&bytes)?;
            if message.is_none() {
                tracing::warn!("the server said something that this version does not know: it is newer");
            }
            Ok(message)
        }
        Message::Close(_) => Err(ChannelError::Closed),
        _ => Ok(None),
    }
}

/// Connections whose other side is a test.
#[cfg(test)]
pub mod fake {
    use super::*;

    #[derive(Debug)]
    pub struct Wire {
        session: watch::Sender<Option<Arc<Session>>>,
        generation: u64,
    }

    impl Wire {
        pub fn new() -> (Self, Link) {
            let (session, link) = watch::channel(None);
            let generation = 0;
            (Self { session, generation }, Link(link))
        }

        /// A new connection, and what is said over it.
        pub fn connect(&mut self) -> mpsc::Receiver<AgentToServer> {
            let (queue, said) = mpsc::channel(QUEUE);
            self.generation += 1;
            self.session.send_replace(Some(Arc::new(Session {
                generation: self.generation,
                verify_key: [0; 32],
                lease: Duration::from_secs(15),
                renew: Duration::from_secs(5),
                runtime: true,
                takes_back: true,
                queue,
            })));
            said
        }

        pub fn cut(&self) {
            self.session.send_replace(None);
        }
    }
}
