//! Variables from files and into them.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{entries, fault, faults, keys, list, made, user};
use crate::support::TestApp;

const IMPORT: &str = "mutation ($i: ImportVariablesInput!) { importVariables(input: $i) {
    created updated unchanged skipped entries { key line secret outcome } userErrors { code field message } } }";
const EXPORT: &str = "mutation ($i: ExportVariablesInput!) { exportVariables(input: $i) {
    content exported leftOut userErrors { code field } } }";

async fn import(test: &TestApp, token: &str, content: &str, more: Value) -> Value {
    let mut input = json!({ "format": "DOTENV", "scope": "OWN", "content": content });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = test.graphql(token, IMPORT, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["importVariables"].clone()
}

async fn export(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, EXPORT, json!({ "i": input })).await["data"]["exportVariables"].clone()
}

/// Created, updated, unchanged, skipped.
fn counts(payload: &Value) -> [i64; 4] {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    ["created", "updated", "unchanged", "skipped"].map(|field| payload[field].as_i64().unwrap())
}

fn messages(payload: &Value) -> Vec<&str> {
    assert_eq!(payload["entries"], json!([]), "{payload}");
    let errors = payload["userErrors"].as_array().unwrap().iter();
    errors.map(|error| error["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_file_is_tried_taken_and_taken_again() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let file = "# of the shop\nexport A=1\n\nB=\"two\nlines\"\nC='3' # three\n";
    let tried = import(&test, &me.token, file, json!({ "dryRun": true })).await;
    assert_eq!(counts(&tried), [3, 0, 0, 0]);
    let lines: Vec<_> = tried["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["key"].clone(), entry["line"].clone()))
        .collect();
    assert_eq!(json!(lines), json!([["A", 2], ["B", 4], ["C", 6]]));
    assert!(list(&test, &me.token, json!({})).await.is_empty() && entries(&test).await.is_empty());
    assert_eq!(
        counts(&import(&test, &me.token, file, json!({})).await),
        [3, 0, 0, 0]
    );
    assert_eq!(list(&test, &me.token, json!({})).await[1]["value"], "two\nlines");
    assert_eq!(entries(&test).await.len(), 3);
    let other = "A=1\nB=changed\nD=4";
    assert_eq!(
        counts(&import(&test, &me.token, other, json!({})).await),
        [1, 0, 0, 2]
    );
    let taken = import(&test, &me.token, other, json!({ "overwrite": true })).await;
    assert_eq!(counts(&taken), [0, 1, 2, 0]);
    assert_eq!(entries(&test).await.len(), 5);
    assert_eq!(list(&test, &me.token, json!({})).await[1]["value"], "changed");
    let json_file = json!({ "A": 1, "E": "five", "F": false }).to_string();
    let from_json = import(&test, &me.token, &json_file, json!({ "format": "JSON" })).await;
    assert_eq!(counts(&from_json), [2, 0, 0, 1]);
}

#[tokio::test]
async fn each_bad_line_is_named_and_then_nothing_is_taken() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let file = format!(
        "GOOD=1\nlower=2\nCRONIUM_URL=3\nno equals sign\nGOOD=4\nNUL=a\0b\nBIG={}\n",
        "x".repeat((64 << 10) + 1)
    );
    let refused = import(&test, &me.token, &file, json!({})).await;
    let found = messages(&refused);
    let lines: Vec<_> = found
        .iter()
        .map(|message| message.split(':').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        ["Line 2", "Line 3", "Line 4", "Line 5", "Line 6", "Line 7"],
        "{found:?}"
    );
    assert!(
        faults(&refused)
            .iter()
            .all(|(code, field)| (code.as_str(), field.as_str()) == ("INVALID", "content"))
    );
    let broken = "{\n  \"A\": \"1\",\n  \"b\": \"2\",\n  \"C\": [3]\n}";
    let refused = import(&test, &me.token, broken, json!({ "format": "JSON" })).await;
    assert_eq!(messages(&refused).len(), 2);
    assert!(messages(&refused)[0].starts_with("Line 3: ") && messages(&refused)[1].starts_with("Line 4: "));
    let many: String = (0..1001).map(|n| format!("K{n}=1\n")).collect();
    for (content, code) in [
        (many.as_str(), "TOO_LONG"),
        ("#".repeat((1 << 20) + 1).as_str(), "TOO_LONG"),
        ("# nothing\n", "REQUIRED"),
    ] {
        assert_eq!(
            faults(&import(&test, &me.token, content, json!({})).await),
            fault(code, "content")
        );
    }
    let wrong: String = (0..150).map(|n| format!("k{n}=1\n")).collect();
    let refused = import(&test, &me.token, &wrong, json!({})).await;
    assert_eq!(
        (messages(&refused).len(), messages(&refused)[100]),
        (101, "There are 50 more problems.")
    );
    let global = import(&test, &me.token, "A=1", json!({ "scope": "GLOBAL" })).await;
    assert_eq!(faults(&global), fault("FORBIDDEN", "scope"));
    assert!(list(&test, &me.token, json!({})).await.is_empty());
    let most: String = (0..1000).map(|n| format!("K{n}=1\n")).collect();
    assert_eq!(
        counts(&import(&test, &me.token, &most, json!({})).await),
        [1000, 0, 0, 0]
    );
    assert_eq!(
        counts(&import(&test, &me.token, &most.replace('K', "L"), json!({})).await),
        [1000, 0, 0, 0]
    );
    assert_eq!(
        faults(&import(&test, &me.token, "M=1", json!({})).await),
        fault("LIMIT_REACHED", "content")
    );
}

#[tokio::test]
async fn an_import_makes_secrets_and_never_lays_one_open() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    made(
        &test,
        &me.token,
        json!({ "key": "OLD", "value": "hunter2", "secret": true }),
    )
    .await;
    let overwrite = json!({ "overwrite": true });
    // A right guess looks like a wrong one.
    for guess in ["hunter2", "wrong"] {
        for more in [json!({ "overwrite": true, "dryRun": true }), overwrite.clone()] {
            let taken = import(&test, &me.token, &format!("OLD={guess}"), more).await;
            assert_eq!(
                (counts(&taken), &taken["entries"][0]["secret"]),
                ([0, 1, 0, 0], &json!(true))
            );
        }
    }
    let open = json!([{ "key": "OLD", "value": "x", "secret": false }, { "key": "ONE", "value": "1", "secret": true },
        { "key": "TWO", "value": "2", "description": "second" }]);
    let taken = import(
        &test,
        &me.token,
        &open.to_string(),
        json!({ "format": "JSON", "overwrite": true }),
    )
    .await;
    assert_eq!(counts(&taken), [2, 1, 0, 0]);
    import(
        &test,
        &me.token,
        "THREE=3\nTWO=2",
        json!({ "secret": true, "overwrite": true }),
    )
    .await;
    let found = list(&test, &me.token, json!({})).await;
    assert!(
        found
            .iter()
            .all(|node| node["secret"] == true && node["value"] == Value::Null),
        "{found:?}"
    );
    let read = test
        .app
        .variables
        .read_for(user(&me), "THREE")
        .await
        .ok()
        .unwrap()
        .unwrap();
    assert_eq!((read.text.as_str(), read.secret), ("3", true));
    assert!(!format!("{:?}", entries(&test).await).contains("hunter2"));
}

#[tokio::test]
async fn somebody_elses_shared_variables_are_not_overwritten_by_a_file() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    made(
        &test,
        &other.token,
        json!({ "key": "S", "value": "theirs", "scope": "SHARED" }),
    )
    .await;
    let shared = |overwrite: bool| json!({ "scope": "SHARED", "overwrite": overwrite });
    let refused = import(&test, &me.token, "A=1\nS=mine", shared(true)).await;
    assert_eq!(
        messages(&refused),
        ["Line 2: Somebody else shares a variable with this key."]
    );
    assert_eq!(keys(&test, &me.token, json!({})).await, ["S"]);
    assert_eq!(
        counts(&import(&test, &me.token, "A=1\nS=mine", shared(false)).await),
        [1, 0, 0, 1]
    );
}

#[tokio::test]
async fn what_was_exported_is_what_is_imported() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let texts = [
        "plain",
        "",
        "two words",
        "it's",
        "a \"b\" \\ $HOME `id`",
        "lines\nand\r\nmore # no",
        " spaces ",
        "\u{1f680}",
    ];
    for (n, text) in texts.iter().enumerate() {
        made(
            &test,
            &me.token,
            json!({ "key": format!("K{n}"), "value": text, "description": "of two\nlines" }),
        )
        .await;
    }
    made(
        &test,
        &me.token,
        json!({ "key": "SECRET", "value": "hunter2", "secret": true }),
    )
    .await;
    for format in ["DOTENV", "JSON"] {
        let exported = export(&test, &me.token, json!({ "format": format, "scope": "OWN" })).await;
        assert_eq!(
            (&exported["exported"], &exported["leftOut"]),
            (&json!(8), &json!(1)),
            "{exported}"
        );
        let content = exported["content"].as_str().unwrap();
        assert!(!content.contains("hunter2"));
        let more = json!({ "format": format, "overwrite": true });
        let taken = import(&test, &other.token, content, more).await;
        assert_eq!(
            counts(&taken),
            if format == "DOTENV" {
                [8, 0, 0, 0]
            } else {
                [0, 8, 0, 0]
            }
        );
        let values: Vec<_> = list(&test, &other.token, json!({}))
            .await
            .iter()
            .map(|node| node["value"].clone())
            .collect();
        assert_eq!(json!(values), json!(texts));
    }
    let nothing = export(
        &test,
        &other.token,
        json!({ "format": "JSON", "scope": "SHARED" }),
    )
    .await;
    assert_eq!(
        (&nothing["content"], &nothing["exported"]),
        (&json!("[\n]\n"), &json!(0))
    );
}

#[tokio::test]
async fn secrets_leave_only_by_an_administrators_choice_and_the_log_says_which() {
    let test = TestApp::start().await;
    let (me, admin) = (
        test.person(UserRole::Editor).await,
        test.sign_in(UserRole::Admin).await,
    );
    made(
        &test,
        &me.token,
        json!({ "key": "S", "value": "hunter2", "secret": true, "scope": "SHARED" }),
    )
    .await;
    made(
        &test,
        &me.token,
        json!({ "key": "MINE", "value": "hunter3", "secret": true }),
    )
    .await;
    let with =
        |scope: &str, secrets: bool| json!({ "format": "DOTENV", "scope": scope, "includeSecrets": secrets });
    for scope in ["OWN", "SHARED", "GLOBAL"] {
        let refused = export(&test, &me.token, with(scope, true)).await;
        assert_eq!(
            (faults(&refused), &refused["content"]),
            (fault("FORBIDDEN", "includeSecrets"), &Value::Null)
        );
    }
    let without = export(&test, &admin, with("SHARED", false)).await;
    assert_eq!(without["content"], "# S is a secret and is not in this file.\n");
    let log = entries(&test).await;
    assert!(log.iter().all(|entry| entry.0 != "EXPORT_SECRETS"));
    let all = export(&test, &admin, with("SHARED", true)).await;
    assert_eq!(
        (&all["content"], &all["exported"], &all["leftOut"]),
        (&json!("S=hunter2\n"), &json!(1), &json!(0))
    );
    // What is a person's own stays theirs.
    assert_eq!(export(&test, &admin, with("OWN", true)).await["content"], "");
    let log = entries(&test).await;
    let exports: Vec<_> = log.iter().filter(|entry| entry.0 == "EXPORT_SECRETS").collect();
    assert_eq!(exports.len(), 2);
    assert_eq!(
        (&exports[1].3["scope"], &exports[1].3["secrets"]),
        (&json!("SHARED"), &json!(["S"]))
    );
    assert!(!format!("{log:?}").contains("hunter"));
}
