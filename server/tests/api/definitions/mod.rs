//! Events as text and as copies: what comes out goes in again, and what is refused.

mod attacks;
mod forks;
mod imports;
mod servers;

use serde_json::{Value, json};

use crate::support::TestApp;

const EXPORT: &str = "mutation ($i: ExportDefinitionsInput!) { exportDefinitions(input: $i) {
    content fileName mediaType exported userErrors { code field message } } }";
const IMPORT: &str = "mutation ($i: ImportDefinitionsInput!) { importDefinitions(input: $i) {
    created updated unchanged skipped
    definitions { kind name writtenName line outcome changes event { id name version { number } } }
    userErrors { code field message } } }";
const FORK: &str = "mutation ($i: ForkEventInput!) { forkEvent(input: $i) { userErrors { code field }
    event { id name status shared description tags maxExecutions countedRuns owner { id } version { number comment
        source environment { name value } target { ... on ContainerTarget { pids } } retry { attempts }
        http { url headers { name value } } } } } }";

async fn export(test: &TestApp, token: &str, input: Value) -> Value {
    let answer = test.graphql(token, EXPORT, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["exportDefinitions"].clone()
}

/// The text of everything that may be seen.
async fn text(test: &TestApp, token: &str, format: &str) -> String {
    let exported = export(test, token, json!({ "format": format })).await;
    assert_eq!(exported["userErrors"], json!([]), "{exported}");
    exported["content"].as_str().unwrap().to_owned()
}

async fn import(test: &TestApp, token: &str, content: &str, more: Value) -> Value {
    let mut input = json!({ "content": content });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = test.graphql(token, IMPORT, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["importDefinitions"].clone()
}

async fn fork(test: &TestApp, token: &str, input: Value) -> Value {
    let answer = test.graphql(token, FORK, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["forkEvent"].clone()
}

/// Created, updated, unchanged, skipped.
fn counts(payload: &Value) -> [i64; 4] {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    ["created", "updated", "unchanged", "skipped"].map(|field| payload[field].as_i64().unwrap())
}

/// Code, path and message of each problem; nothing was done then.
fn problems(payload: &Value) -> Vec<(String, String, String)> {
    assert_eq!(
        (&payload["definitions"], &payload["created"]),
        (&json!([]), &json!(0)),
        "{payload}"
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let path = |error: &Value| {
        let parts = error["field"].as_array().cloned().unwrap_or_default();
        parts.iter().map(text).collect::<Vec<_>>().join(".")
    };
    let errors = payload["userErrors"].as_array().unwrap().iter();
    errors
        .map(|error| (text(&error["code"]), path(error), text(&error["message"])))
        .collect()
}

/// Code and path of each.
fn faults(payload: &Value) -> Vec<(String, String)> {
    let all = problems(payload).into_iter();
    all.map(|(code, path, _)| (code, path)).collect()
}

fn fault(code: &str, path: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), path.to_owned())]
}

/// Rows of events, versions and the audit log.
async fn rows(test: &TestApp) -> [i64; 3] {
    let mut found = [0; 3];
    for (count, table) in found
        .iter_mut()
        .zip(["events", "event_versions", "audit_entries"])
    {
        let sql = format!("SELECT count(*) FROM {table}");
        *count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap();
    }
    found
}

/// The own events by name: name and version.
async fn names(test: &TestApp, token: &str) -> Vec<String> {
    let list =
        "{ events(first: 100, orderBy: { field: NAME, direction: ASC }) { nodes { name viewerCan } } }";
    let answer = test.graphql(token, list, json!({})).await;
    let nodes = answer["data"]["events"]["nodes"].as_array().unwrap().clone();
    let own = nodes.into_iter().filter(|node| {
        let may = node["viewerCan"].as_array().unwrap();
        may.contains(&json!("CHANGE"))
    });
    own.map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

/// An event with everything that an event can have.
fn everything() -> Value {
    json!({
        "name": "Nightly backup", "description": "Of the shop: \"all\" of it", "type": "BASH", "status": "PAUSED",
        "tags": ["ops", "yes", "1"], "shared": true,
        "source": "#!/bin/bash\n\tset -e\nfor x in 1 2; do\n  echo \"$x\"   \ndone\n\n",
        "environment": [{ "name": "PORT", "value": "8080" }, { "name": "A", "value": " two\nlines\r\n" }, { "name": "E", "value": "" }],
        "inputSchema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "number", "multipleOf": 0.5 },
            "a": { "enum": [null, true, "no", 1e300] } } },
        "target": { "container": { "image": "alpine:3.20", "memoryBytes": 67_108_864, "cpus": 0.25, "pids": 64,
            "network": "BRIDGE" } },
        "timeout": "PT1M30.5S", "retry": { "attempts": 4, "initialDelay": "PT1S", "factor": 1.5, "jitter": false,
            "on": ["EXIT_CODE", "TIMEOUT"], "exitCodes": [3, 4] },
        "overlap": "QUEUE_ONE", "maxConcurrent": 2, "idempotent": true, "maxExecutions": 9,
        "labels": ["gpu", "region=eu-1"],
    })
}

/// A request with a template that names a secret.
fn request() -> Value {
    json!({
        "name": "Ask", "type": "HTTP_REQUEST", "http": { "method": "POST", "url": "{{ variables.BASE }}/x",
            "headers": [{ "name": "Authorization", "value": "Bearer {{ secrets.TOKEN }}" }],
            "body": "{{ input | tojson }}", "expectedStatus": "200-299,404", "verifyTls": false, "maxRedirects": 0 },
    })
}

const CREATE: &str =
    "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { code field } } }";

async fn create(test: &TestApp, token: &str, input: Value) -> String {
    let answer = test.graphql(token, CREATE, json!({ "i": input })).await;
    answer["data"]["createEvent"]["event"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

async fn secret(test: &TestApp, token: &str, key: &str, value: &str) {
    let set = "mutation ($i: SetVariableInput!) { setVariable(input: $i) { userErrors { message } } }";
    let input = json!({ "key": key, "value": value, "secret": true });
    let answer = test.graphql(token, set, json!({ "i": input })).await;
    assert_eq!(answer["data"]["setVariable"]["userErrors"], json!([]), "{answer}");
}
