//! The messages of the `graphql-transport-ws` sub-protocol, and how long to wait before the next
//! try. Pure: knows no socket.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

/// A message from the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer {
    /// The connection is accepted; subscriptions may start.
    ConnectionAck,
    /// The server asks whether we are there.
    Ping,
    /// The server is there.
    Pong,
    /// One result of a subscription.
    Next { id: String, payload: Value },
    /// A subscription failed and is over.
    Error { id: String, payload: Value },
    /// A subscription is over.
    Complete { id: String },
}

pub(super) fn init() -> String {
    json!({ "type": "connection_init" }).to_string()
}

pub(super) fn ping() -> String {
    json!({ "type": "ping" }).to_string()
}

pub(super) fn pong() -> String {
    json!({ "type": "pong" }).to_string()
}

pub(super) fn start(id: &str, operation: &Value) -> String {
    json!({ "type": "subscribe", "id": id, "payload": operation }).to_string()
}

pub(super) fn complete(id: &str) -> String {
    json!({ "type": "complete", "id": id }).to_string()
}

/// Half a second, doubling up to half a minute, spread by a random share between 0 and 1 so that
/// many dashboards do not come back at once.
pub(super) fn back_off(failures: u32, share: f64) -> Duration {
    let full = 0.5 * f64::from(1_u32 << failures.min(6));
    Duration::from_secs_f64(full.min(30.0) * (0.5 + share.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_protocol_are_read() {
        let read = |text: &str| serde_json::from_str::<FromServer>(text);
        assert!(matches!(
            read(r#"{"type":"connection_ack"}"#),
            Ok(FromServer::ConnectionAck)
        ));
        assert!(matches!(
            read(r#"{"type":"ping","payload":{"at":1}}"#),
            Ok(FromServer::Ping)
        ));
        assert!(matches!(
            read(r#"{"type":"next","id":"1","payload":{"data":{}}}"#),
            Ok(FromServer::Next { .. })
        ));
        assert!(matches!(
            read(r#"{"type":"error","id":"1","payload":[]}"#),
            Ok(FromServer::Error { .. })
        ));
        assert!(read(r#"{"type":"unheard_of"}"#).is_err());
    }

    #[test]
    fn waiting_grows_and_stays_bounded() {
        let mut last = Duration::ZERO;
        for failures in 0..6 {
            let wait = back_off(failures, 1.0);
            assert!(wait > last);
            last = wait;
        }
        assert_eq!(back_off(50, 1.0), Duration::from_secs(30));
        assert_eq!(back_off(50, 0.0), Duration::from_secs(15));
    }
}
