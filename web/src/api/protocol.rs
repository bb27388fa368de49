//! The messages of the `graphql-transport-ws` sub-protocol, and how long to wait before the next
//! try. Pure: knows no socket.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

/// What a message from the server is; what it carries is read by whoever it is for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// The subscription that it is about, where it is about one.
    #[serde(default)]
    pub(super) id: String,
}

/// Kinds of messages from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The connection is accepted; subscriptions may start.
    ConnectionAck,
    /// The server asks whether we are there.
    Ping,
    /// The server is there.
    Pong,
    /// One result of a subscription.
    Next,
    /// A subscription failed and is over.
    Error,
    /// A subscription is over.
    Complete,
}

/// What a message carries.
#[derive(Debug, Deserialize)]
pub(super) struct Carried<T> {
    pub(super) payload: T,
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

/// `operation` is JSON already.
pub(super) fn start(id: &str, operation: &str) -> String {
    format!(
        r#"{{"type":"subscribe","id":{},"payload":{operation}}}"#,
        json!(id)
    )
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
        let read = |text: &str| serde_json::from_str::<Header>(text).map(|header| (header.kind, header.id));
        assert_eq!(
            read(r#"{"type":"connection_ack"}"#).unwrap(),
            (Kind::ConnectionAck, String::new())
        );
        assert_eq!(
            read(r#"{"type":"ping","payload":{"at":1}}"#).unwrap().0,
            Kind::Ping
        );
        let next = r#"{"type":"next","id":"1","payload":{"data":{}}}"#;
        assert_eq!(read(next).unwrap(), (Kind::Next, "1".to_owned()));
        let carried: Carried<serde_json::Value> = serde_json::from_str(next).unwrap();
        assert_eq!(carried.payload, json!({"data": {}}));
        assert_eq!(
            read(r#"{"type":"error","id":"1","payload":[]}"#).unwrap().0,
            Kind::Error
        );
        assert!(read(r#"{"type":"unheard_of"}"#).is_err());
    }

    #[test]
    fn a_subscription_starts_with_its_operation_as_it_is() {
        let message: serde_json::Value = serde_json::from_str(&start("7", r#"{"query":"{ a }"}"#)).unwrap();
        assert_eq!(
            message,
            json!({"type": "subscribe", "id": "7", "payload": {"query": "{ a }"}})
        );
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
