//! Variables: who sees and changes which, what is refused, and how secrets stay secret.

mod exchange;
mod scripts;
mod secrets;
mod usage;

use cronium_entity::enums::UserRole;
use cronium_server::kernel::ids::UserId;
use serde_json::{Value, json};

use crate::support::{Person, TestApp};

const SET: &str = "mutation ($i: SetVariableInput!) { setVariable(input: $i) {
    variable { id key scope value secret description version owner { id } updatedBy { id } viewerCan createdAt updatedAt }
    userErrors { code field message } } }";
const DELETE: &str = "mutation ($i: DeleteVariableInput!) { deleteVariable(input: $i) {
    deletedId usedBy { name } userErrors { code field } } }";
const LIST: &str = "query ($f: VariableFilter) { variables(first: 100, filter: $f) {
    totalCount nodes { id key scope value secret owner { id } viewerCan } } }";

/// The payload of setVariable.
async fn set(test: &TestApp, token: &str, input: Value) -> Value {
    let answer = test.graphql(token, SET, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["setVariable"].clone()
}

/// A variable that has to be accepted.
async fn made(test: &TestApp, token: &str, input: Value) -> Value {
    let payload = set(test, token, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["variable"].clone()
}

/// Codes and fields of what is refused.
async fn refused(test: &TestApp, token: &str, input: Value) -> Vec<(String, String)> {
    let payload = set(test, token, input).await;
    assert_eq!(payload["variable"], Value::Null, "{payload}");
    faults(&payload)
}

fn faults(payload: &Value) -> Vec<(String, String)> {
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

async fn delete(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, DELETE, json!({ "i": input })).await["data"]["deleteVariable"].clone()
}

async fn list(test: &TestApp, token: &str, filter: Value) -> Vec<Value> {
    let answer = test.graphql(token, LIST, json!({ "f": filter })).await;
    let nodes = answer["data"]["variables"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("{answer}")).clone();
    assert_eq!(answer["data"]["variables"]["totalCount"], nodes.len());
    nodes
}

async fn keys(test: &TestApp, token: &str, filter: Value) -> Vec<String> {
    let nodes = list(test, token, filter).await.into_iter();
    nodes
        .map(|node| node["key"].as_str().unwrap().to_owned())
        .collect()
}

fn user(person: &Person) -> UserId {
    UserId::parse(&person.id.as_str().into()).ok().unwrap()
}

/// Entries of the audit log about variables, newest first: action, name, before, after.
async fn entries(test: &TestApp) -> Vec<(String, String, Value, Value)> {
    let admin = test.sign_in(UserRole::Admin).await;
    let log = "{ auditLog(first: 100, filter: { actions: [CREATE_VARIABLE, UPDATE_VARIABLE, DELETE_VARIABLE, EXPORT_SECRETS] }) {
        nodes { action targetName before after } } }";
    let log = test.graphql(&admin, log, json!({})).await;
    let nodes = log["data"]["auditLog"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("{log}")).iter();
    nodes
        .map(|node| {
            let text = |field: &str| node[field].as_str().unwrap().to_owned();
            let (before, after) = (node["before"].clone(), node["after"].clone());
            (text("action"), text("targetName"), before, after)
        })
        .collect()
}

#[tokio::test]
async fn a_variable_is_made_changed_and_removed_and_the_log_says_so_without_its_value() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let input = json!({ "key": "API_URL", "value": "https://one.test", "description": " Where it is " });
    let first = made(&test, &me.token, input).await;
    let expected = json!({ "key": "API_URL", "scope": "OWN", "value": "https://one.test", "secret": false, "version": 1,
        "description": "Where it is", "owner": { "id": me.id }, "updatedBy": { "id": me.id },
        "viewerCan": ["READ", "CHANGE", "DELETE"] });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(first[field], *value, "{field}");
    }
    test.clock.advance(chrono::TimeDelta::seconds(9));
    let second = made(
        &test,
        &me.token,
        json!({ "key": "API_URL", "value": "https://two.test" }),
    )
    .await;
    assert_eq!(
        (&second["id"], &second["version"], &second["description"]),
        (&first["id"], &json!(2), &json!("Where it is"))
    );
    assert!(second["createdAt"] == first["createdAt"] && second["updatedAt"] != first["updatedAt"]);
    // The same again is no change.
    let same = made(
        &test,
        &me.token,
        json!({ "key": "API_URL", "value": "https://two.test" }),
    )
    .await;
    assert_eq!(same, second);
    let gone = delete(&test, &me.token, json!({ "id": first["id"] })).await;
    assert_eq!(gone["deletedId"], first["id"]);
    assert!(list(&test, &me.token, json!({})).await.is_empty());
    assert_eq!(
        faults(&delete(&test, &me.token, json!({ "id": first["id"] })).await),
        fault("NOT_FOUND", "id")
    );
    let log = entries(&test).await;
    let actions: Vec<_> = log.iter().map(|entry| entry.0.as_str()).collect();
    assert_eq!(actions, ["DELETE_VARIABLE", "UPDATE_VARIABLE", "CREATE_VARIABLE"]);
    assert_eq!(log[1].1, "API_URL");
    assert_eq!(
        (&log[1].2["version"], &log[1].3["version"]),
        (&json!(1), &json!(2))
    );
    assert!(
        !format!("{log:?}").contains(".test"),
        "no value is written: {log:?}"
    );
}

#[tokio::test]
async fn each_mistake_is_named_at_its_field_and_nothing_is_stored() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    for (key, code) in [
        ("", "REQUIRED"),
        ("lower", "INVALID"),
        ("1A", "INVALID"),
        ("A-B", "INVALID"),
        ("A\u{0}", "INVALID"),
        ("CRONIUM_URL", "INVALID"),
        ("A".repeat(129).as_str(), "TOO_LONG"),
    ] {
        let input = json!({ "key": key, "value": "x" });
        assert_eq!(
            refused(&test, &me.token, input).await,
            fault(code, "key"),
            "{key}"
        );
    }
    let many = json!({ "key": "a", "value": "x".repeat((64 << 10) + 1), "description": "d".repeat(501) });
    let found = refused(&test, &me.token, many).await;
    let fields: Vec<_> = found.iter().map(|(_, field)| field.as_str()).collect();
    assert_eq!(fields, ["key", "value", "description"]);
    for (input, code, field) in [
        (json!({ "key": "A" }), "REQUIRED", "value"),
        (json!({ "key": "A", "value": "a\u{0}b" }), "INVALID", "value"),
        (
            json!({ "key": "A", "value": "x", "description": "a\u{202e}b" }),
            "INVALID",
            "description",
        ),
        (
            json!({ "key": "A", "value": "x", "expectedVersion": 1 }),
            "CONFLICT",
            "expectedVersion",
        ),
        (
            json!({ "key": "A", "value": "x", "id": "nonsense" }),
            "NOT_FOUND",
            "id",
        ),
        (
            json!({ "key": "A", "value": "x", "id": me.id }),
            "NOT_FOUND",
            "id",
        ),
        (
            json!({ "key": "A", "value": "x", "scope": "GLOBAL" }),
            "FORBIDDEN",
            "scope",
        ),
    ] {
        let found = refused(&test, &me.token, input.clone()).await;
        assert_eq!(found, fault(code, field), "{input}");
    }
    assert!(list(&test, &me.token, json!({})).await.is_empty());
    let largest =
        json!({ "key": "A".repeat(128), "value": "x".repeat(64 << 10), "description": "d".repeat(500) });
    made(&test, &me.token, largest).await;
}

#[tokio::test]
async fn own_ones_are_hidden_shared_ones_are_seen_and_global_ones_are_for_administrators() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let (viewer, admin) = (
        test.sign_in(UserRole::Viewer).await,
        test.person(UserRole::Admin).await,
    );
    let own = made(&test, &me.token, json!({ "key": "A_OWN", "value": "1" })).await;
    let shared = made(
        &test,
        &me.token,
        json!({ "key": "B_SHARED", "value": "2", "scope": "SHARED" }),
    )
    .await;
    let global = made(
        &test,
        &admin.token,
        json!({ "key": "C_GLOBAL", "value": "3", "scope": "GLOBAL" }),
    )
    .await;
    assert_eq!(global["owner"], Value::Null);
    assert_eq!(
        keys(&test, &me.token, json!({})).await,
        ["A_OWN", "B_SHARED", "C_GLOBAL"]
    );
    assert_eq!(keys(&test, &viewer, json!({})).await, ["B_SHARED", "C_GLOBAL"]);
    assert_eq!(
        keys(&test, &admin.token, json!({})).await,
        ["A_OWN", "B_SHARED", "C_GLOBAL"]
    );
    let seen = list(&test, &other.token, json!({})).await;
    assert!(
        seen.iter().all(|node| node["viewerCan"] == json!(["READ"])),
        "{seen:?}"
    );
    // Nobody else changes or removes them, and whoever may not see one does not learn that it is there.
    for (token, variable) in [
        (&other.token, &own),
        (&other.token, &shared),
        (&me.token, &global),
        (&other.token, &global),
    ] {
        let change = json!({ "id": variable["id"], "key": variable["key"], "value": "x" });
        assert_eq!(refused(&test, token, change).await, fault("NOT_FOUND", "id"));
        let gone = delete(&test, token, json!({ "id": variable["id"] })).await;
        assert_eq!(
            (faults(&gone), &gone["deletedId"]),
            (fault("NOT_FOUND", "id"), &Value::Null)
        );
    }
    // A shared key is there once, an own one for each person.
    let again = json!({ "key": "B_SHARED", "value": "x", "scope": "SHARED" });
    assert_eq!(refused(&test, &other.token, again).await, fault("TAKEN", "key"));
    made(&test, &other.token, json!({ "key": "A_OWN", "value": "mine" })).await;
    made(&test, &other.token, json!({ "key": "B_SHARED", "value": "mine" })).await;
    // Administrators change all of them; what is somebody's stays theirs.
    for variable in [&own, &shared] {
        let change = json!({ "id": variable["id"], "key": variable["key"], "value": "by an administrator" });
        let changed = made(&test, &admin.token, change).await;
        assert_eq!(
            (&changed["owner"]["id"], &changed["scope"]),
            (&json!(me.id), &variable["scope"])
        );
    }
    let by_key = json!({ "key": "B_SHARED", "value": "by its key", "scope": "SHARED" });
    assert_eq!(made(&test, &admin.token, by_key).await["owner"]["id"], me.id);
    let nobody = test.graphql("", LIST, json!({})).await;
    assert_eq!(nobody["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let node = "query ($id: ID!) { node(id: $id) { ... on Variable { key value } } }";
    let hidden = test.graphql(&other.token, node, json!({ "id": own["id"] })).await;
    assert_eq!(hidden["data"]["node"], Value::Null);
    let shown = test
        .graphql(&other.token, node, json!({ "id": shared["id"] }))
        .await;
    assert_eq!(
        shown["data"]["node"],
        json!({ "key": "B_SHARED", "value": "by its key" })
    );
}

#[tokio::test]
async fn a_stale_change_is_refused_and_a_new_one_overwrites_nothing() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let first = made(
        &test,
        &me.token,
        json!({ "key": "A", "value": "1", "expectedVersion": 0 }),
    )
    .await;
    let again = json!({ "key": "A", "value": "2", "expectedVersion": 0 });
    assert_eq!(refused(&test, &me.token, again).await, fault("TAKEN", "key"));
    made(
        &test,
        &me.token,
        json!({ "key": "A", "value": "2", "expectedVersion": 1 }),
    )
    .await;
    for by in [json!({ "key": "A" }), json!({ "key": "A", "id": first["id"] })] {
        let mut stale = by;
        stale["value"] = json!("3");
        stale["expectedVersion"] = json!(1);
        assert_eq!(
            refused(&test, &me.token, stale).await,
            fault("CONFLICT", "expectedVersion")
        );
    }
    let stale = json!({ "id": first["id"], "expectedVersion": 1 });
    let kept = delete(&test, &me.token, stale).await;
    assert_eq!(faults(&kept), fault("CONFLICT", "expectedVersion"));
    assert_eq!(list(&test, &me.token, json!({})).await[0]["value"], "2");
    let present = json!({ "id": first["id"], "expectedVersion": 2 });
    assert_eq!(delete(&test, &me.token, present).await["deletedId"], first["id"]);
}

#[tokio::test]
async fn a_variable_is_renamed_and_shared_unless_its_new_place_is_taken() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let admin = test.person(UserRole::Admin).await;
    let one = made(&test, &me.token, json!({ "key": "ONE", "value": "1" })).await;
    made(&test, &me.token, json!({ "key": "TWO", "value": "2" })).await;
    made(
        &test,
        &other.token,
        json!({ "key": "THREE", "value": "3", "scope": "SHARED" }),
    )
    .await;
    let change = |key: &str, scope: &str| json!({ "id": one["id"], "key": key, "scope": scope });
    assert_eq!(
        refused(&test, &me.token, change("TWO", "OWN")).await,
        fault("TAKEN", "key")
    );
    assert_eq!(
        refused(&test, &me.token, change("THREE", "SHARED")).await,
        fault("TAKEN", "key")
    );
    assert_eq!(
        refused(&test, &me.token, change("ONE", "GLOBAL")).await,
        fault("FORBIDDEN", "scope")
    );
    let renamed = made(&test, &me.token, change("FOUR", "SHARED")).await;
    assert_eq!((&renamed["value"], &renamed["version"]), (&json!("1"), &json!(2)));
    assert_eq!(keys(&test, &other.token, json!({})).await, ["FOUR", "THREE"]);
    let global = made(&test, &admin.token, change("FOUR", "GLOBAL")).await;
    assert_eq!(
        (&global["owner"], &global["scope"]),
        (&Value::Null, &json!("GLOBAL"))
    );
    let taken = made(&test, &admin.token, change("FOUR", "OWN")).await;
    assert_eq!(taken["owner"]["id"], admin.id);
    assert_eq!(keys(&test, &me.token, json!({})).await, ["THREE", "TWO"]);
}

#[tokio::test]
async fn lists_are_narrowed_and_paged_by_key() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    for n in 0..9 {
        let scope = if n % 3 == 0 { "SHARED" } else { "OWN" };
        let input = json!({ "key": format!("K_{n}"), "value": "v", "scope": scope, "secret": n % 2 == 0,
            "description": format!("100% of {}", n / 3) });
        made(&test, &me.token, input).await;
    }
    made(&test, &me.token, json!({ "key": "KX1", "value": "v" })).await;
    assert_eq!(
        keys(&test, &me.token, json!({ "text": "k_" })).await.len(),
        9,
        "an underscore is one"
    );
    assert_eq!(
        keys(&test, &me.token, json!({ "text": "100% of 2" })).await,
        ["K_6", "K_7", "K_8"]
    );
    assert_eq!(
        keys(&test, &me.token, json!({ "scope": "SHARED" })).await,
        ["K_0", "K_3", "K_6"]
    );
    assert_eq!(
        keys(&test, &me.token, json!({ "secret": true, "scope": "OWN" })).await,
        ["K_2", "K_4", "K_8"]
    );
    assert_eq!(
        keys(&test, &me.token, json!({ "secret": false, "text": "K_" }))
            .await
            .len(),
        4
    );
    assert_eq!(
        keys(&test, &me.token, json!({ "ownerId": me.id })).await.len(),
        10
    );
    assert!(
        keys(&test, &me.token, json!({ "ownerId": "nobody" }))
            .await
            .is_empty()
    );
    let page = "query ($a: String, $b: String, $f: Int, $l: Int) { variables(first: $f, after: $a, last: $l, before: $b) {
        nodes { key } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }";
    let mut walked = Vec::new();
    let mut after = Value::Null;
    let last = loop {
        let answer = test.graphql(&me.token, page, json!({ "f": 4, "a": after })).await;
        let found = answer["data"]["variables"].clone();
        walked.extend(
            found["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["key"].clone()),
        );
        after = found["pageInfo"]["endCursor"].clone();
        if found["pageInfo"]["hasNextPage"] == false {
            break found["pageInfo"]["startCursor"].clone();
        }
        // One that is new, and before where we are, changes nothing.
        made(
            &test,
            &me.token,
            json!({ "key": format!("A{}", walked.len()), "value": "v" }),
        )
        .await;
    };
    let expected: Vec<_> = ["KX1"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..9).map(|n| format!("K_{n}")))
        .collect();
    assert_eq!(walked, expected);
    let back = test.graphql(&me.token, page, json!({ "l": 2, "b": last })).await;
    assert_eq!(
        back["data"]["variables"]["nodes"],
        json!([{ "key": "K_5" }, { "key": "K_6" }])
    );
}

#[tokio::test]
async fn a_full_place_takes_no_more() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    sqlx::query(
        "INSERT INTO variables (id, scope, owner_id, key, value, description, version, created_at, updated_at)
         SELECT gen_random_uuid(), 'OWN', $1, 'K' || n, 'v', '', 1, now(), now() FROM generate_series(1, 1999) n",
    )
    .bind(user(&me).0)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
    let both = futures::future::join(
        set(&test, &me.token, json!({ "key": "A", "value": "1" })),
        set(&test, &me.token, json!({ "key": "B", "value": "1" })),
    );
    let (a, b) = both.await;
    let mut found = [faults(&a), faults(&b)].concat();
    found.dedup();
    assert_eq!(found, fault("LIMIT_REACHED", "scope"), "one of two at once");
    let shared = made(
        &test,
        &me.token,
        json!({ "key": "S", "value": "1", "scope": "SHARED" }),
    )
    .await;
    let moved = json!({ "id": shared["id"], "key": "S", "scope": "OWN" });
    assert_eq!(
        refused(&test, &me.token, moved).await,
        fault("LIMIT_REACHED", "scope")
    );
    made(&test, &me.token, json!({ "key": "K1", "value": "changed" })).await;
    made(&test, &other.token, json!({ "key": "A", "value": "1" })).await;
}
