//! Stopping jobs, one by one in every state and many by a filter.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::OutcomeKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{cancel, finish, grant, job, release_due, stopped};
use crate::jobs::{event, run, status};
use crate::queue::{claimed, outcome};
use crate::support::TestApp;

async fn cancel_jobs(test: &TestApp, token: &str, input: Value) -> Value {
    let document = "mutation ($i: CancelJobsInput!) { cancelJobs(input: $i) { cancelledCount remaining userErrors { code field } } }";
    let answer = test.graphql(token, document, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["cancelJobs"].clone()
}

#[tokio::test]
async fn every_state_that_is_not_final_is_cancelled_with_a_receipt() {
    let test = TestApp::start().await;
    let person = test.person(UserRole::Editor).await;
    let token = person.token.clone();
    let free = event(&test, &token, json!({})).await;
    let limited = event(&test, &token, json!({ "maxConcurrent": 1 })).await;
    let orchestrator = Uuid::new_v4();
    let start = async |input: Value| run(&test, &token, input).await["job"]["id"].clone();
    let running = start(json!({ "eventId": free })).await;
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    let given_out = start(json!({ "eventId": free })).await;
    let second = claimed(&test, orchestrator, 1).await[0].claim;
    let queued = start(json!({ "eventId": limited })).await;
    let held = start(json!({ "eventId": limited })).await;
    let later = start(json!({ "eventId": limited, "runAt": "2026-03-02T00:00:00Z" })).await;
    for one in [&later, &held, &queued] {
        assert_eq!(cancel(&test, &token, one).await["job"]["status"], "CANCELLED");
    }
    for (one, state) in [(&running, "RUNNING"), (&given_out, "DISPATCHING")] {
        assert_eq!(cancel(&test, &token, one).await["job"]["status"], state);
    }
    finish(&test, orchestrator, claim, stopped(&test)).await;
    finish(
        &test,
        orchestrator,
        second,
        outcome(&test, OutcomeKind::NotStarted),
    )
    .await;
    for (one, signal_sent) in [
        (&running, true),
        (&given_out, false),
        (&queued, false),
        (&held, false),
        (&later, false),
    ] {
        let seen = job(&test, &token, one).await;
        assert_eq!(seen["status"], "CANCELLED", "{seen}");
        let receipt = &seen["cancellation"];
        assert_eq!(
            (
                &receipt["signalSent"],
                &receipt["processGone"],
                &receipt["requestedBy"]["id"]
            ),
            (&json!(signal_sent), &json!(true), &json!(person.id)),
            "{seen}"
        );
        let twice = cancel(&test, &token, one).await["userErrors"].clone();
        assert_eq!(twice, json!([{ "code": "CONFLICT", "field": ["id"] }]));
    }
    test.clock.advance(TimeDelta::days(9));
    assert_eq!(release_due(&test).await, 0);
    assert!(claimed(&test, orchestrator, 9).await.is_empty());
}

#[tokio::test]
async fn a_stop_of_what_was_lost_is_unconfirmed() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "idempotent": true })).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    cancel(&test, &token, &one).await;
    super::sql(
        &test,
        "UPDATE executions SET lease_until = now() - interval '2 minutes'",
    )
    .await;
    test.app.queue.sweep().await.ok().unwrap();
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], &seen["cancellation"]["processGone"]),
        (&json!("LOST"), &json!(false))
    );
    assert!(
        seen["cancellation"]["note"]
            .as_str()
            .unwrap()
            .starts_with("Unconfirmed"),
        "{seen}"
    );
}

#[tokio::test]
async fn many_are_stopped_by_a_filter_in_bounded_steps() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let (mine, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let id = event(&test, &mine, json!({})).await;
    let foreign = event(&test, &other, json!({})).await;
    let theirs = run(&test, &other, json!({ "eventId": foreign })).await["job"]["id"].clone();
    let first = run(&test, &mine, json!({ "eventId": id })).await["job"]["id"].clone();
    test.clock.advance(TimeDelta::seconds(1));
    for _ in 0..129 {
        run(&test, &mine, json!({ "eventId": id })).await;
    }
    let orchestrator = Uuid::new_v4();
    while status(&test, &mine, &first).await == "QUEUED" {
        claimed(&test, orchestrator, 1).await;
    }
    for limit in [0, 1001] {
        let refused = cancel_jobs(&test, &mine, json!({ "filter": {}, "limit": limit })).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": "INVALID", "field": ["limit"] }])
        );
    }
    let done = cancel_jobs(
        &test,
        &mine,
        json!({ "filter": { "status": ["QUEUED", "DISPATCHING"] }, "limit": 120 }),
    )
    .await;
    assert_eq!(
        (&done["cancelledCount"], &done["remaining"]),
        (&json!(120), &json!(10)),
        "{done}"
    );
    assert_eq!(
        status(&test, &mine, &first).await,
        "DISPATCHING",
        "its orchestrator is asked"
    );
    assert_eq!(test.app.queue.cancels(orchestrator).await.ok().unwrap().len(), 1);
    let rest = cancel_jobs(&test, &mine, json!({ "filter": { "eventId": id } })).await;
    assert_eq!(
        (&rest["cancelledCount"], &rest["remaining"]),
        (&json!(10), &json!(0)),
        "{rest}"
    );
    let none = cancel_jobs(&test, &mine, json!({ "filter": { "eventId": foreign } })).await;
    assert_eq!(none["cancelledCount"], 0);
    assert_ne!(
        status(&test, &other, &theirs).await,
        "CANCELLED",
        "what is not theirs to stop goes on"
    );
    let log = "query ($f: AuditFilter) { auditLog(filter: $f, first: 1) { totalCount } }";
    let entries = test
        .graphql(&admin, log, json!({ "f": { "actions": ["CANCEL_JOB"] } }))
        .await;
    assert_eq!(entries["data"]["auditLog"]["totalCount"], 130);
    let whole = test
        .graphql(&admin, "{ auditVerification { whole } }", json!({}))
        .await;
    assert_eq!(whole["data"]["auditVerification"]["whole"], true);
}
