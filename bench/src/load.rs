//! HTTP requests at a measured pace, by a client that costs little: it writes bytes that were made before, and
//! looks for the end of the answer. The floor and ours have the same one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Outcome;

/// Connections that have one request under way each, when nothing else sets the pace.
const CLIENTS: usize = 8;
/// Connections that share what is due at a steady pace.
const AT_MOST: usize = 32;

/// One connection.
struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A whole request.
pub fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Length of a whole answer and where its body begins; None while it is not whole.
fn answer(bytes: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(bytes).into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + 4 + length.ok_or("an answer without its length")?;
    Ok((bytes.len() >= whole).then_some((whole, head + 4)))
}

impl Client {
    async fn open(address: SocketAddr) -> Outcome<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(64 << 10),
        })
    }

    /// Sends a request; the body of its answer.
    async fn ask(&mut self, request: &[u8]) -> Outcome<&[u8]> {
        self.buffer.clear();
        self.socket.write_all(request).await?;
        loop {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
            if let Some((_, body)) = answer(&self.buffer)? {
                return Ok(&self.buffer[body..]);
            }
        }
    }
}

/// Requests to one server, asked one after the other and again.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub requests: Arc<[Vec<u8>]>,
}

impl Load {
    pub async fn once(&self) -> Outcome<Value> {
        let request = self.requests.first().ok_or("no request")?;
        Ok(serde_json::from_slice(
            Client::open(self.address).await?.ask(request).await?,
        )?)
    }

    fn nth(&self, n: usize) -> &[u8] {
        &self.requests[n % self.requests.len()]
    }

    /// As fast as answers come; requests a second.
    pub async fn flat(&self, lasts: Duration) -> Outcome<f64> {
        let begun = Instant::now();
        let count = Arc::new(AtomicUsize::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (load, count) = (self.clone(), count.clone());
            clients.spawn(async move {
                let mut client = Client::open(load.address).await?;
                while begun.elapsed() < lasts {
                    client
                        .ask(load.nth(count.fetch_add(1, Ordering::Relaxed)))
                        .await?;
                }
                Outcome::Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
    }

    /// Evenly spaced requests; how long each took from when it was due, in ms.
    pub async fn steady(&self, per_second: f64, lasts: Duration) -> Outcome<Vec<f64>> {
        let total = (per_second * lasts.as_secs_f64()) as usize;
        let due = Arc::new(Semaphore::new(0));
        let next = Arc::new(AtomicUsize::default());
        let mut open = Vec::new();
        for _ in 0..AT_MOST {
            open.push(Client::open(self.address).await?);
        }
        let begun = Instant::now();
        let at = move |n: usize| begun + Duration::from_secs_f64(n as f64 / per_second);
        let mut clients = JoinSet::new();
        for mut client in open {
            let (load, due, next) = (self.clone(), due.clone(), next.clone());
            clients.spawn(async move {
                let mut delays = Vec::new();
                loop {
                    due.acquire().await?.forget();
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= total {
                        return Outcome::Ok(delays);
                    }
                    client.ask(load.nth(n)).await?;
                    delays.push(at(n).elapsed().as_secs_f64() * 1000.0);
                }
            });
        }
        // A thread of its own: the runtime's timers count in whole milliseconds.
        let clock = std::thread::spawn(move || {
            for n in 0..total {
                std::thread::sleep(at(n).saturating_duration_since(Instant::now()));
                due.add_permits(1);
            }
            due.add_permits(AT_MOST);
        });
        let mut delays = Vec::with_capacity(total);
        while let Some(client) = clients.join_next().await {
            delays.extend(client??);
        }
        clock.join().map_err(|_| "the clock failed")?;
        Ok(delays)
    }
}
