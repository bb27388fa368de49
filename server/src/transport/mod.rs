//! How the outside reaches the services: GraphQL, agents, files, health.

pub mod agent;
pub mod files;
pub mod graphql;
pub mod health;
pub mod node;
pub mod runtime;
pub mod schema;

use axum::serve::{ListenerExt as _, TapIo};
use tokio::net::{TcpListener, TcpStream};

/// Connections on which small messages leave at once: otherwise the kernel holds each batch of a log back until the
/// one before it was acknowledged, which the peer may put off for 40 ms.
pub fn prompt(listener: TcpListener) -> TapIo<TcpListener, fn(&mut TcpStream)> {
    listener.tap_io(|socket| {
        if let Err(problem) = socket.set_nodelay(true) {
            tracing::warn!(%problem, "a connection is slower than it could be");
        }
    })
}
