//! Copies of events.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{create, everything, fork, names, request, secret};
use crate::queue::claimed;
use crate::support::TestApp;

const SHARE: &str = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { userErrors { code } } }";

#[tokio::test]
async fn a_shared_event_becomes_a_draft_of_ones_own() {
    let test = TestApp::start().await;
    let (owner, me) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let id = create(&test, &owner.token, everything()).await;
    let older = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { userErrors { code } } }";
    let change = json!({ "id": id, "expectedVersion": 1, "source": "echo new" });
    test.graphql(&owner.token, older, json!({ "i": change })).await;
    let made = fork(&test, &me.token, json!({ "id": id })).await;
    assert_eq!(made["userErrors"], json!([]));
    let event = &made["event"];
    let expected = json!({
        "id": event["id"], "name": "Nightly backup (copy)", "status": "DRAFT", "shared": false,
        "description": "Of the shop: \"all\" of it", "tags": ["1", "ops", "yes"], "maxExecutions": 9, "countedRuns": 0,
        "owner": { "id": me.id },
        "version": {
            "number": 1, "comment": "Forked from “Nightly backup”, version 2", "source": "echo new",
            "environment": everything()["environment"], "target": { "pids": 64 }, "retry": { "attempts": 4 }, "http": null,
        },
    });
    assert_eq!(event, &expected);
    let entry =
        "SELECT after::text FROM audit_entries WHERE action = 'CREATE_EVENT' ORDER BY seq DESC LIMIT 1";
    let after: String = sqlx::query_scalar(entry)
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(
        after.contains("forkedFrom") && after.contains("Nightly backup (copy)"),
        "{after}"
    );
}

#[tokio::test]
async fn each_copy_has_a_name_of_its_own_also_when_many_are_made_at_once() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let id = create(
        &test,
        &me.token,
        json!({ "name": "A", "type": "BASH", "source": "true" }),
    )
    .await;
    let forks = (0..6).map(|_| fork(&test, &me.token, json!({ "id": id })));
    futures::future::join_all(forks).await;
    let expected = [
        "A",
        "A (copy 2)",
        "A (copy 3)",
        "A (copy 4)",
        "A (copy 5)",
        "A (copy 6)",
        "A (copy)",
    ];
    assert_eq!(names(&test, &me.token).await, expected);
    let named = fork(&test, &me.token, json!({ "id": id, "name": " B " })).await;
    assert_eq!(named["event"]["name"], "B");
    for (name, code) in [
        ("B", "TAKEN"),
        ("A (copy 3)", "TAKEN"),
        (" ", "REQUIRED"),
        (&"x".repeat(101), "TOO_LONG"),
    ] {
        let refused = fork(&test, &me.token, json!({ "id": id, "name": name })).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": code, "field": ["name"] }]),
            "{name}"
        );
    }
    let long = "ö".repeat(100);
    let id = create(
        &test,
        &me.token,
        json!({ "name": long, "type": "BASH", "source": "true" }),
    )
    .await;
    for mark in ["(copy)", "(copy 2)"] {
        let made = fork(&test, &me.token, json!({ "id": id })).await;
        let name = made["event"]["name"].as_str().unwrap_or_else(|| panic!("{made}"));
        assert!(name.ends_with(mark) && name.chars().count() <= 100, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_shared_or_beyond_the_quota_is_not_forked() {
    let test = TestApp::start().await;
    let (owner, me) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let id = create(
        &test,
        &owner.token,
        json!({ "name": "Private", "type": "BASH", "source": "true" }),
    )
    .await;
    let refused = fork(&test, &me.token, json!({ "id": id })).await;
    assert_eq!(
        refused["userErrors"],
        json!([{ "code": "NOT_FOUND", "field": ["id"] }])
    );
    let viewer = test.person(UserRole::Viewer).await;
    let share = json!({ "id": id, "expectedVersion": 1, "shared": true });
    test.graphql(&owner.token, SHARE, json!({ "i": share })).await;
    let refused = fork(&test, &viewer.token, json!({ "id": id })).await;
    assert_eq!(refused["userErrors"][0]["code"], "FORBIDDEN");
    let admin = test.person(UserRole::Admin).await;
    let quota = "mutation ($i: SetQuotaInput!) { setQuota(input: $i) { userErrors { code } } }";
    let limit = json!({ "subject": { "user": me.id }, "limits": [{ "kind": "EVENTS", "limit": 1 }] });
    test.graphql(&admin.token, quota, json!({ "i": limit })).await;
    assert_eq!(
        fork(&test, &me.token, json!({ "id": id })).await["userErrors"],
        json!([])
    );
    let refused = fork(&test, &me.token, json!({ "id": id })).await;
    assert_eq!(refused["userErrors"][0]["code"], "LIMIT_REACHED");
    assert_eq!(names(&test, &me.token).await, ["Private (copy)"]);
}

#[tokio::test]
async fn a_fork_of_somebody_elses_request_is_sent_with_ones_own_secrets() {
    let test = TestApp::start().await;
    let (owner, me) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    secret(&test, &owner.token, "TOKEN", "hunter2-of-the-owner").await;
    let mut shared = request();
    (shared["shared"], shared["http"]["url"]) = (json!(true), json!("https://api.example.test/"));
    let id = create(&test, &owner.token, shared).await;
    let made = fork(&test, &me.token, json!({ "id": id })).await;
    assert!(!made.to_string().contains("hunter2"));
    let header = &made["event"]["version"]["http"]["headers"][0]["value"];
    assert_eq!(header, "Bearer {{ secrets.TOKEN }}");
    secret(&test, &me.token, "TOKEN", "mine-and-only-mine").await;
    let job = crate::jobs::run(&test, &me.token, json!({ "eventId": made["event"]["id"] })).await;
    assert_eq!(job["userErrors"], json!([]), "{job}");
    let assignment = claimed(&test, uuid::Uuid::new_v4(), 1).await.remove(0);
    let mut archive = tar::Archive::new(assignment.archive.as_slice());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    let sent: Value = serde_json::from_reader(entry).unwrap();
    let sent = sent.to_string();
    assert!(
        sent.contains("mine-and-only-mine") && !sent.contains("hunter2"),
        "{sent}"
    );
}
