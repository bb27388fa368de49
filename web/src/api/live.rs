//! Live results over one shared WebSocket. It comes back by itself after a loss, waiting longer each
//! time, and asks anew for an operation made from what was seen last. Knows no page.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use cynic::{GraphQlError, GraphQlResponse, StreamingOperation};
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

use super::error::{ApiError, Extensions};
use super::protocol::{self, Carried, Header, Kind};
use crate::browser;

const ENDPOINT: &str = "/graphql/ws";
const SUB_PROTOCOL: &str = "graphql-transport-ws";
/// How often we ask whether the server is there; twice without any word means that it is not.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a subscription has to tell.
#[derive(Clone, Debug)]
pub enum Feed<T> {
    /// Results flow.
    Live,
    /// One result.
    Data(T),
    /// Nothing flows: the connection is gone, or what was asked for was ended and is begun anew. It is being sought.
    Down,
    /// The server ended this subscription with an error. Nothing follows.
    Failed(ApiError),
}

enum Raw {
    Live,
    /// A whole message.
    Next(Rc<str>),
    Down,
    /// A whole message.
    Error(Rc<str>),
}

struct Entry {
    make: Rc<dyn Fn() -> Option<String>>,
    out: UnboundedSender<Raw>,
}

#[derive(Default)]
struct Client {
    socket: Option<Socket>,
    entries: HashMap<String, Entry>,
    next_id: u64,
    /// Changes with every socket, so that a late event of an old one is known as such.
    generation: u64,
    acknowledged: bool,
    failures: u32,
    waiting: bool,
    last_heard: f64,
    /// Wanted even while nothing flows over it.
    kept: bool,
}

impl Client {
    /// Whether the connection is gone that should be there.
    fn is_lost(&self) -> bool {
        self.socket.is_none() && (self.kept || !self.entries.is_empty())
    }
}

struct Socket {
    raw: WebSocket,
    _on_open: Closure<dyn FnMut(Event)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.raw.set_onopen(None);
        self.raw.set_onmessage(None);
        self.raw.set_onclose(None);
        // Closing twice is no fault worth telling.
        let _ = self.raw.close();
    }
}

thread_local! {
    static CLIENT: RefCell<Client> = RefCell::default();
    static LOSSES: RefCell<Vec<UnboundedSender<()>>> = RefCell::default();
}

/// A running subscription: a stream of [`Feed`]. Dropping it ends it at the server too.
#[derive(Debug)]
pub struct Subscription<Q> {
    id: String,
    inner: UnboundedReceiver<Raw>,
    over: bool,
    result: PhantomData<fn() -> Q>,
}

impl<Q> Drop for Subscription<Q> {
    fn drop(&mut self) {
        end(&self.id);
    }
}

impl<Q: DeserializeOwned> futures::Stream for Subscription<Q> {
    type Item = Feed<Q>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Feed<Q>>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.inner.poll_next_unpin(context).map(|raw| {
            let feed = raw.map(read);
            self.over = matches!(feed, None | Some(Feed::Failed(_)));
            feed
        })
    }
}

fn read<Q: DeserializeOwned>(raw: Raw) -> Feed<Q> {
    match raw {
        Raw::Live => Feed::Live,
        Raw::Down => Feed::Down,
        Raw::Next(text) => match serde_json::from_str::<Carried<GraphQlResponse<Q, Extensions>>>(&text) {
            Ok(Carried { payload }) => match (payload.errors.and_then(ApiError::from_errors), payload.data) {
                (Some(error), _) => Feed::Failed(error),
                (None, Some(data)) => Feed::Data(data),
                (None, None) => Feed::Failed(ApiError::other("The answer is empty")),
            },
            Err(error) => Feed::Failed(ApiError::other(error.to_string())),
        },
        Raw::Error(text) => Feed::Failed(refused(&text)),
    }
}

fn refused(text: &str) -> ApiError {
    let errors: Vec<GraphQlError<Extensions>> = serde_json::from_str::<Carried<_>>(text)
        .map(|carried| carried.payload)
        .unwrap_or_default();
    ApiError::from_errors(errors).unwrap_or_else(|| ApiError::other("The subscription failed"))
}

/// Starts a subscription. `make` is called at the start and after every loss of the connection, so
/// that it can ask for what follows the last result seen.
pub fn subscribe<Q, V>(make: impl Fn() -> StreamingOperation<Q, V> + 'static) -> Subscription<Q>
where
    Q: 'static,
    V: Serialize + 'static,
{
    let (out, inner) = unbounded();
    let make = Rc::new(move || serde_json::to_string(&make()).ok());
    let id = CLIENT.with_borrow_mut(|client| {
        client.next_id += 1;
        let id = client.next_id.to_string();
        client.entries.insert(id.clone(), Entry { make, out });
        id
    });
    let (open, acknowledged) = CLIENT.with_borrow(|client| (client.socket.is_some(), client.acknowledged));
    if acknowledged {
        start(&id);
    } else if !open {
        connect();
    }
    Subscription {
        id,
        inner,
        over: false,
        result: PhantomData,
    }
}

/// Closes the connection, so that every subscription asks again: after another person signed in.
pub fn restart() {
    let had = CLIENT.with_borrow_mut(|client| {
        client.acknowledged = false;
        client.failures = 0;
        client.generation += 1;
        client.socket.take().is_some() && client.is_lost()
    });
    if had {
        connect();
    }
}

/// Tells of each connection that was lost, also one over which nothing flowed.
pub fn losses() -> UnboundedReceiver<()> {
    let (out, inner) = unbounded();
    LOSSES.with_borrow_mut(|all| all.push(out));
    inner
}

/// Whether the connection is gone that should be there.
pub fn is_lost() -> bool {
    CLIENT.with_borrow(Client::is_lost)
}

/// Keeps the connection open while this lives, also when nothing flows over it: its end tells that the session's has
/// come.
#[derive(Debug)]
pub struct Kept(());

/// Opens the connection where there is none, and keeps it.
pub fn keep() -> Kept {
    CLIENT.with_borrow_mut(|client| client.kept = true);
    retry_now();
    Kept(())
}

impl Drop for Kept {
    fn drop(&mut self) {
        CLIENT.with_borrow_mut(|client| client.kept = false);
    }
}

/// Seeks a lost connection at once instead of waiting for the next try: the server is known to be back.
pub fn retry_now() {
    if is_lost() {
        connect();
    }
}

fn end(id: &str) {
    CLIENT.with_borrow_mut(|client| {
        if client.entries.remove(id).is_some() && client.acknowledged {
            send(client, &protocol::complete(id));
        }
    });
}

fn send(client: &Client, message: &str) {
    if let Some(socket) = &client.socket {
        // A socket that refuses to send is about to report its close.
        let _ = socket.raw.send_with_str(message);
    }
}

fn start(id: &str) {
    // The caller's closure runs without our borrow: it may well look at signals, or subscribe.
    let make = CLIENT.with_borrow(|client| client.entries.get(id).map(|entry| entry.make.clone()));
    let Some(operation) = make.and_then(|make| make()) else {
        return;
    };
    CLIENT.with_borrow(|client| {
        send(client, &protocol::start(id, &operation));
        if let Some(entry) = client.entries.get(id) {
            let _ = entry.out.unbounded_send(Raw::Live);
        }
    });
}

fn connect() {
    let Some(url) = browser::socket_url(ENDPOINT) else {
        return;
    };
    let generation = CLIENT.with_borrow_mut(|client| {
        client.generation += 1;
        client.acknowledged = false;
        client.last_heard = browser::now_ms();
        client.generation
    });
    let Ok(raw) = WebSocket::new_with_str(&url, SUB_PROTOCOL) else {
        lost(generation);
        return;
    };
    let on_open = Closure::<dyn FnMut(Event)>::new(move |_| {
        CLIENT.with_borrow(|client| send(client, &protocol::init()));
    });
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        if let Some(text) = event.data().as_string() {
            receive(generation, &text);
        }
    });
    let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |_| lost(generation));
    raw.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    raw.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    raw.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    CLIENT.with_borrow_mut(|client| {
        client.socket = Some(Socket {
            raw,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        });
    });
    spawn_local(watch(generation));
}

/// Asks now and then whether the server is there: a network that vanished closes no socket.
async fn watch(generation: u64) {
    loop {
        browser::sleep(HEARTBEAT).await;
        let silent = CLIENT.with_borrow(|client| {
            (client.generation == generation).then(|| {
                send(client, &protocol::ping());
                browser::now_ms() - client.last_heard
            })
        });
        match silent {
            None => return,
            Some(silent) if silent > 2.0 * HEARTBEAT.as_secs_f64() * 1000.0 + 5_000.0 => {
                lost(generation);
                return;
            }
            Some(_) => {}
        }
    }
}

fn receive(generation: u64, text: &str) {
    let Ok(Header { kind, id }) = serde_json::from_str::<Header>(text) else {
        return;
    };
    let started = CLIENT.with_borrow_mut(|client| {
        if client.generation != generation {
            return Vec::new();
        }
        client.last_heard = browser::now_ms();
        match kind {
            Kind::ConnectionAck => {
                client.acknowledged = true;
                client.failures = 0;
                return client.entries.keys().cloned().collect();
            }
            Kind::Ping => send(client, &protocol::pong()),
            Kind::Pong => {}
            Kind::Next => {
                if let Some(entry) = client.entries.get(&id) {
                    let _ = entry.out.unbounded_send(Raw::Next(text.into()));
                }
            }
            Kind::Error => {
                if let Some(entry) = client.entries.remove(&id) {
                    let _ = entry.out.unbounded_send(Raw::Error(text.into()));
                }
            }
            // Dropping the sender ends the stream.
            Kind::Complete => drop(client.entries.remove(&id)),
        }
        Vec::new()
    });
    for id in started {
        start(&id);
    }
}

fn lost(generation: u64) {
    let wait = CLIENT.with_borrow_mut(|client| {
        if client.generation != generation {
            return None;
        }
        client.generation += 1;
        client.socket = None;
        client.acknowledged = false;
        LOSSES.with_borrow_mut(|all| all.retain(|out| out.unbounded_send(()).is_ok()));
        for entry in client.entries.values() {
            let _ = entry.out.unbounded_send(Raw::Down);
        }
        if !client.is_lost() || client.waiting {
            return None;
        }
        client.waiting = true;
        client.failures += 1;
        Some(protocol::back_off(client.failures - 1, js_sys::Math::random()))
    });
    if let Some(wait) = wait {
        spawn_local(async move {
            browser::sleep(wait).await;
            let needed = CLIENT.with_borrow_mut(|client| {
                client.waiting = false;
                client.is_lost()
            });
            if needed {
                connect();
            }
        });
    }
}
