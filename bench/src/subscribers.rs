//! A WebSocket client that costs as little as can be: it looks at a frame's length and at the end of its text,
//! so that what is measured is the server. The floor and ours have the same one.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::Outcome;

/// Where to subscribe, and what to say there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Door {
    pub address: SocketAddr,
    pub path: String,
    /// Sent at first, if there is one; an acknowledgement is waited for.
    pub init: Option<Value>,
    /// Sent then, if there is one.
    pub subscribe: Option<Value>,
}

pub struct Subscriber {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was given out.
    taken: usize,
}

impl Subscriber {
    /// `room` is for what the kernel keeps before it is read; None: as it comes.
    pub async fn open(door: &Door, room: Option<u32>) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(room) = room {
            socket.set_recv_buffer_size(room)?;
        }
        let mut this = Self {
            socket: socket.connect(door.address).await?,
            buffer: Vec::with_capacity(16 << 10),
            taken: 0,
        };
        this.socket.set_nodelay(true)?;
        let hello = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
            door.path, door.address
        );
        this.socket.write_all(hello.as_bytes()).await?;
        let end = loop {
            if let Some(end) = this.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            this.read().await?;
        };
        if !this.buffer.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&this.buffer).into());
        }
        this.taken = end;
        if let Some(init) = &door.init {
            this.say(init).await?;
            let answer: Value = serde_json::from_slice(this.next().await?)?;
            if answer["type"] != "connection_ack" {
                return Err(answer.to_string().into());
            }
        }
        if let Some(subscribe) = &door.subscribe {
            this.say(subscribe).await?;
        }
        Ok(this)
    }

    pub fn port(&self) -> Outcome<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// The text of the next message.
    pub async fn next(&mut self) -> Outcome<&[u8]> {
        loop {
            if let Some((opcode, from, to)) = frame(&self.buffer[self.taken..]) {
                let (from, to) = (self.taken + from, self.taken + to);
                self.taken = to;
                match opcode {
                    1 => return Ok(&self.buffer[from..to]),
                    8 => return Err(String::from_utf8_lossy(&self.buffer[from..to]).into()),
                    // A ping; no case takes as long as its answer may.
                    _ => {}
                }
            } else {
                self.buffer.drain(..self.taken);
                self.taken = 0;
                self.read().await?;
            }
        }
    }

    async fn read(&mut self) -> Outcome<()> {
        self.buffer.reserve(16 << 10);
        if self.socket.read_buf(&mut self.buffer).await? == 0 {
            return Err("the connection ended".into());
        }
        Ok(())
    }

    /// One text frame, masked with zeros.
    async fn say(&mut self, message: &Value) -> Outcome<()> {
        let text = message.to_string();
        let size = u16::try_from(text.len())?;
        let mut frame = vec![0x81];
        if size < 126 {
            frame.push(0x80 | size as u8);
        } else {
            frame.push(0x80 | 0x7e);
            frame.extend_from_slice(&size.to_be_bytes());
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.socket.write_all(&frame).await?)
    }
}

/// Opcode, begin and end of the payload of a server's frame; None while it is not whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (from, size) = match second & 0x7f {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        size => (2, usize::from(size)),
    };
    (bytes.len() >= from + size).then_some((first & 0x0f, from, from + size))
}

/// The number at the end of a message, which is `lastSeq`.
pub fn last_seq(message: &[u8]) -> Outcome<u64> {
    let end = message.iter().rposition(u8::is_ascii_digit);
    let digits = &message[..end.map_or(0, |end| end + 1)];
    let begin = digits.iter().rposition(|b| !b.is_ascii_digit());
    let begin = begin.map_or(0, |before| before + 1);
    if !digits[..begin].ends_with(b"\"lastSeq\":") {
        return Err(String::from_utf8_lossy(message).into());
    }
    Ok(std::str::from_utf8(&digits[begin..])?.parse()?)
}
