//! Terminals over the real channel of an orchestrator that is played: opened where somebody may, shown and typed into
//! once and in order, ended when a right or a time is over, and recorded.

mod ends;
mod gone;
mod inside;
mod limits;
mod opening;
mod recordings;
mod showing;
mod statements;
mod together;
mod tokens;
mod typing;
mod watching;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use async_graphql::{ID, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{AgentToServer, HostReport, ServerToAgent};
use cronium_protocol::host::SignIn;
use cronium_protocol::terminal::{About, FromTerminal, ToTerminal};
use cronium_server::kernel::ids::{ServerId, TerminalId, UserId};
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orchestrators::{Host, serve};
use crate::support::{Person, TestApp};

// Made with ssh-keygen; its private half was thrown away.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL11DqwG7FG0nlO9oXL03IhJklu3ravYXLHWTkXKqGXT";
const PRINT: &str = "SHA256:EAtDti4NMnBVFxZuOP8sx5Z/9/QV//s+k/DdrQr/wZw";

const FIELDS: &str =
    "id title status statusReason exitCode columns rows isMine idleUntil until openedAt endedAt
    recordedBytes recordingCut server { id name } execution { id } owner { id }";

/// What waits for nothing is there within this.
const SILENCE: Duration = Duration::from_millis(300);

/// Executes a mutation that has one input, and gives its payload.
async fn mutate(test: &TestApp, token: &str, name: &str, selection: &str, input: Value) -> Value {
    let mut kind = name.to_owned();
    kind[..1].make_ascii_uppercase();
    let document = format!(
        "mutation ($i: {kind}Input!) {{ {name}(input: $i) {{ {selection} userErrors {{ code field message }} }} }}"
    );
    let answer = test.graphql(token, &document, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"][name].clone()
}

async fn open(test: &TestApp, token: &str, input: Value) -> Value {
    let selection = format!("terminal {{ {FIELDS} }}");
    mutate(test, token, "openTerminal", &selection, input).await
}

/// What is typed, and what comes of it.
async fn type_in(test: &TestApp, token: &str, id: &Value, seq: i32, data: &str) -> Value {
    let input = json!({ "id": id, "seq": seq, "data": data });
    mutate(test, token, "sendTerminalInput", "nextSeq", input).await
}

/// Says how far somebody has read.
async fn read(test: &TestApp, token: &str, id: &Value, seq: i64) -> Value {
    let input = json!({ "id": id, "seq": seq });
    mutate(test, token, "readTerminal", "", input).await
}

async fn resize(test: &TestApp, token: &str, id: &Value, columns: i32, rows: i32) -> Value {
    let input = json!({ "id": id, "columns": columns, "rows": rows });
    mutate(test, token, "resizeTerminal", "terminal { columns rows }", input).await
}

async fn close(test: &TestApp, token: &str, id: &Value) -> Value {
    let selection = "terminal { status statusReason }";
    mutate(test, token, "closeTerminal", selection, json!({ "id": id })).await
}

/// The code and the field of what was refused first.
fn fault(payload: &Value) -> (String, String) {
    let error = &payload["userErrors"][0];
    let field = error["field"].as_array();
    let path = field.map(|path| {
        path.iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(".")
    });
    let code = error["code"].as_str().unwrap_or_else(|| panic!("{payload}"));
    (code.to_owned(), path.unwrap_or_default())
}

fn refused(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

async fn session(test: &TestApp, token: &str, id: &Value) -> Value {
    let document = format!("query ($id: ID!) {{ terminalSession(id: $id) {{ {FIELDS} }} }}");
    let answer = test.graphql(token, &document, json!({ "id": id })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["terminalSession"].clone()
}

async fn execute(test: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(&test.app.kernel.pool).await.unwrap();
}

fn uuid_of(person: &Person) -> Uuid {
    UserId::parse(&ID(person.id.clone())).ok().unwrap().0
}

/// A server of somebody's whose key is confirmed.
async fn server(test: &TestApp, owner: &Person, name: &str, shared: bool) -> String {
    let id = ServerId(Uuid::new_v4());
    let plain = serde_json::to_vec(&SignIn::Password("hunter2".to_owned().into())).unwrap();
    let ring = KeyRing::new(vec![MasterKey::new([7; 32])]);
    let sealed = ring.seal(test.app.kernel.entropy, &format!("servers/{id}"), &plain);
    sqlx::query(
        "INSERT INTO servers (id, owner_id, name, host, port, login, shared, sign_in, sealed, host_key_fingerprint,
             host_key, check_interval_secs, status, version, created_at, updated_at)
         VALUES ($1, $2, $3, 'db.example.test', 22, 'deploy', $4, 'PASSWORD', $5, $6,
             $7, 0, 'ONLINE', 1, now(), now())",
    )
    .bind(id.0)
    .bind(uuid_of(owner))
    .bind(name)
    .bind(shared)
    .bind(sealed.ok().unwrap())
    .bind(PRINT)
    .bind(KEY)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
    id.global().to_string()
}

/// An orchestrator that is played.
struct Played {
    host: Host,
    id: Uuid,
}

impl Played {
    async fn connect(address: SocketAddr, id: Uuid, ssh: bool) -> Self {
        let host = Host::opening_terminals(address, id, ssh).await;
        Self { host, id }
    }

    /// What it is told of a terminal next.
    async fn word(&mut self) -> (Uuid, ToTerminal) {
        match self.host.hear().await {
            ServerToAgent::Terminal(About { terminal, word }) => (terminal, word),
            other => panic!("not about a terminal: {other:?}"),
        }
    }

    /// The same of this terminal, but for room for more output.
    async fn told(&mut self, terminal: Uuid) -> ToTerminal {
        loop {
            let (about, word) = self.word().await;
            assert_eq!(about, terminal, "{word:?}");
            if !matches!(word, ToTerminal::Seen { .. }) {
                return word;
            }
        }
    }

    /// Is told of room until it has it up to this piece.
    async fn has_room(&mut self, terminal: Uuid, up_to: u64) {
        let mut room = 0;
        while room < up_to {
            let next = self.seen(terminal).await;
            assert!(next > room, "{next} after {room}");
            room = next;
        }
        assert_eq!(room, up_to);
    }

    /// Up to which piece there is room, as it is told next.
    async fn seen(&mut self, terminal: Uuid) -> u64 {
        match self.word().await {
            (about, ToTerminal::Seen { number }) if about == terminal => number,
            other => panic!("no room: {other:?}"),
        }
    }

    async fn is_told_to_type(&mut self, terminal: Uuid, number: u64, text: &str) {
        let data = text.as_bytes().to_vec();
        assert_eq!(self.told(terminal).await, ToTerminal::Input { number, data });
    }

    /// It is told nothing for a moment.
    async fn hears_nothing(&mut self) {
        let silent = tokio::time::timeout(SILENCE, self.host.hear()).await;
        assert!(silent.is_err(), "{silent:?}");
    }

    async fn say(&mut self, terminal: Uuid, word: FromTerminal) {
        self.host
            .say(&AgentToServer::Terminal(About { terminal, word }))
            .await;
    }

    async fn show(&mut self, terminal: Uuid, number: u64, data: &[u8]) {
        let output = FromTerminal::Output {
            number,
            at_us: 1_700_000_000_000_000 + number.cast_signed() * 1_000,
            data: data.to_vec(),
        };
        self.say(terminal, output).await;
    }

    async fn beat(&mut self) {
        let host = HostReport::default();
        self.host
            .say(&AgentToServer::Heartbeat { host, running: 0 })
            .await;
    }
}

/// What somebody sees.
struct Screen(Pin<Box<dyn Stream<Item = Response> + Send>>);

impl Screen {
    async fn of(test: &TestApp, token: &str, id: &Value, after: i64) -> Self {
        let query =
            "subscription ($id: ID!, $after: Int!) { terminalOutput(sessionId: $id, afterSeq: $after) {
            seq at data size { columns rows } status } }";
        let request = test
            .request(token, query, json!({ "id": id, "after": after }))
            .await;
        Self(Box::pin(test.app.schema.execute_stream(request)))
    }

    /// The next piece; None: nothing follows.
    async fn piece(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(Duration::from_secs(5), self.0.next()).await;
        let response = next.expect("a piece within 5 s")?;
        assert_eq!(response.errors, []);
        Some(response.data.into_json().unwrap()["terminalOutput"].clone())
    }

    /// The number and the bytes of the next piece, which is one of output.
    async fn output(&mut self) -> (i64, Vec<u8>) {
        let piece = self.piece().await.expect("a piece");
        assert_eq!((&piece["size"], &piece["status"]), (&Value::Null, &json!("OPEN")));
        (piece["seq"].as_i64().unwrap(), bytes(&piece))
    }

    async fn sees(&mut self, seq: i64, data: &[u8]) {
        assert_eq!(self.output().await, (seq, data.to_vec()));
    }

    async fn sees_size(&mut self, seq: i64, columns: i32, rows: i32) {
        let piece = self.piece().await.expect("a piece");
        let size = json!({ "columns": columns, "rows": rows });
        assert_eq!(
            (&piece["seq"], &piece["size"], &piece["data"]),
            (&json!(seq), &size, &json!(""))
        );
    }

    /// The last piece, and that nothing follows it.
    async fn ends(&mut self, seq: i64) {
        let piece = self.piece().await.expect("the end");
        assert_eq!(
            (&piece["seq"], &piece["status"], &piece["data"]),
            (&json!(seq), &json!("ENDED"), &json!(""))
        );
        assert_eq!(self.piece().await, None);
    }
}

fn bytes(piece: &Value) -> Vec<u8> {
    STANDARD.decode(piece["data"].as_str().unwrap()).unwrap()
}

/// Somebody, their server, and an orchestrator that reaches it.
struct World {
    test: TestApp,
    address: SocketAddr,
    me: Person,
    server: String,
    played: Played,
}

/// A terminal that is open, by its global id and its orchestrator's.
struct Opened {
    id: Value,
    uuid: Uuid,
}

impl World {
    async fn new() -> Self {
        Self::with(TestApp::start().await, true).await
    }

    /// One whose orchestrator reaches no servers, while another one does that is away.
    async fn without_ssh() -> Self {
        let world = Self::with(TestApp::start().await, false).await;
        let away =
            "INSERT INTO orchestrators (id, name, version, capacity, running, started_at, last_seen_at, ssh)
                    VALUES (gen_random_uuid(), 'away', '1', 1, 0, now(), now(), true)";
        execute(&world.test, away).await;
        world
    }

    async fn with(test: TestApp, ssh: bool) -> Self {
        let me = test.person(UserRole::Editor).await;
        let server = server(&test, &me, "Web", false).await;
        let address = serve(&test).await;
        let played = Played::connect(address, Uuid::new_v4(), ssh).await;
        Self {
            test,
            address,
            me,
            server,
            played,
        }
    }

    /// Asks for one on the server.
    async fn asked(&self) -> Value {
        let payload = open(&self.test, &self.me.token, json!({ "serverId": self.server })).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        payload["terminal"].clone()
    }

    /// One whose shell is there.
    async fn opened(&mut self) -> Opened {
        let id = self.asked().await["id"].clone();
        let (uuid, word) = self.played.word().await;
        assert!(matches!(word, ToTerminal::Open { .. }), "{word:?}");
        assert_eq!(TerminalId(uuid).global().as_str(), id);
        self.played.say(uuid, FromTerminal::Opened).await;
        self.screen(&id, 0).await.sees_size(1, 80, 24).await;
        Opened { id, uuid }
    }

    async fn screen(&self, id: &Value, after: i64) -> Screen {
        Screen::of(&self.test, &self.me.token, id, after).await
    }

    async fn look(&self) {
        self.test.app.terminals.look().await.ok().unwrap();
    }

    async fn state(&self, id: &Value) -> Value {
        session(&self.test, &self.me.token, id).await
    }

    /// Its opener never leaves, whatever the clock says.
    async fn always_watched(&self) {
        execute(
            &self.test,
            "UPDATE terminals SET viewed_at = now() + interval '9 years'",
        )
        .await;
    }
}

/// Entries of the audit log about terminals, oldest first: what was done, by whom, and what there is about it.
async fn entries(test: &TestApp) -> Vec<(String, Value, Value)> {
    let admin = test.sign_in(UserRole::Admin).await;
    let log = "{ auditLog(first: 100, filter: { actions: [OPEN_TERMINAL, CLOSE_TERMINAL, WATCH_TERMINAL] }) {
        nodes { action targetKind actor { id } after } } }";
    let log = test.graphql(&admin, log, json!({})).await;
    let nodes = log["data"]["auditLog"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("{log}"));
    let entry = |node: &Value| {
        assert_eq!(node["targetKind"], "TERMINAL");
        let action = node["action"].as_str().unwrap().to_owned();
        (action, node["actor"]["id"].clone(), node["after"].clone())
    };
    nodes.iter().rev().map(entry).collect()
}
