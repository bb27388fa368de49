//! Servers that people own: registered with a confirmed host key, checked through orchestrators, seen and changed by whom
//! they belong to. Orchestrators here take real errands and answer by a script.

mod access;
mod checks;
mod choosing;
mod mistakes;
mod orders;
mod saving;
mod secrets;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cronium_entity::enums::UserRole;
use cronium_protocol::host::{Errand, HostFigures, HostKey, HostTrouble, Report, TroubleKind};
use cronium_server::kernel::ids::OrchestratorId;
use cronium_server::orchestrators::Hello;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::support::TestApp;

// Made with ssh-keygen; their private halves were thrown away.
const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL11DqwG7FG0nlO9oXL03IhJklu3ravYXLHWTkXKqGXT";
const ED25519_PRINT: &str = "SHA256:EAtDti4NMnBVFxZuOP8sx5Z/9/QV//s+k/DdrQr/wZw";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAw5N57H7cqbsDkJXEfwfj01pIaC\
                     Q6Mnde7qYNW68Y0yllbCYlk+rTH6exrEiDiAAu2wzktyCRS4nRwYMPYl60A=";
const ECDSA_PRINT: &str = "SHA256:yLswuOVVXLvxQSuYFwZT4J94KqGXuPmgTL+ls2YyLl8";
/// Of another machine.
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaMwyggKo6pixHQCk+e+XK6COZoSKumyueGD52Jf3lR";
const OTHER_PRINT: &str = "SHA256:v+XzOhbR3k+IiZNN7B1Rn4gmaoS7EQWzohwUS6qhUsk";

const FIELDS: &str = "id name address port username tags shared owner { id } signIn publicKey hostKeyFingerprint
    hostKeyAlgorithm jumpServer { id } jumpFor { name } status statusReason
    lastCheck { id at reachable trouble message latencyMs system machine processors loadAverage memoryUsed memoryTotal
        diskUsed diskTotal runnerVersion }
    checkIntervalSeconds version createdAt updatedAt viewerCan";

/// Executes a mutation that has one input, and gives its payload.
pub async fn mutate(test: &TestApp, token: &str, name: &str, selection: &str, input: Value) -> Value {
    let mut kind = name.to_owned();
    kind[..1].make_ascii_uppercase();
    let document = format!(
        "mutation ($i: {kind}Input!) {{ {name}(input: $i) {{ {selection} userErrors {{ code field message }} }} }}"
    );
    let answer = test.graphql(token, &document, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"][name].clone()
}

async fn create(test: &TestApp, token: &str, input: Value) -> Value {
    let selection = format!("server {{ {FIELDS} }}");
    mutate(test, token, "createServer", &selection, input).await
}

async fn update(test: &TestApp, token: &str, input: Value) -> Value {
    let selection = format!("server {{ {FIELDS} }}");
    mutate(test, token, "updateServer", &selection, input).await
}

async fn check(test: &TestApp, token: &str, id: &Value) -> Value {
    let selection = format!("server {{ {FIELDS} }} check {{ id reachable trouble message latencyMs }}");
    mutate(test, token, "checkServer", &selection, json!({ "id": id })).await
}

/// The server of a payload that has to be without fault.
fn saved(payload: &Value) -> Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["server"].clone()
}

/// Codes and fields of what is refused.
fn faults(payload: &Value) -> Vec<(String, String)> {
    assert_eq!(payload["server"], Value::Null, "{payload}");
    let errors = payload["userErrors"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| {
            let field = error["field"].as_array();
            let path = field.map(|path| path.iter().map(text).collect::<Vec<_>>().join("."));
            (text(&error["code"]), path.unwrap_or_default())
        })
        .collect()
}

fn fault(code: &str, field: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), field.to_owned())]
}

/// A new server with a password, whose key is confirmed; and what is different about it.
fn input(name: &str, different: Value) -> Value {
    let mut input = json!({ "name": name, "address": "db.example.test", "username": "deploy", "password": "hunter2",
        "hostKeyFingerprint": ED25519_PRINT });
    merge(&mut input, different);
    input
}

fn merge(into: &mut Value, different: Value) {
    let Value::Object(different) = different else {
        panic!("not an object");
    };
    for (field, value) in different {
        into[field] = value;
    }
}

/// A server of which nothing is asked.
pub async fn unasked(test: &TestApp, token: &str, name: &str, different: Value) -> Value {
    let mut all = input(name, json!({ "allowUnreachable": true }));
    all.as_object_mut().unwrap().remove("hostKeyFingerprint");
    merge(&mut all, different);
    saved(&create(test, token, all).await)
}

async fn server(test: &TestApp, token: &str, id: &Value) -> Value {
    let document = format!("query ($id: ID!) {{ server(id: $id) {{ {FIELDS} }} }}");
    let answer = test.graphql(token, &document, json!({ "id": id })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["server"].clone()
}

/// Names in a list.
async fn names(test: &TestApp, token: &str, filter: Value) -> Vec<String> {
    let document =
        "query ($f: ServerFilter) { servers(first: 100, filter: $f) { totalCount nodes { name } } }";
    let answer = test.graphql(token, document, json!({ "f": filter })).await;
    let nodes = answer["data"]["servers"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(answer["data"]["servers"]["totalCount"], nodes.len());
    nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Entries of the audit log about servers, oldest first.
async fn entries(test: &TestApp) -> Vec<(String, Value, Value)> {
    let admin = test.sign_in(UserRole::Admin).await;
    let log = "{ auditLog(first: 100, filter: {
        actions: [CREATE_SERVER, UPDATE_SERVER, DELETE_SERVER, CONFIRM_HOST_KEY] }) {
        nodes { action targetKind before after } } }";
    let log = test.graphql(&admin, log, json!({})).await;
    let nodes = log["data"]["auditLog"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("{log}"));
    let entry = |node: &Value| {
        assert_eq!(node["targetKind"], "SERVER");
        (
            node["action"].as_str().unwrap().to_owned(),
            node["before"].clone(),
            node["after"].clone(),
        )
    };
    nodes.iter().rev().map(entry).collect()
}

fn key(text: &str) -> HostKey {
    text.parse().unwrap()
}

/// What a host answers that shows these keys and lets everybody in.
fn host(keys: &'static [&'static str]) -> impl Fn(&Errand) -> Report + Send + 'static {
    move |errand: &Errand| match errand {
        Errand::HostKeys { .. } => Report::HostKeys {
            keys: keys.iter().map(|text| key(text)).collect(),
            latency_us: 1_500,
        },
        Errand::Check { .. } => Report::Check(figures()),
    }
}

fn figures() -> HostFigures {
    HostFigures {
        latency_us: 2_250,
        system: Some("Linux 6.1.0 (Debian GNU/Linux 12)".into()),
        machine: Some("x86_64".into()),
        processors: Some(4),
        load_average: Some(0.5),
        memory_used: Some(1 << 30),
        memory_total: Some(4 << 30),
        disk_used: Some(10 << 30),
        disk_total: Some(80 << 30),
        runner_version: None,
    }
}

fn trouble(kind: TroubleKind) -> Report {
    let told = Some("what it said".to_owned());
    Report::Trouble(HostTrouble { kind, told })
}

/// An orchestrator that says hello and reaches servers.
async fn hello(test: &TestApp, id: Uuid) {
    let hello = Hello {
        id: OrchestratorId(id),
        name: "host".into(),
        version: "0.1.0".into(),
        capacity: 1,
        labels: Vec::new(),
        started_at: None,
        ssh: true,
    };
    test.app.orchestrators.hello(&hello).await.ok().unwrap();
}

/// An orchestrator that answers by a script for as long as it lives.
struct Script {
    asked: Arc<Mutex<Vec<Errand>>>,
    _task: AbortOnDropHandle<()>,
}

impl Script {
    async fn start(test: &TestApp, answer: impl Fn(&Errand) -> Report + Send + 'static) -> Self {
        let id = Uuid::new_v4();
        hello(test, id).await;
        let errands = test.app.errands.clone();
        let mut wanted = test.app.kernel.signals.errands();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                for (errand_id, errand) in errands.take(id, 10).await.ok().unwrap() {
                    let report = answer(&errand);
                    heard.lock().unwrap().push(errand);
                    errands.done(id, errand_id, report).await.ok().unwrap();
                }
                drop(tokio::time::timeout(Duration::from_millis(100), wanted.changed()).await);
            }
        });
        Self {
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What it was asked since this was last looked at.
    fn asked(&self) -> Vec<Errand> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Kinds of errands: K for keys, C for a check.
fn kinds(asked: &[Errand]) -> String {
    asked
        .iter()
        .map(|errand| match errand {
            Errand::HostKeys { .. } => 'K',
            Errand::Check { .. } => 'C',
        })
        .collect()
}
