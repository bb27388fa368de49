//! Turns: how runs of one event stand beside each other.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{cancel, change, exit, finish, grant, happenings, job, run_one, stopped};
use crate::jobs::{event, run, status};
use crate::queue::claimed;
use crate::support::TestApp;

async fn start(test: &TestApp, token: &str, id: &str) -> Value {
    let one = run(test, token, json!({ "eventId": id })).await;
    assert_eq!(one["userErrors"], json!([]), "{one}");
    one["job"]["id"].clone()
}

#[tokio::test]
async fn a_run_that_would_overlap_is_skipped_with_a_reason() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "overlap": "SKIP" })).await;
    let first = start(&test, &token, &id).await;
    let second = start(&test, &token, &id).await;
    let seen = job(&test, &token, &second).await;
    assert_eq!(
        (&seen["status"], &seen["executions"]),
        (&json!("SKIPPED"), &json!([]))
    );
    assert!(
        seen["finishedAt"].is_string() && seen["statusReason"].as_str().unwrap().contains("SKIP"),
        "{seen}"
    );
    assert_eq!(
        (
            happenings(&test, "job.created").await,
            happenings(&test, "job.ended").await
        ),
        (2, 1)
    );
    assert_eq!(claimed(&test, Uuid::new_v4(), 9).await.len(), 1);
    while cronium_server::happenings::take(&test.app.kernel, &test.app.events)
        .await
        .ok()
        .unwrap()
        > 0
    {}
    let query = "query ($id: ID!) { event(id: $id) { runCount } }";
    let counted = test.graphql(&token, query, json!({ "id": id })).await;
    assert_eq!(
        counted["data"]["event"]["runCount"], 1,
        "what was skipped did not run"
    );
    cancel(&test, &token, &first).await;
    assert_eq!(
        job(&test, &token, &start(&test, &token, &id).await).await["status"],
        "SKIPPED",
        "it is still running"
    );
}

#[tokio::test]
async fn one_waits_and_more_are_skipped() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "overlap": "QUEUE_ONE" })).await;
    let orchestrator = Uuid::new_v4();
    let first = start(&test, &token, &id).await;
    let second = start(&test, &token, &id).await;
    let third = start(&test, &token, &id).await;
    let waits = job(&test, &token, &second).await;
    assert_eq!(waits["status"], "QUEUED");
    assert!(
        waits["statusReason"]
            .as_str()
            .unwrap()
            .starts_with("Waits for its turn"),
        "{waits}"
    );
    assert_eq!(status(&test, &token, &third).await, "SKIPPED");
    let work = claimed(&test, orchestrator, 9).await;
    assert_eq!(work.len(), 1, "one at a time");
    grant(&test, orchestrator, work[0].claim).await;
    finish(&test, orchestrator, work[0].claim, exit(&test, 1)).await;
    assert_eq!(status(&test, &token, &first).await, "FAILED");
    assert_eq!(job(&test, &token, &second).await["statusReason"], Value::Null);
    let fourth = start(&test, &token, &id).await;
    assert_eq!(status(&test, &token, &fourth).await, "QUEUED");
    assert_eq!(
        claimed(&test, orchestrator, 9).await.len(),
        1,
        "the one that waited"
    );
}

#[tokio::test]
async fn a_newer_run_takes_the_place_of_the_one_before() {
    let test = TestApp::start().await;
    let person = test.person(UserRole::Editor).await;
    let token = person.token.clone();
    let id = event(&test, &token, json!({ "overlap": "REPLACE" })).await;
    let orchestrator = Uuid::new_v4();
    let queued = start(&test, &token, &id).await;
    let running = start(&test, &token, &id).await;
    let seen = job(&test, &token, &queued).await;
    assert_eq!(
        (&seen["status"], &seen["cancellation"]["processGone"]),
        (&json!("CANCELLED"), &json!(true))
    );
    assert!(
        seen["statusReason"].as_str().unwrap().contains("REPLACE"),
        "{seen}"
    );
    let claim = claimed(&test, orchestrator, 9).await[0].claim;
    grant(&test, orchestrator, claim).await;
    let mut cancels = test.app.kernel.signals.cancels();
    let waiting = start(&test, &token, &id).await;
    assert_eq!(
        cancels.try_recv().unwrap().0,
        claim.execution_id,
        "its orchestrator is told"
    );
    assert_eq!(test.app.queue.cancels(orchestrator).await.ok().unwrap(), [claim]);
    let newest = start(&test, &token, &id).await;
    assert_eq!(
        status(&test, &token, &waiting).await,
        "CANCELLED",
        "who waits gives way too"
    );
    assert!(claimed(&test, orchestrator, 9).await.is_empty());
    finish(&test, orchestrator, claim, stopped(&test)).await;
    let seen = job(&test, &token, &running).await;
    let receipt = json!({ "signalSent": true, "processGone": true, "requestedBy": { "id": person.id },
        "note": "Replaced by a newer run of this event (overlap policy REPLACE)." });
    assert_eq!(
        (&seen["status"], &seen["cancellation"]),
        (&json!("CANCELLED"), &receipt)
    );
    assert_eq!(seen["statusReason"], receipt["note"]);
    assert_eq!(claimed(&test, orchestrator, 9).await.len(), 1);
    assert_eq!(status(&test, &token, &newest).await, "DISPATCHING");
}

#[tokio::test]
async fn runs_from_before_the_policy_count_and_test_runs_never_do() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let document = "mutation ($id: ID!) { testEvent(input: { eventId: $id, type: BASH, source: \"true\" }) { job { id } } }";
    test.graphql(&token, document, json!({ "id": id })).await;
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "overlap": "SKIP" }),
    )
    .await;
    let first = start(&test, &token, &id).await;
    assert_eq!(status(&test, &token, &first).await, "QUEUED");
    cancel(&test, &token, &first).await;
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 2, "overlap": "ALLOW" }),
    )
    .await;
    start(&test, &token, &id).await;
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 3, "overlap": "SKIP" }),
    )
    .await;
    let skipped = start(&test, &token, &id).await;
    assert_eq!(status(&test, &token, &skipped).await, "SKIPPED");
}

#[tokio::test]
async fn those_who_wait_go_by_priority_then_age_whoever_ends_the_one_before() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxConcurrent": 1 })).await;
    let mut jobs = Vec::new();
    for priority in ["NORMAL", "NORMAL", "LOW", "HIGH"] {
        let one = run(&test, &token, json!({ "eventId": id, "priority": priority })).await;
        jobs.push(one["job"]["id"].clone());
        test.clock.advance(TimeDelta::seconds(1));
    }
    let next = async || {
        let mut free = Vec::new();
        for (n, one) in jobs.iter().enumerate() {
            let seen = job(&test, &token, one).await;
            if seen["status"] == "QUEUED" && seen["statusReason"].is_null() {
                free.push(n);
            }
        }
        free
    };
    assert_eq!(next().await, [0]);
    // A person ends the first, before anybody has claimed it.
    cancel(&test, &token, &jobs[0]).await;
    assert_eq!(next().await, [3]);
    // Its script ends the second.
    run_one(&test, Uuid::new_v4(), 0).await;
    assert_eq!(next().await, [1]);
    // An orchestrator loses the third for good.
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    super::sql(
        &test,
        "UPDATE executions SET lease_until = now() - interval '2 minutes' WHERE lease_until IS NOT NULL",
    )
    .await;
    test.app.queue.sweep().await.ok().unwrap();
    assert_eq!(status(&test, &token, &jobs[1]).await, "LOST");
    assert_eq!(next().await, [2]);
}

#[tokio::test]
async fn an_attempt_that_waits_keeps_its_place() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let policy = json!({ "overlap": "QUEUE_ONE", "retry": { "attempts": 2, "jitter": false } });
    let id = event(&test, &token, policy).await;
    let first = start(&test, &token, &id).await;
    let second = start(&test, &token, &id).await;
    let orchestrator = Uuid::new_v4();
    run_one(&test, orchestrator, 1).await;
    assert_eq!(status(&test, &token, &first).await, "QUEUED");
    assert!(claimed(&test, orchestrator, 9).await.is_empty());
    test.clock.advance(TimeDelta::seconds(10));
    super::release_due(&test).await;
    run_one(&test, orchestrator, 0).await;
    assert_eq!(status(&test, &token, &first).await, "SUCCEEDED");
    run_one(&test, orchestrator, 0).await;
    assert_eq!(status(&test, &token, &second).await, "SUCCEEDED");
}

#[tokio::test]
async fn those_who_wait_for_a_deleted_event_keep_their_turns() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxConcurrent": 1 })).await;
    for _ in 0..3 {
        start(&test, &token, &id).await;
    }
    let delete = "mutation ($id: ID!) { deleteEvent(input: { id: $id }) { userErrors { code } } }";
    test.graphql(&token, delete, json!({ "id": id })).await;
    let orchestrator = Uuid::new_v4();
    for _ in 0..3 {
        let work = claimed(&test, orchestrator, 9).await;
        assert_eq!(work.len(), 1);
        grant(&test, orchestrator, work[0].claim).await;
        finish(&test, orchestrator, work[0].claim, exit(&test, 0)).await;
    }
}

#[tokio::test]
async fn a_place_that_nobody_gave_away_is_found_by_the_look_behind() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxConcurrent": 1 })).await;
    start(&test, &token, &id).await;
    let second = start(&test, &token, &id).await;
    // As if the server had died between the end and the release.
    let ended = "UPDATE executions SET status = 'SUCCEEDED', finished_at = now() WHERE NOT held;
        UPDATE jobs SET status = 'SUCCEEDED', finished_at = now() WHERE NOT held";
    super::sql(&test, ended).await;
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
    assert!(test.app.queue.turns.look().await.ok().unwrap().1);
    assert_eq!(claimed(&test, Uuid::new_v4(), 9).await.len(), 1);
    assert_eq!(status(&test, &token, &second).await, "DISPATCHING");
}

/// Executions that have a place now.
async fn places(test: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM executions WHERE finished_at IS NULL AND NOT held")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn many_starts_and_ends_at_once_never_exceed_the_limit_and_nobody_waits_for_ever() {
    const JOBS: usize = 60;
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxConcurrent": 3 })).await;
    let (ended, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let starts = join_all((0..JOBS).map(|_| start(&test, &token, &id)));
    let work = async |which: usize| {
        let orchestrator = Uuid::new_v4();
        while ended.load(Ordering::SeqCst) < JOBS {
            let some = claimed(&test, orchestrator, 2).await;
            most.fetch_max(usize::try_from(places(&test).await).unwrap(), Ordering::SeqCst);
            for one in &some {
                grant(&test, orchestrator, one.claim).await;
                finish(
                    &test,
                    orchestrator,
                    one.claim,
                    exit(&test, i32::try_from(which).unwrap()),
                )
                .await;
            }
            ended.fetch_add(some.len(), Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    };
    let all = async { tokio::join!(starts, work(0), work(1), work(2)).0 };
    let limit = std::time::Duration::from_secs(120);
    let jobs = Box::pin(tokio::time::timeout(limit, all))
        .await
        .expect("all of them had their turn");
    assert_eq!(most.load(Ordering::SeqCst), 3, "as many as may be, and no more");
    for one in &jobs {
        let seen = status(&test, &token, one).await;
        assert!(seen == "SUCCEEDED" || seen == "FAILED", "{seen}");
    }
    assert_eq!(happenings(&test, "job.ended").await, i64::try_from(JOBS).unwrap());
}
