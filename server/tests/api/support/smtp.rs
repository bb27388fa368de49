//! A small mail server on loopback: it speaks SMTP and keeps what arrives.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One mail as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub to: String,
    pub subject: String,
    pub text: String,
}

impl Arrived {
    /// The secret in the link.
    pub fn token(&self) -> String {
        let (_, rest) = self
            .text
            .split_once("token=")
            .unwrap_or_else(|| panic!("{self:?}"));
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

#[derive(Clone, Default)]
struct Shared {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// Recipients that are refused for now.
    refusals: Arc<Mutex<u32>>,
}

/// A mail server.
pub struct MailServer {
    pub port: u16,
    shared: Shared,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared::default();
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { port, shared }
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap().clone()
    }

    /// Refuses so many recipients with a temporary error.
    pub fn refuse(&self, times: u32) {
        *self.shared.refusals.lock().unwrap() = times;
    }
}

/// Quoted-printable, as far as mail programs make it of plain text.
fn decoded(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'=' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn read(to: &str, data: &str) -> Arrived {
    let (head, body) = data.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    let quoted = header("Content-Transfer-Encoding: ") == "quoted-printable";
    Arrived {
        to: to.to_owned(),
        subject: header("Subject: ").to_owned(),
        text: if quoted { decoded(body) } else { body.to_owned() },
    }
}

async fn serve(stream: TcpStream, shared: Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await.ok()?;
    let (mut to, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let command = line.trim_end().to_ascii_uppercase();
        let answer = if command.starts_with("EHLO") {
            "250 test\r\n"
        } else if command.starts_with("RCPT") {
            let refused = {
                let mut left = shared.refusals.lock().unwrap();
                let refused = *left > 0;
                *left = left.saturating_sub(1);
                refused
            };
            to = line.split(['<', '>']).nth(1)?.to_owned();
            if refused { "451 later\r\n" } else { "250 ok\r\n" }
        } else if command == "DATA" {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            let mut data = String::new();
            while !data.ends_with("\r\n.\r\n") {
                stream.read_line(&mut data).await.ok()?;
            }
            shared.arrived.lock().unwrap().push(read(&to, &data));
            "250 kept\r\n"
        } else if command == "QUIT" {
            stream.write_all(b"221 bye\r\n").await.ok()?;
            return Some(());
        } else {
            "250 ok\r\n"
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
