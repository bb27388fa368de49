//! `/graphql/ws`: the graphql-transport-ws protocol. One task reads, one writes, one runs each
//! operation; all of them meet in one bounded queue, so that a slow client slows its own streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, Stream, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, interval, sleep, timeout, timeout_at};

use crate::kernel::ids::UserId;
use crate::kernel::signals::Access;
use crate::kernel::{Actor, Error};

use super::auth::{self, Credentials};
use super::parameters::Parameters;
use super::request::{self, request_error};
use super::{Gateway, json};

const PROTOCOL: &str = "graphql-transport-ws";
const INIT: Duration = Duration::from_secs(10);
const PING: Duration = Duration::from_secs(20);
/// A peer that sends nothing for so long, not even pongs, is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// A client that takes nothing for so long is cut off.
const SLOW: Duration = Duration::from_secs(10);
/// A look at the session stands behind what is told of it.
const RECHECK: Duration = Duration::from_secs(4);
const SPREAD: Duration = Duration::from_millis(500);
/// How long one that was cut off may take to hear of it.
const LINGER: Duration = Duration::from_secs(30);
/// Bytes that go together when a client is behind: one that takes fewer within [`SLOW`] takes nothing.
const BURST: usize = 32 << 10;
/// Clients say little: what is longer takes more reads.
const READ_BUFFER: usize = 8 << 10;
/// Messages that wait for the client, and how large they may be together; a larger one waits alone.
const QUEUE: usize = 64;
const QUEUE_BYTES: usize = 512 << 10;

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Close(u16, String);

fn close<T>(code: u16, reason: impl Into<String>) -> Result<T, Close> {
    Err(Close(code, reason.into()))
}

enum Out {
    Message(String, OwnedSemaphorePermit),
    Ping,
    Close(Close),
}

/// The way to the client. Whoever says more than the client takes waits.
#[derive(Clone)]
struct Outbox {
    queue: mpsc::Sender<Out>,
    room: Arc<Semaphore>,
}

impl Outbox {
    fn new() -> (Self, mpsc::Receiver<Out>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        (Self { queue, room }, receiver)
    }

    /// None: nobody listens any more.
    async fn say(&self, message: String) -> Option<()> {
        let size = message.len().clamp(1, QUEUE_BYTES) as u32;
        let permit = self.room.clone().acquire_many_owned(size).await.ok()?;
        self.queue.send(Out::Message(message, permit)).await.ok()
    }
}

/// Waits until the credentials stand for somebody else, or for nobody. A database that does not answer
/// ends no session.
/// `changes`: what is told since before the actor was asked for.
pub async fn session_end(
    gateway: Gateway,
    credentials: Credentials,
    actor: Actor,
    mut changes: broadcast::Receiver<Access>,
) {
    let Actor::User { id: me, .. } = actor else {
        return std::future::pending().await;
    };
    loop {
        let told = timeout(RECHECK, change_of(&mut changes, me)).await;
        if told == Ok(Access::Everyone) {
            // All sockets hear it at once: their looks do not come at once too.
            sleep(gateway.kernel.entropy.up_to(SPREAD)).await;
        }
        match gateway.auth.authenticate(&credentials).await {
            Ok(now) if now == actor => {}
            Ok(_) | Err(Error::Unauthenticated) => return,
            Err(error) => tracing::warn!(error = %error.private_text(), "a session could not be checked"),
        }
    }
}

/// Waits until somebody says that these credentials may be worth something else.
async fn change_of(changes: &mut broadcast::Receiver<Access>, me: UserId) -> Access {
    loop {
        match changes.recv().await {
            Ok(Access::Of(user)) if user != me => {}
            Ok(told) => return told,
            Err(RecvError::Lagged(_)) => return Access::Everyone,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// The handshake.
pub async fn handle(
    State(gateway): State<Gateway>,
    client: Option<axum::Extension<ConnectInfo<std::net::SocketAddr>>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let credentials = Credentials::of(&headers, gateway.origins.secure);
    if credentials.ambient() && !gateway.origins.socket_is_ours(&headers) {
        return (StatusCode::FORBIDDEN, "This page may not use the session.\n").into_response();
    }
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(gateway.limits.body)
        .read_buffer_size(READ_BUFFER);
    if upgrade.selected_protocol().is_none() {
        return (
            StatusCode::BAD_REQUEST,
            "The sub-protocol is graphql-transport-ws.\n",
        )
            .into_response();
    }
    let peer = client.map(|axum::Extension(ConnectInfo(address))| address.ip());
    let client = gateway.proxies.client(peer, &headers);
    upgrade.on_upgrade(move |socket| serve(gateway, credentials, client, socket))
}

async fn serve(
    gateway: Gateway,
    credentials: Credentials,
    client: Option<std::net::IpAddr>,
    socket: WebSocket,
) {
    let (sink, mut stream) = socket.split();
    let (out, queue) = Outbox::new();
    let mut writer = tokio::spawn(write(sink, queue, out.room.clone()));
    let mut connection = Connection {
        changes: gateway.kernel.signals.access(),
        gateway,
        credentials,
        client,
        actor: None,
        running: Running::default(),
        out: out.clone(),
    };
    let ended = tokio::select! {
        ended = connection.read(&mut stream) => ended,
        () = out.queue.closed() => None,
    };
    connection.running.stop();
    if let Some(ended) = ended {
        drop(timeout(SLOW, out.queue.send(Out::Close(ended))).await);
    }
    drop(connection);
    drop(out);
    if timeout(LINGER + SLOW, &mut writer).await.is_err() {
        writer.abort();
    }
    // A socket that is dropped with something unread takes the close frame back from the wire.
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    drop(timeout(Duration::from_secs(1), rest).await);
}

/// Writes until told to close, or until the client takes nothing any more. What waits goes together: a client that
/// is behind gets more with each packet.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Out>,
    room: Arc<Semaphore>,
) {
    let mut held = Vec::new();
    while let Some(first) = queue.recv().await {
        let sent = timeout(SLOW, burst(&mut sink, first, &mut queue, &mut held)).await;
        match sent {
            Ok(Ok(Next::More)) => held.clear(),
            Ok(_) => return,
            Err(_) => {
                // What waits is given up at once; the client may still hear why. 1013: it may come back
                // and go on where it was.
                room.close();
                drop((queue, held));
                let slow = frame(Close(1013, "Too slow: connect again".into()));
                drop(timeout(LINGER, sink.send(slow)).await);
                return;
            }
        }
    }
}

enum Next {
    More,
    Nothing,
}

/// One message and what waits behind it, up to a limit. Their places in the queue's room are `held` until all are out.
async fn burst(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Out,
    queue: &mut mpsc::Receiver<Out>,
    held: &mut Vec<OwnedSemaphorePermit>,
) -> Result<Next, axum::Error> {
    let (mut out, mut size) = (first, 0);
    loop {
        match out {
            Out::Message(text, permit) => {
                size += text.len();
                held.push(permit);
                sink.feed(Message::Text(text.into())).await?;
            }
            Out::Ping => sink.feed(Message::Ping(Vec::new().into())).await?,
            Out::Close(close) => {
                sink.send(frame(close)).await?;
                return Ok(Next::Nothing);
            }
        }
        if size >= BURST {
            break;
        }
        match queue.try_recv() {
            Ok(next) => out = next,
            Err(_) => break,
        }
    }
    sink.flush().await?;
    Ok(Next::More)
}

fn frame(close: Close) -> Message {
    Message::Close(Some(CloseFrame {
        code: close.0,
        reason: Utf8Bytes::from(close.1),
    }))
}

/// Operations that run, by the client's id.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<String, AbortHandle>>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        for (_, handle) in self.lock().drain() {
            handle.abort();
        }
    }
}

struct Connection {
    gateway: Gateway,
    credentials: Credentials,
    client: Option<std::net::IpAddr>,
    /// What is told of credentials since the beginning.
    changes: broadcast::Receiver<Access>,
    /// Known after the init.
    actor: Option<Actor>,
    running: Running,
    out: Outbox,
}

impl Connection {
    /// None: the client went away.
    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) -> Option<Close> {
        let init_by = Instant::now() + INIT;
        while self.actor.is_none() {
            let Ok(message) = timeout_at(init_by, stream.next()).await else {
                return Some(Close(4408, "Connection initialisation timeout".into()));
            };
            if let Err(close) = self.message(message?.ok()?).await {
                return Some(close);
            }
        }
        let actor = self.actor?;
        let changes = self.changes.resubscribe();
        let changes = std::mem::replace(&mut self.changes, changes);
        let ended = session_end(self.gateway.clone(), self.credentials.clone(), actor, changes);
        tokio::pin!(ended);
        let mut ping = interval(PING);
        ping.tick().await;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = stream.next() => {
                    heard = Instant::now();
                    if let Err(close) = self.message(message?.ok()?).await {
                        return Some(close);
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return None;
                    }
                    self.out.queue.send(Out::Ping).await.ok()?;
                }
                () = &mut ended => return Some(Close(4403, "The session has ended".into())),
            }
        }
    }

    async fn say(&self, message: Value) {
        let _: Option<()> = self.out.say(message.to_string()).await;
    }

    async fn message(&mut self, message: Message) -> Result<(), Close> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return close(4400, "Messages are text"),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
        };
        let Ok(Value::Object(mut message)) = serde_json::from_str(&text) else {
            return close(4400, "A message is a JSON object");
        };
        let kind = message.remove("type");
        let payload = message.remove("payload");
        match kind.as_ref().and_then(Value::as_str) {
            Some("connection_init") => self.init(payload).await,
            Some("ping") => {
                self.say(json!({ "type": "pong" })).await;
                Ok(())
            }
            Some("pong") => Ok(()),
            Some("subscribe") => self.subscribe(id(&mut message)?, payload).await,
            Some("complete") => {
                let id = id(&mut message)?;
                if let Some(handle) = self.running.lock().remove(&id) {
                    handle.abort();
                }
                Ok(())
            }
            _ => close(4400, "Unknown message type"),
        }
    }

    async fn init(&mut self, payload: Option<Value>) -> Result<(), Close> {
        if self.actor.is_some() {
            return close(4429, "Too many initialisation requests");
        }
        let payload = match payload {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(payload)) => payload,
            Some(_) => return close(4400, "The payload is an object"),
        };
        let given = payload
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("authorization"));
        if let Some((_, value)) = given.filter(|(_, value)| !value.is_null()) {
            let Some(token) = value.as_str().and_then(auth::bearer) else {
                return close(4403, "Forbidden");
            };
            self.credentials.bearer = Some(token);
        }
        match auth::actor(&*self.gateway.auth, &self.credentials).await {
            Ok(actor) => {
                self.actor = Some(actor);
                self.say(json!({ "type": "connection_ack" })).await;
                Ok(())
            }
            Err(Error::Unauthenticated) => close(4403, "Forbidden"),
            Err(error) => {
                tracing::warn!(error = %error.private_text(), "a socket could not be authenticated");
                close(1013, "Try again later")
            }
        }
    }

    async fn subscribe(&mut self, id: String, payload: Option<Value>) -> Result<(), Close> {
        let Some(actor) = self.actor else {
            return close(4401, "Unauthorized");
        };
        let parameters = Parameters::from_json(payload.unwrap_or_default());
        let parameters = parameters.map_err(|reason| Close(4400, reason))?;
        if self.running.lock().contains_key(&id) {
            return close(4409, format!("Subscriber for {} already exists", short(&id)));
        }
        let most = self.gateway.limits.operations;
        if self.running.lock().len() >= most {
            let message = format!("A connection may run {most} operations at a time.");
            self.say(failure(&id, &[request_error("RATE_LIMITED", message)]))
                .await;
            return Ok(());
        }
        let op = self.gateway.op(actor, self.client, !self.credentials.ambient());
        let prepared = self.gateway.prepare(parameters, &actor);
        let cost = prepared.as_ref().map_or(1, |prepared| prepared.cost);
        let balance = self.gateway.charge(&op, cost).await;
        let limited = balance.filter(|balance| balance.wait.is_some());
        let prepared = match (limited, prepared) {
            (None, Ok(prepared)) => prepared,
            (None, Err(error)) => {
                self.say(failure(&id, &[error])).await;
                return Ok(());
            }
            (Some(balance), _) => {
                self.say(failure(&id, &[request::limited(&balance)])).await;
                return Ok(());
            }
        };
        let operation = Operation {
            id: id.clone(),
            live: prepared.kind == OperationType::Subscription,
            running: self.running.clone(),
            out: self.out.clone(),
        };
        let request = prepared.request.data(op.clone()).data(self.gateway.cookies());
        let request = request::with_balance(request, balance);
        let responses = self.gateway.engine.execute_stream(request);
        let responses = request::guarded(self.gateway.clone(), responses, op, prepared.asked);
        // Held until the task is registered, so that one that ends at once still finds itself.
        let mut running = self.running.lock();
        let task = tokio::spawn(operation.run(responses));
        running.insert(id, task.abort_handle());
        Ok(())
    }
}

struct Operation {
    id: String,
    live: bool,
    running: Running,
    out: Outbox,
}

impl Operation {
    async fn run(self, responses: impl Stream<Item = Result<async_graphql::Response, ServerError>>) {
        tokio::pin!(responses);
        let mut first = true;
        while let Some(response) = responses.next().await {
            let response = match response {
                Ok(response) => response,
                Err(error) => {
                    self.end(failure(&self.id, &[error])).await;
                    return;
                }
            };
            let no_source = self.live && response.data == async_graphql::Value::Null;
            let fails =
                first && !response.errors.is_empty() && (no_source || request::ran_nothing(&response));
            first = false;
            if fails {
                self.end(failure(&self.id, &response.errors)).await;
                return;
            }
            let next = json::next(&self.id, &response);
            drop(response);
            if self.out.say(next).await.is_none() {
                return;
            }
        }
        self.end(json!({ "id": self.id, "type": "complete" })).await;
    }

    /// The id is free before the client learns that it is.
    async fn end(&self, message: Value) {
        self.running.lock().remove(&self.id);
        let _: Option<()> = self.out.say(message.to_string()).await;
    }
}

fn failure(id: &str, errors: &[ServerError]) -> Value {
    json!({ "id": id, "type": "error", "payload": errors })
}

fn id(message: &mut Map<String, Value>) -> Result<String, Close> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= 256 => Ok(id),
        _ => close(4400, "A message needs an id"),
    }
}

/// A close reason has room for 123 bytes.
fn short(id: &str) -> String {
    id.chars().take(20).collect()
}
