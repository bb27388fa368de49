//! Orchestrators over their real channel: what they say of themselves, and being told to take no new work.

use std::net::SocketAddr;
use std::time::Duration;

use cronium_entity::enums::UserRole;
use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{AgentToServer, HostReport, ServerToAgent};
use cronium_server::transport::agent::{self, Agents};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::support::TestApp;

const KEY: &str = "the key of the channel";

/// The agent endpoint of these services.
pub async fn serve(test: &TestApp) -> SocketAddr {
    let app = &test.app;
    let router = agent::router(Agents {
        kernel: app.kernel.clone(),
        orchestrators: app.orchestrators.clone(),
        queue: app.queue.clone(),
        logs: app.logs.clone(),
        runtime: app.runtime.clone(),
        errands: app.errands.clone(),
        terminals: app.terminals.clone(),
        key: KEY.into(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What an orchestrator is on the wire.
pub struct Host {
    id: Uuid,
    ssh: bool,
    terminals: bool,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Host {
    async fn connect(address: SocketAddr, id: Uuid) -> Self {
        Self::with_labels(address, id, &["gpu", "NOT A LABEL"]).await
    }

    /// One that reaches servers, and has heard whether it is to take work.
    pub async fn reaching_servers(address: SocketAddr) -> Self {
        let mut host = Self::open(address, Uuid::new_v4()).await;
        host.ssh = true;
        host.greet().await;
        host
    }

    /// The same for one that opens terminals; `ssh`: on servers too.
    pub async fn opening_terminals(address: SocketAddr, id: Uuid, ssh: bool) -> Self {
        let mut host = Self::open(address, id).await;
        (host.ssh, host.terminals) = (ssh, true);
        host.greet().await;
        host
    }

    async fn greet(&mut self) {
        self.hello(PROTOCOL_VERSION, &[]).await;
        assert!(matches!(self.hear().await, ServerToAgent::Welcome { .. }));
        assert_eq!(self.hear().await, draining(false));
    }

    pub async fn with_labels(address: SocketAddr, id: Uuid, labels: &[&str]) -> Self {
        let mut host = Self::open(address, id).await;
        host.hello(PROTOCOL_VERSION, labels).await;
        assert!(matches!(host.hear().await, ServerToAgent::Welcome { .. }));
        host
    }

    /// A connection on which nothing was said yet.
    async fn open(address: SocketAddr, id: Uuid) -> Self {
        let mut request = format!("ws://{address}/agent").into_client_request().unwrap();
        let bearer = format!("Bearer {KEY}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self {
            id,
            ssh: false,
            terminals: false,
            socket,
        }
    }

    async fn hello(&mut self, protocol: u16, labels: &[&str]) {
        self.say(&AgentToServer::Hello {
            protocol,
            orchestrator_id: self.id,
            name: "host".into(),
            version: "0.0.1".into(),
            capacity: 3,
            labels: labels.iter().map(|&label| label.into()).collect(),
            started_at_us: Some(1_700_000_000_000_000),
            runtime: false,
            ssh: self.ssh,
            terminals: self.terminals,
        })
        .await;
    }

    pub async fn say(&mut self, message: &AgentToServer) {
        self.send(rmp_serde::to_vec_named(message).unwrap()).await;
    }

    async fn send(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next message, unless it is a call to claim.
    pub async fn hear(&mut self) -> ServerToAgent {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(5), self.socket.next()).await;
            if let Message::Binary(bytes) = next.expect("a message within 5 s").unwrap().unwrap() {
                match rmp_serde::from_slice(&bytes).unwrap() {
                    ServerToAgent::Wake => {}
                    message => return message,
                }
            }
        }
    }

    pub async fn claims(&mut self) -> usize {
        self.say(&AgentToServer::Claim {
            free_slots: 3,
            on_servers: 3,
        })
        .await;
        match self.hear().await {
            ServerToAgent::Claimed { assignments, .. } => assignments.len(),
            other => panic!("{other:?}"),
        }
    }
}

async fn list(test: &TestApp, token: &str) -> Value {
    let query = "{ orchestrators { id name version outdated labels connected draining capacity startedAt viewerCan } }";
    test.graphql(token, query, json!({})).await["data"]["orchestrators"].clone()
}

async fn drain(test: &TestApp, token: &str, id: &Value, draining: bool) -> Value {
    let change =
        "mutation ($id: ID!, $on: Boolean!) { setOrchestratorDraining(input: { id: $id, draining: $on }) {
                  orchestrator { draining } userErrors { code field } } }";
    let answer = test
        .graphql(token, change, json!({ "id": id, "on": draining }))
        .await;
    answer["data"]["setOrchestratorDraining"].clone()
}

fn draining(on: bool) -> ServerToAgent {
    ServerToAgent::Drain { draining: on }
}

#[tokio::test]
async fn one_that_is_drained_gets_no_work_until_it_is_put_back_also_after_it_has_connected_again() {
    let test = TestApp::start().await;
    let (admin, editor) = (
        test.sign_in(UserRole::Admin).await,
        test.sign_in(UserRole::Editor).await,
    );
    let address = serve(&test).await;
    let mut host = Host::connect(address, Uuid::new_v4()).await;
    assert_eq!(host.hear().await, draining(false));
    let seen = list(&test, &admin).await[0].clone();
    let expected = json!({
        "id": seen["id"], "name": "host", "version": "0.0.1", "outdated": true, "labels": ["gpu"], "connected": true,
        "draining": false, "capacity": 3, "startedAt": "2023-11-14T22:13:20+00:00", "viewerCan": ["READ", "CHANGE"],
    });
    assert_eq!(seen, expected);
    assert_eq!(list(&test, &editor).await[0]["viewerCan"], json!(["READ"]));

    let done = drain(&test, &admin, &seen["id"], true).await;
    assert_eq!(
        done,
        json!({ "orchestrator": { "draining": true }, "userErrors": [] })
    );
    assert_eq!(host.hear().await, draining(true));
    let id = event(&test, &editor, json!({})).await;
    run(&test, &editor, json!({ "eventId": id })).await;
    assert_eq!(host.claims().await, 0, "it had asked before it heard");
    let mut host = Host::connect(address, host.id).await;
    assert_eq!(host.hear().await, draining(true));
    assert_eq!(host.claims().await, 0);

    drain(&test, &admin, &seen["id"], false).await;
    assert_eq!(host.hear().await, draining(false));
    assert_eq!(host.claims().await, 1);
    let log = "{ auditLog(first: 5, filter: { actions: [DRAIN_ORCHESTRATOR] }) { nodes { targetName before after } } }";
    let log = test.graphql(&admin, log, json!({})).await;
    let entry = |before: bool| json!({ "targetName": "host", "before": { "draining": before }, "after": { "draining": !before } });
    assert_eq!(
        log["data"]["auditLog"]["nodes"],
        json!([entry(true), entry(false)]),
        "{log}"
    );
}

#[tokio::test]
async fn one_gets_the_work_whose_labels_it_has_said_that_it_has() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let address = serve(&test).await;
    let id = event(&test, &token, json!({ "labels": ["gpu", "ssd"] })).await;
    for _ in 0..2 {
        run(&test, &token, json!({ "eventId": id })).await;
    }
    for (labels, expected) in [(&[][..], 0), (&["gpu"], 0), (&["ssd", "zone", "gpu"], 2)] {
        let mut host = Host::with_labels(address, Uuid::new_v4(), labels).await;
        assert_eq!(host.hear().await, draining(false));
        assert_eq!(host.claims().await, expected, "{labels:?}");
    }
}

/// Until the last part an orchestrator's question is open: it asks for no more than it has room for.
#[tokio::test]
async fn what_is_too_large_for_one_message_comes_in_parts_and_each_but_the_last_says_so() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let address = serve(&test).await;
    let source = format!("# {}", "x".repeat(1_000_000));
    let id = event(&test, &token, json!({ "source": source })).await;
    for _ in 0..6 {
        run(&test, &token, json!({ "eventId": id })).await;
    }
    let mut host = Host::with_labels(address, Uuid::new_v4(), &[]).await;
    assert_eq!(host.hear().await, draining(false));
    host.say(&AgentToServer::Claim {
        free_slots: 5,
        on_servers: 0,
    })
    .await;
    let mut parts = Vec::new();
    loop {
        let ServerToAgent::Claimed { assignments, more } = host.hear().await else {
            panic!("not an answer");
        };
        parts.push((assignments.len(), more));
        if !more {
            break;
        }
    }
    assert_eq!(parts, [(4, true), (1, false)]);
    assert_eq!(host.claims().await, 1);
}

#[tokio::test]
async fn without_the_key_or_with_another_protocol_nobody_is_one() {
    let test = TestApp::start().await;
    let address = serve(&test).await;
    for key in [
        None,
        Some(""),
        Some("another key"),
        Some("the key of the channel2"),
    ] {
        let mut request = format!("ws://{address}/agent").into_client_request().unwrap();
        if let Some(key) = key {
            let bearer = format!("Bearer {key}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
        }
        let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
        assert!(
            matches!(&refused, tokio_tungstenite::tungstenite::Error::Http(answer) if answer.status() == 401),
            "{key:?}: {refused:?}"
        );
    }
    let mut host = Host::open(address, Uuid::new_v4()).await;
    host.hello(PROTOCOL_VERSION + 1, &[]).await;
    let told = tokio::time::timeout(Duration::from_secs(5), host.socket.next()).await;
    let Message::Close(Some(frame)) = told.unwrap().unwrap().unwrap() else {
        panic!("it is let in");
    };
    assert!(frame.reason.contains("upgrade the orchestrator"), "{frame:?}");
    let mut host = Host::open(address, Uuid::new_v4()).await;
    host.say(&AgentToServer::Claim {
        free_slots: 1,
        on_servers: 0,
    })
    .await;
    let told = tokio::time::timeout(Duration::from_secs(5), host.socket.next()).await;
    assert!(
        !matches!(told.unwrap(), Some(Ok(Message::Binary(_)))),
        "it did not say who it is"
    );
    let admin = test.sign_in(UserRole::Admin).await;
    assert_eq!(list(&test, &admin).await, json!([]));
}

#[tokio::test]
async fn what_another_server_was_told_is_known_with_the_next_heartbeat() {
    let test = TestApp::start().await;
    let mut host = Host::connect(serve(&test).await, Uuid::new_v4()).await;
    assert_eq!(host.hear().await, draining(false));
    sqlx::query("UPDATE orchestrators SET draining = true")
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    let heartbeat = AgentToServer::Heartbeat {
        host: HostReport::default(),
        running: 0,
    };
    host.say(&heartbeat).await;
    assert_eq!(host.hear().await, draining(true));
}

#[tokio::test]
async fn a_word_of_a_newer_orchestrator_is_passed_over_and_ends_nothing() {
    let test = TestApp::start().await;
    let mut host = Host::connect(serve(&test).await, Uuid::new_v4()).await;
    assert_eq!(host.hear().await, draining(false));
    host.send(rmp_serde::to_vec_named(&json!({ "Invented": { "much": 1 } })).unwrap())
        .await;
    assert_eq!(host.claims().await, 0);
}

#[tokio::test]
async fn an_unknown_one_is_an_error_at_its_id() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    for id in [
        json!("nothing"),
        json!(cronium_server::kernel::ids::OrchestratorId(Uuid::nil()).global()),
    ] {
        let refused = drain(&test, &admin, &id, true).await;
        let expected =
            json!({ "orchestrator": null, "userErrors": [{ "code": "NOT_FOUND", "field": ["id"] }] });
        assert_eq!(refused, expected);
    }
}
