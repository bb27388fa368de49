//! Documents: out, in, and in again.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{counts, create, everything, export, faults, import, names, problems, request, rows, text};
use crate::support::TestApp;

#[tokio::test]
async fn what_was_exported_is_the_same_text_after_an_import_elsewhere() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let mut private = everything();
    private["shared"] = json!(false);
    create(&test, &me.token, private).await;
    create(&test, &me.token, request()).await;
    create(
        &test,
        &me.token,
        json!({ "name": "ask", "type": "PYTHON", "source": "print(1)" }),
    )
    .await;
    let elsewhere = TestApp::start().await;
    for (format, beginning) in [
        (
            "YAML",
            "cronium: 1\nevents:\n  - name: Ask\n    type: HTTP_REQUEST\n",
        ),
        ("JSON", "{\n  \"cronium\": 1,\n"),
    ] {
        let out = text(&test, &me.token, format).await;
        assert!(out.starts_with(beginning), "{out}");
        assert_eq!(out, text(&test, &me.token, format).await);
        for id in [&me.id, &other.id] {
            assert!(!out.contains(id.as_str()));
        }
        let they = elsewhere.person(UserRole::Editor).await;
        let tried = import(&elsewhere, &they.token, &out, json!({ "dryRun": true })).await;
        assert_eq!(counts(&tried), [3, 0, 0, 0]);
        assert_eq!(
            counts(&import(&elsewhere, &they.token, &out, json!({})).await),
            [3, 0, 0, 0]
        );
        assert_eq!(text(&elsewhere, &they.token, format).await, out);
        // And nothing of it is a change.
        let before = rows(&elsewhere).await;
        let again = import(&elsewhere, &they.token, &out, json!({ "onConflict": "UPDATE" })).await;
        assert_eq!((counts(&again), rows(&elsewhere).await), ([0, 0, 3, 0], before));
    }
    let one = export(
        &test,
        &me.token,
        json!({ "filter": { "text": "backup" }, "format": "JSON" }),
    )
    .await;
    assert_eq!(
        (&one["exported"], &one["fileName"], &one["mediaType"]),
        (
            &json!(1),
            &json!("nightly-backup.json"),
            &json!("application/json")
        )
    );
    let all = export(&test, &me.token, json!({})).await;
    assert_eq!(
        (&all["exported"], &all["fileName"], &all["mediaType"]),
        (
            &json!(3),
            &json!("cronium-events.yaml"),
            &json!("application/yaml")
        )
    );
    let none = export(&test, &other.token, json!({})).await;
    assert_eq!(
        (&none["exported"], &none["content"]),
        (&json!(0), &json!("cronium: 1\nevents: []\n"))
    );
}

const TWO: &str = "# kept in git\ncronium: 1\nevents:\n- name: A\n  type: BASH\n  source: echo 1\n- name: B\n  type: PYTHON\n  \
                   source: |\n    print(1)\n  environment:\n  - {name: X, value: 'y'}\n";

#[tokio::test]
async fn a_trial_says_what_an_import_does_and_writes_nothing() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let before = rows(&test).await;
    let tried = import(&test, &me.token, TWO, json!({ "dryRun": true })).await;
    assert_eq!((counts(&tried), rows(&test).await), ([2, 0, 0, 0], before));
    let b = &tried["definitions"][1];
    let expected = json!({ "kind": "EVENT", "name": "B", "writtenName": "B", "line": 7, "outcome": "CREATED", "changes": [], "event": null });
    assert_eq!(b, &expected);
    let done = import(&test, &me.token, TWO, json!({})).await;
    assert_eq!(counts(&done), [2, 0, 0, 0]);
    assert_eq!(done["definitions"][0]["event"]["version"]["number"], 1);
    assert_eq!(rows(&test).await, [before[0] + 2, before[1] + 2, before[2] + 2]);

    let changed = TWO.replace("echo 1", "echo 2\n  retry: {attempts: 3}\n  tags: [x]");
    let before = rows(&test).await;
    let update = json!({ "dryRun": true, "onConflict": "UPDATE" });
    let tried = import(&test, &me.token, &changed, update).await;
    assert_eq!((counts(&tried), rows(&test).await), ([0, 1, 1, 0], before));
    let a = &tried["definitions"][0];
    assert_eq!(
        (&a["changes"], &a["event"]["name"]),
        (&json!(["retry", "source", "tags"]), &json!("A"))
    );
    let done = import(&test, &me.token, &changed, json!({ "onConflict": "UPDATE" })).await;
    assert_eq!(done["definitions"][0]["event"]["version"]["number"], 2);
    assert_eq!(rows(&test).await, [before[0], before[1] + 1, before[2] + 1]);
    // What is no longer said is at its default again.
    let back = import(&test, &me.token, TWO, json!({ "onConflict": "UPDATE" })).await;
    assert_eq!(
        back["definitions"][0]["changes"],
        json!(["retry", "source", "tags"])
    );
    let skipped = import(&test, &me.token, &changed, json!({ "onConflict": "SKIP" })).await;
    assert_eq!(counts(&skipped), [0, 0, 0, 2]);
    assert_eq!(skipped["definitions"][0]["event"]["version"]["number"], 3);
    let renamed = import(&test, &me.token, TWO, json!({ "onConflict": "RENAME" })).await;
    assert_eq!(counts(&renamed), [2, 0, 0, 0]);
    let a = &renamed["definitions"][0];
    assert_eq!((&a["name"], &a["writtenName"]), (&json!("A (copy)"), &json!("A")));
    let refused = import(&test, &me.token, TWO, json!({})).await;
    assert_eq!(
        problems(&refused)[1],
        (
            "TAKEN".to_owned(),
            "content.events.1.name".to_owned(),
            "Line 7, column 9: You have an event with this name already.".to_owned()
        )
    );
    assert_eq!(names(&test, &me.token).await, ["A", "A (copy)", "B", "B (copy)"]);
}

#[tokio::test]
async fn each_problem_is_named_at_its_path_and_line() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let before = rows(&test).await;
    let wrong = "cronium: 1\nevents:\n  - name: 12\n    type: RUBY\n    retries: 3\n    retry:\n      attempts: many\n    \
                 timeout: 30 minutes\n    tags: x\n    http:\n      headers: [{name: X}]\n  - type: BASH\n    shared: 'yes'\n";
    let found = problems(&import(&test, &me.token, wrong, json!({})).await);
    let at = |code: &str, path: &str, line: &str| {
        (code.to_owned(), format!("content.events.{path}"), line.to_owned())
    };
    let expected = [
        at("INVALID", "0.name", "Line 3"),
        at("INVALID", "0.type", "Line 4"),
        at("INVALID", "0.retries", "Line 5"),
        at("INVALID", "0.retry.attempts", "Line 7"),
        at("INVALID", "0.timeout", "Line 8"),
        at("INVALID", "0.tags", "Line 9"),
        at("REQUIRED", "0.http.headers.0.value", "Line 11"),
        at("REQUIRED", "0.http.url", "Line 11"),
        at("INVALID", "1.shared", "Line 13"),
        at("REQUIRED", "1.name", "Line 12"),
    ];
    let found: Vec<_> = found
        .into_iter()
        .map(|(code, path, message)| (code, path, message.split(',').next().unwrap().to_owned()))
        .collect();
    assert_eq!(found, expected);
    // The rules of createEvent, one good event beside the bad one.
    let broken = "cronium: 1\nevents:\n- {name: Good, type: BASH, source: id}\n- name: ' '\n  type: BASH\n  source: ''\n  \
                  environment:\n  - {name: 1X, value: ''}\n  retry: {attempts: 11}\n  target: {pids: 1}\n  timeout: PT0S\n  \
                  maxExecutions: -1\n  inputSchema: {type: nonsense}\n";
    let found = faults(&import(&test, &me.token, broken, json!({})).await);
    let paths: Vec<_> = found
        .iter()
        .map(|(_, path)| path.strip_prefix("content.events.1.").unwrap())
        .collect();
    let expected = [
        "name",
        "source",
        "environment.0.name",
        "timeout",
        "target.pids",
        "retry.attempts",
        "inputSchema",
        "maxExecutions",
    ];
    assert_eq!(paths, expected);
    let twice = TWO.replace("name: B", "name: A");
    assert_eq!(
        faults(&import(&test, &me.token, &twice, json!({})).await),
        super::fault("TAKEN", "content.events.1.name")
    );
    assert_eq!(rows(&test).await, before, "half of it is nothing of it");
}

#[tokio::test]
async fn what_this_server_does_not_know_is_never_dropped() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    for (content, code, path) in [
        (
            format!("{TWO}schedules: []\n"),
            "UNSUPPORTED",
            "content.schedules",
        ),
        (
            format!("{TWO}workflows: []\n"),
            "UNSUPPORTED",
            "content.workflows",
        ),
        (format!("{TWO}event: []\n"), "INVALID", "content.event"),
        (
            TWO.replace("cronium: 1", "cronium: 2"),
            "UNSUPPORTED",
            "content.cronium",
        ),
        (
            TWO.replace("cronium: 1", "cronium: '1'"),
            "UNSUPPORTED",
            "content.cronium",
        ),
        (TWO.replace("cronium: 1\n", ""), "REQUIRED", "content.cronium"),
        (
            TWO.replace("  type: BASH", "  type: BASH\n  comment: x"),
            "INVALID",
            "content.events.0.comment",
        ),
        (
            TWO.replace("  type: BASH", "  type: BASH\n  id: x"),
            "INVALID",
            "content.events.0.id",
        ),
        (
            TWO.replace("{name: X,", "{name: X, secret: true,"),
            "INVALID",
            "content.events.1.environment.0.secret",
        ),
        ("cronium: 1\n".into(), "REQUIRED", "content.events"),
        ("cronium: 1\nevents: {}\n".into(), "INVALID", "content.events"),
        (String::new(), "INVALID", "content"),
        ("[]".into(), "INVALID", "content"),
    ] {
        let found = faults(&import(&test, &me.token, &content, json!({})).await);
        assert_eq!(found, super::fault(code, path), "{content}");
    }
    assert!(names(&test, &me.token).await.is_empty());
}

#[tokio::test]
async fn syntax_errors_have_their_line_and_column() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let message = async |content: &str, more: Value| {
        let found = problems(&import(&test, &me.token, content, more).await);
        assert_eq!((found.len(), found[0].1.as_str()), (1, "content"), "{found:?}");
        found[0].2.clone()
    };
    let yaml = message("cronium: 1\nevents:\n  - name: \"x\n", json!({})).await;
    assert!(
        yaml.starts_with("Line ") && yaml.contains("This is not YAML"),
        "{yaml}"
    );
    let tabs = message("cronium: 1\nevents:\n\t- name: x\n", json!({})).await;
    assert!(tabs.starts_with("Line 3, column "), "{tabs}");
    let json = message("{\n  \"cronium\": 1,\n  \"events\": [,]\n}", json!({})).await;
    assert_eq!(json, "Line 3, column 14: This is not JSON.");
    let named = message("cronium: 1", json!({ "format": "JSON" })).await;
    assert_eq!(named, "Line 1, column 1: This is not JSON.");
}
