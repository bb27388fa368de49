//! Counts the statements that a server sends to Postgres, on their way there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::Outcome;

/// Stands between a pool and its database.
pub struct Wire {
    pub options: PgConnectOptions,
    count: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Wire {
    pub async fn to(database: &PgConnectOptions) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let options = database
            .clone()
            .host("127.0.0.1")
            .port(listener.local_addr()?.port())
            .ssl_mode(PgSslMode::Disable);
        let there = (database.get_host().to_owned(), database.get_port());
        let count = Arc::new(AtomicUsize::default());
        let counting = count.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&there).await else {
                    return;
                };
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let counting = counting.clone();
                // They end with their connections, which are the pool's.
                tokio::spawn(async move { forward(from_client, to_server, &counting).await });
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            }
        });
        Ok(Self {
            options,
            count,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Statements since it was asked last.
    pub fn taken(&self) -> usize {
        self.count.swap(0, Ordering::AcqRel)
    }
}

/// Passes on messages of the frontend and counts those that execute something (PostgreSQL, "Message Formats").
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &AtomicUsize) -> Outcome<()> {
    let mut message = Vec::new();
    // The first one, which starts the session, has no kind.
    let mut kind = None;
    loop {
        message.clear();
        message.extend(kind);
        let length = from.read_u32().await?;
        message.extend_from_slice(&length.to_be_bytes());
        let head = message.len();
        message.resize(head + (length as usize).saturating_sub(4), 0);
        from.read_exact(&mut message[head..]).await?;
        if matches!(kind, Some(b'E' | b'Q')) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        to.write_all(&message).await?;
        kind = Some(from.read_u8().await?);
    }
}
