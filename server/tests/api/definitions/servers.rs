//! Servers in documents: written by their names, found again among those that whoever imports may use.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{counts, export, fault, faults, fork, import, names, problems, rows, text};
use crate::credentials::api_token;
use crate::servers::{mutate, unasked};
use crate::support::TestApp;

const TARGET: &str =
    "event { id version { number target { ... on ServerTarget { maxParallel servers { name } } } } }";

/// An event that runs on these, so many at a time.
async fn deployed(test: &TestApp, token: &str, servers: &[&Value], more: Value) -> String {
    let ids: Vec<_> = servers.iter().map(|server| &server["id"]).collect();
    let mut input = json!({ "name": "Deploy", "type": "BASH", "source": "uptime",
        "target": { "servers": { "servers": ids, "maxParallel": 2 } } });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    super::create(test, token, input).await
}

fn document(target: &str) -> String {
    format!(
        "cronium: 1\nevents:\n- name: Deploy\n  type: BASH\n  source: uptime\n  target:\n    {}\n",
        target.replace('\n', "\n    ")
    )
}

#[tokio::test]
async fn servers_are_written_by_name_and_found_again_elsewhere() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let web = unasked(&test, &me.token, "Web 1", json!({})).await;
    let db = unasked(&test, &me.token, "db: main", json!({})).await;
    deployed(&test, &me.token, &[&web, &db], json!({})).await;
    let elsewhere = TestApp::start().await;
    for (format, part) in [
        (
            "YAML",
            "    target:\n      servers:\n        - Web 1\n        - \"db: main\"\n      maxParallel: 2\n",
        ),
        (
            "JSON",
            "\"target\": {\n        \"servers\": [\n          \"Web 1\",\n          \"db: main\"\n        ],\n        \
             \"maxParallel\": 2\n",
        ),
    ] {
        let out = text(&test, &me.token, format).await;
        assert!(out.contains(part), "{out}");
        assert!(!out.contains(web["id"].as_str().unwrap()), "{out}");
        let they = elsewhere.person(UserRole::Editor).await;
        let absent = faults(&import(&elsewhere, &they.token, &out, json!({})).await);
        let first = fault("NOT_FOUND", "content.events.0.target.servers.0");
        let second = fault("NOT_FOUND", "content.events.0.target.servers.1");
        assert_eq!(absent, [first, second].concat());
        unasked(&elsewhere, &they.token, "Web 1", json!({})).await;
        // The case of a name makes no other one, and neither does whose it is.
        let host = elsewhere.sign_in(UserRole::Editor).await;
        let other = unasked(&elsewhere, &host, "DB: main", json!({ "shared": true })).await;
        let done = import(&elsewhere, &they.token, &out, json!({})).await;
        assert_eq!(counts(&done), [1, 0, 0, 0]);
        let again = text(&elsewhere, &they.token, format).await;
        assert_eq!(again.replace("DB: main", "db: main"), out);
        let before = rows(&elsewhere).await;
        let same = import(&elsewhere, &they.token, &out, json!({ "onConflict": "UPDATE" })).await;
        assert_eq!((counts(&same), rows(&elsewhere).await), ([0, 0, 1, 0], before));
        // For the next round: two shared ones would have this name.
        let id = json!({ "id": other["id"] });
        mutate(&elsewhere, &host, "deleteServer", "deletedId", id).await;
    }
}

#[tokio::test]
async fn a_change_of_servers_is_a_change_of_the_event() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let web = unasked(&test, &me.token, "web", json!({})).await;
    unasked(&test, &me.token, "db", json!({})).await;
    deployed(&test, &me.token, &[&web], json!({})).await;
    for (target, changes) in [
        ("servers: [web, db]\nmaxParallel: 2", json!(["target.servers"])),
        ("servers: [db]", json!(["target.maxParallel", "target.servers"])),
        (
            "pids: 64",
            json!([
                "target.cpus",
                "target.memoryBytes",
                "target.network",
                "target.pids",
                "target.servers"
            ]),
        ),
    ] {
        let update = json!({ "onConflict": "UPDATE" });
        let done = import(&test, &me.token, &document(target), update).await;
        assert_eq!(counts(&done), [0, 1, 0, 0], "{target}");
        assert_eq!(done["definitions"][0]["changes"], changes, "{target}");
    }
}

#[tokio::test]
async fn a_server_is_written_as_it_is_called_now_for_whom_it_may_be_seen_by() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let viewer = test.person(UserRole::Viewer).await;
    let web = unasked(&test, &me.token, "before", json!({})).await;
    let id = deployed(&test, &me.token, &[&web], json!({ "shared": true })).await;
    let rename = json!({ "id": web["id"], "name": "after" });
    mutate(&test, &me.token, "updateServer", "server { id }", rename).await;
    for (token, name) in [(&me.token, "after"), (&viewer.token, "before")] {
        let out = export(&test, token, json!({ "eventIds": [id], "format": "JSON" })).await;
        let out: Value = serde_json::from_str(out["content"].as_str().unwrap()).unwrap();
        let target = json!({ "servers": [name], "maxParallel": 2 });
        assert_eq!(out["events"][0]["target"], target);
    }
}

#[tokio::test]
async fn what_can_not_be_found_or_told_apart_is_refused_where_it_stands() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    unasked(&test, &me.token, "web", json!({})).await;
    let third = test.sign_in(UserRole::Editor).await;
    unasked(&test, &third, "twice", json!({ "shared": true })).await;
    unasked(&test, &other.token, "Twice", json!({ "shared": true })).await;
    unasked(&test, &other.token, "hidden", json!({})).await;
    let before = rows(&test).await;
    for (target, code, path) in [
        ("servers: [web, nobody]", "NOT_FOUND", "servers.1"),
        ("servers: [hidden]", "NOT_FOUND", "servers.0"),
        ("servers:\n- twice\n- web", "CONFLICT", "servers.0"),
        ("servers: [web, WEB]", "TAKEN", "servers.1"),
        ("servers: []", "REQUIRED", "servers"),
        ("servers: web", "INVALID", "servers"),
        ("servers: [12]", "INVALID", "servers.0"),
        ("servers: [web]\nmaxParallel: 101", "INVALID", "maxParallel"),
        ("servers: [web]\npids: 64", "INVALID", "pids"),
        ("maxParallel: 2", "INVALID", "maxParallel"),
        ("pids: 1", "INVALID", "pids"),
        // As the API has it.
        ("container: {pids: 64}", "INVALID", "container"),
    ] {
        let found = faults(&import(&test, &me.token, &document(target), json!({})).await);
        let expected = fault(code, &format!("content.events.0.target.{path}"));
        assert_eq!(found, expected, "{target}");
    }
    // They are not even looked for.
    let many: Vec<_> = (0..101).map(|n| format!("absent {n}")).collect();
    let many = document(&format!("servers: [{}]", many.join(", ")));
    let found = faults(&import(&test, &me.token, &many, json!({})).await);
    assert_eq!(found, fault("TOO_LONG", "content.events.0.target.servers"));
    let request = document("servers: [web]").replace(
        "BASH\n  source: uptime",
        "HTTP_REQUEST\n  http: {url: 'http://x.test/'}",
    );
    let found = faults(&import(&test, &me.token, &request, json!({})).await);
    assert_eq!(found, fault("INVALID", "content.events.0.target.servers"));
    let admin = test.person(UserRole::Admin).await;
    let found = problems(&import(&test, &admin.token, &document("servers:\n- hidden"), json!({})).await);
    assert_eq!(
        found[0].2, "Line 8, column 7: You may use no server by this name.",
        "who sees all may not use all"
    );
    let (_, blind) = api_token(
        &test,
        &me.token,
        json!({ "scopes": ["READ_EVENTS", "CREATE_EVENTS"] }),
    )
    .await;
    let found = faults(&import(&test, &blind, &document("servers: [web]"), json!({})).await);
    assert_eq!(found, fault("FORBIDDEN", "content.events.0.target.servers"));
    let plain = import(&test, &blind, &document("pids: 64"), json!({ "dryRun": true })).await;
    assert_eq!(counts(&plain), [1, 0, 0, 0]);
    assert_eq!(rows(&test).await[..2], before[..2]);
    assert!(names(&test, &me.token).await.is_empty());
}

#[tokio::test]
async fn a_server_of_ones_own_goes_before_shared_ones_of_its_name() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    unasked(&test, &me.token, "web", json!({})).await;
    for _ in 0..2 {
        let other = test.sign_in(UserRole::Editor).await;
        unasked(&test, &other, "Web", json!({ "shared": true })).await;
    }
    let done = import(&test, &me.token, &document("servers: [WEB]"), json!({})).await;
    assert_eq!(counts(&done), [1, 0, 0, 0]);
    let out = text(&test, &me.token, "YAML").await;
    assert!(out.contains("        - web\n"), "{out}");
}

#[tokio::test]
async fn a_fork_keeps_the_servers_and_is_saved_when_its_owner_may_use_them() {
    let test = TestApp::start().await;
    let (owner, me) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let private = unasked(&test, &owner.token, "private", json!({})).await;
    let own = unasked(&test, &me.token, "own", json!({})).await;
    let id = deployed(&test, &owner.token, &[&private], json!({ "shared": true })).await;
    let made = fork(&test, &me.token, json!({ "id": id })).await;
    assert_eq!(made["userErrors"], json!([]));
    let save = async |server: &Value| {
        let target = json!({ "servers": { "servers": [server["id"]] } });
        let change = json!({ "id": made["event"]["id"], "expectedVersion": 1, "target": target });
        mutate(&test, &me.token, "updateEvent", TARGET, change).await
    };
    let error = save(&private).await["userErrors"][0].clone();
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("NOT_FOUND"), &json!(["target", "servers", "servers", "0"]))
    );
    let saved = save(&own).await;
    assert_eq!(
        saved["event"]["version"]["target"],
        json!({ "maxParallel": null, "servers": [{ "name": "own" }] }),
        "{saved}"
    );
}
