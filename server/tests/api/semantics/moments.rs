//! Starts that are asked for ahead of their time.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{cancel, change, job, release_due, run_one};
use crate::jobs::{event, run, status};
use crate::queue::claimed;
use crate::support::TestApp;

#[tokio::test]
async fn a_later_start_waits_for_its_moment_and_goes_then() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let input = json!({ "eventId": id, "runAt": "2026-03-01T13:00:00Z", "idempotencyKey": "k" });
    let one = run(&test, &token, input.clone()).await["job"]["id"].clone();
    assert_eq!(
        run(&test, &token, input).await["job"]["id"],
        one,
        "the same request is the same job"
    );
    let other = json!({ "eventId": id, "runAt": "2026-03-01T14:00:00Z", "idempotencyKey": "k" });
    assert_eq!(
        run(&test, &token, other).await["userErrors"][0]["code"],
        "CONFLICT"
    );
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], &seen["statusReason"], &seen["runAt"]),
        (
            &json!("QUEUED"),
            &json!("Starts at 2026-03-01 13:00:00 UTC."),
            &json!("2026-03-01T13:00:00+00:00")
        )
    );
    assert_eq!(seen["executions"][0]["dueAt"], seen["runAt"]);
    let depth = "{ systemStatus { queueDepth } }";
    let admin = test.sign_in(UserRole::Admin).await;
    let waiting = test.graphql(&admin, depth, json!({})).await;
    assert_eq!(waiting["data"]["systemStatus"]["queueDepth"], 0, "{waiting}");
    test.clock.advance(TimeDelta::milliseconds(3_599_999));
    assert_eq!(release_due(&test).await, 0);
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
    test.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(release_due(&test).await, 1);
    run_one(&test, Uuid::new_v4(), 0).await;
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (
            &seen["status"],
            &seen["statusReason"],
            &seen["executions"][0]["dueAt"]
        ),
        (&json!("SUCCEEDED"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn what_has_passed_is_now_and_more_than_a_year_is_refused() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let past = run(
        &test,
        &token,
        json!({ "eventId": id, "runAt": "2020-01-01T00:00:00Z" }),
    )
    .await;
    assert_eq!(job(&test, &token, &past["job"]["id"]).await["runAt"], Value::Null);
    assert_eq!(claimed(&test, Uuid::new_v4(), 9).await.len(), 1);
    let far = run(
        &test,
        &token,
        json!({ "eventId": id, "runAt": "2027-03-03T00:00:00Z" }),
    )
    .await;
    assert_eq!(
        far["userErrors"],
        json!([{ "code": "INVALID", "field": ["runAt"] }])
    );
    let year = run(
        &test,
        &token,
        json!({ "eventId": id, "runAt": "2027-03-01T12:00:00Z" }),
    )
    .await;
    assert_eq!(
        cancel(&test, &token, &year["job"]["id"]).await["job"]["status"],
        "CANCELLED"
    );
    let seen = job(&test, &token, &year["job"]["id"]).await;
    assert_eq!(
        (
            &seen["cancellation"]["processGone"],
            &seen["executions"][0]["dueAt"]
        ),
        (&json!(true), &Value::Null)
    );
    test.clock.advance(TimeDelta::days(400));
    assert_eq!(release_due(&test).await, 0);
}

#[tokio::test]
async fn whether_it_overlaps_is_decided_at_its_moment() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    for (policy, expected) in [
        ("SKIP", ["QUEUED", "SKIPPED", "SKIPPED"]),
        ("QUEUE_ONE", ["QUEUED", "QUEUED", "SKIPPED"]),
        ("REPLACE", ["CANCELLED", "CANCELLED", "QUEUED"]),
    ] {
        let id = event(&test, &token, json!({ "overlap": policy })).await;
        let now = test.app.kernel.now();
        let later = json!({ "eventId": id, "runAt": now + TimeDelta::minutes(5) });
        let mut jobs = Vec::new();
        for _ in 0..3 {
            jobs.push(run(&test, &token, later.clone()).await["job"]["id"].clone());
        }
        // They take no place before their moment.
        let between = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
        run_one(&test, orchestrator, 0).await;
        assert_eq!(status(&test, &token, &between).await, "SUCCEEDED", "{policy}");
        test.clock.advance(TimeDelta::minutes(5));
        assert_eq!(release_due(&test).await, 3, "{policy}");
        let mut seen = Vec::new();
        for one in &jobs {
            seen.push(status(&test, &token, one).await);
        }
        let count = |state: &str| seen.iter().filter(|one| **one == state).count();
        for state in ["QUEUED", "SKIPPED", "CANCELLED"] {
            let wanted = expected.iter().filter(|one| **one == state).count();
            assert_eq!(count(state), wanted, "{policy}: {seen:?}");
        }
        assert_eq!(claimed(&test, orchestrator, 9).await.len(), 1, "{policy}");
    }
}

#[tokio::test]
async fn what_was_planned_before_there_was_a_policy_takes_no_place_before_its_moment() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let at = test.app.kernel.now() + TimeDelta::hours(1);
    let planned = run(&test, &token, json!({ "eventId": id, "runAt": at })).await["job"]["id"].clone();
    for (version, policy) in [(1, "SKIP"), (2, "REPLACE")] {
        let input = json!({ "id": id, "expectedVersion": version, "overlap": policy });
        change(&test, &token, input).await;
        let now = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
        run_one(&test, Uuid::new_v4(), 0).await;
        assert_eq!(status(&test, &token, &now).await, "SUCCEEDED", "{policy}");
        assert_eq!(status(&test, &token, &planned).await, "QUEUED", "{policy}");
    }
}

#[tokio::test]
async fn the_worker_lets_go_what_is_due_and_calls_for_it() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let now = test.app.kernel.now();
    let stop = CancellationToken::new();
    let worker = tokio::spawn(test.app.queue.turns.clone().run(stop.clone()));
    let start = async |minutes| {
        let at = now + TimeDelta::minutes(minutes);
        run(&test, &token, json!({ "eventId": id, "runAt": at })).await["job"]["id"].clone()
    };
    let one = start(10).await;
    // The moment comes; what is accepted next makes the worker look at the clock again.
    test.clock.advance(TimeDelta::minutes(10));
    start(60).await;
    let called = test.app.kernel.signals.work();
    tokio::time::timeout(std::time::Duration::from_secs(20), called)
        .await
        .expect("whoever gives work out is called");
    assert_eq!(job(&test, &token, &one).await["statusReason"], Value::Null);
    assert_eq!(claimed(&test, Uuid::new_v4(), 9).await.len(), 1);
    stop.cancel();
    worker.await.unwrap();
}
