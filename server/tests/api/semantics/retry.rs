//! Attempts: what is tried again, when, and what never is.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{CancelReport, OutcomeKind};
use futures::StreamExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{cancel, exit, finish, grant, happenings, job, release_due, run_one, sql};
use crate::jobs::{event, run};
use crate::queue::{claimed, outcome};
use crate::support::TestApp;

const EXPIRE: &str =
    "UPDATE executions SET lease_until = now() - interval '2 minutes' WHERE lease_until IS NOT NULL";

/// A policy without chance.
fn retry(more: Value) -> Value {
    let mut policy = json!({ "attempts": 3, "jitter": false });
    policy
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "retry": policy })
}

#[tokio::test]
async fn what_failed_is_tried_again_at_its_moment_and_ends_once() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, retry(json!({}))).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    run_one(&test, orchestrator, 3).await;
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (
            &seen["status"],
            &seen["finishedAt"],
            &seen["startedAt"],
            &seen["output"]
        ),
        (&json!("QUEUED"), &Value::Null, &Value::Null, &Value::Null)
    );
    let reason = seen["statusReason"].as_str().unwrap();
    assert_eq!(
        reason,
        "Attempt 1 of 3 failed and is tried again at 2026-03-01 12:00:10 UTC: exit code 3"
    );
    let first = json!({ "attempt": 1, "status": "FAILED", "statusReason": "exit code 3", "dueAt": null, "exitCode": 3 });
    assert_eq!(seen["executions"][0], first);
    assert_eq!(seen["executions"][1]["dueAt"], "2026-03-01T12:00:10+00:00");
    assert_eq!(
        (release_due(&test).await, happenings(&test, "job.ended").await),
        (0, 0)
    );
    assert!(claimed(&test, orchestrator, 9).await.is_empty(), "it waits");
    test.clock.advance(TimeDelta::seconds(10));
    assert_eq!(release_due(&test).await, 1);
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], &seen["statusReason"]),
        (&json!("QUEUED"), &Value::Null)
    );
    run_one(&test, orchestrator, 4).await;
    test.clock.advance(TimeDelta::seconds(20));
    assert_eq!(release_due(&test).await, 1, "the second wait is twice the first");
    run_one(&test, orchestrator, 0).await;
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], &seen["statusReason"], &seen["output"]),
        (&json!("SUCCEEDED"), &Value::Null, &json!({ "code": 0 }))
    );
    assert_eq!(happenings(&test, "job.ended").await, 1);
}

#[tokio::test]
async fn the_last_attempt_and_what_the_policy_does_not_name_end_the_job() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let policy =
        retry(json!({ "attempts": 2, "initialDelay": "PT0S", "on": ["EXIT_CODE"], "exitCodes": [75] }));
    let id = event(&test, &token, policy).await;
    for (codes, attempts) in [(&[1][..], 1), (&[75, 75], 2)] {
        let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
        for code in codes {
            run_one(&test, orchestrator, *code).await;
        }
        let seen = job(&test, &token, &one).await;
        assert_eq!(
            (&seen["status"], seen["executions"].as_array().unwrap().len()),
            (&json!("FAILED"), attempts)
        );
        assert_eq!(seen["statusReason"], format!("exit code {}", codes[0]));
    }
    let timed_out = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    finish(&test, orchestrator, claim, outcome(&test, OutcomeKind::TimedOut)).await;
    assert_eq!(job(&test, &token, &timed_out).await["status"], "TIMED_OUT");
}

#[tokio::test]
async fn a_target_that_cant_be_prepared_is_tried_again_by_policy_after_its_own_attempts() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let id = event(&test, &token, retry(json!({ "on": ["INFRASTRUCTURE"] }))).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    for _ in 0..3 {
        let claim = claimed(&test, orchestrator, 1).await[0].claim;
        let mut end = outcome(&test, OutcomeKind::NotStarted);
        end.reason = Some("the disk of the container engine is full".into());
        finish(&test, orchestrator, claim, end).await;
    }
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], &seen["executions"][0]["status"]),
        (&json!("QUEUED"), &json!("FAILED"))
    );
    assert!(seen["statusReason"].as_str().unwrap().contains("disk"), "{seen}");
}

/// Whether its orchestrator tells of it or is gone.
#[tokio::test]
async fn an_attempt_that_was_cancelled_before_its_start_says_which() {
    for told in [true, false] {
        let test = TestApp::start().await;
        let token = test.sign_in(UserRole::Editor).await;
        let orchestrator = Uuid::new_v4();
        let id = event(&test, &token, retry(json!({}))).await;
        let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
        run_one(&test, orchestrator, 1).await;
        test.clock.advance(TimeDelta::seconds(10));
        assert_eq!(release_due(&test).await, 1);
        let claim = claimed(&test, orchestrator, 1).await[0].claim;
        assert_eq!(cancel(&test, &token, &one).await["job"]["status"], "DISPATCHING");
        if told {
            let mut end = outcome(&test, OutcomeKind::Cancelled);
            end.reason = Some("cancelled before it started".into());
            end.cancel = Some(CancelReport {
                process_gone: true,
                ..CancelReport::default()
            });
            finish(&test, orchestrator, claim, end).await;
        } else {
            sql(&test, EXPIRE).await;
            test.app.queue.sweep().await.ok().unwrap();
        }
        let seen = job(&test, &token, &one).await;
        assert_eq!(
            (&seen["status"], &seen["statusReason"]),
            (&json!("CANCELLED"), &json!("Cancelled before attempt 2 started"))
        );
    }
}

#[tokio::test]
async fn a_wait_for_the_next_attempt_is_cancelled_at_once() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, retry(json!({}))).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    run_one(&test, Uuid::new_v4(), 1).await;
    assert_eq!(cancel(&test, &token, &one).await["job"]["status"], "CANCELLED");
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (
            &seen["executions"][0]["status"],
            &seen["executions"][1]["status"],
            &seen["executions"][1]["dueAt"]
        ),
        (&json!("FAILED"), &json!("CANCELLED"), &Value::Null)
    );
    assert_eq!(seen["cancellation"]["processGone"], true);
    assert_eq!(seen["statusReason"], "Cancelled before attempt 2 started");
    test.clock.advance(TimeDelta::hours(1));
    assert_eq!(release_due(&test).await, 0);
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
}

#[tokio::test]
async fn what_somebody_asked_to_stop_is_not_tried_again() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, retry(json!({}))).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    cancel(&test, &token, &one).await;
    finish(&test, orchestrator, claim, exit(&test, 1)).await;
    let seen = job(&test, &token, &one).await;
    assert_eq!(
        (&seen["status"], seen["executions"].as_array().unwrap().len()),
        (&json!("FAILED"), 1)
    );
    let note = "It ended by itself before it was stopped.";
    assert_eq!(
        (
            &seen["cancellation"]["note"],
            &seen["cancellation"]["processGone"]
        ),
        (&json!(note), &json!(true))
    );
}

/// Starts what is queued and loses contact for good.
async fn lose(test: &TestApp) -> usize {
    let orchestrator = Uuid::new_v4();
    let work = claimed(test, orchestrator, 9).await;
    for one in &work {
        grant(test, orchestrator, one.claim).await;
    }
    sql(test, EXPIRE).await;
    test.app.queue.sweep().await.ok().unwrap();
    work.len()
}

#[tokio::test]
async fn lost_work_is_started_again_where_that_does_no_harm_ten_times_in_all() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "idempotent": true })).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let mut starts = 0;
    loop {
        let started = lose(&test).await;
        if started == 0 {
            break;
        }
        starts += started;
        assert!(starts <= 10, "started {starts} times");
    }
    let seen = job(&test, &token, &one).await;
    assert_eq!((starts, &seen["status"]), (10, &json!("LOST")));
    assert_eq!(happenings(&test, "job.ended").await, 1);
}

#[tokio::test]
async fn lost_work_is_never_started_again_by_a_retry_policy_alone() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, retry(json!({ "initialDelay": "PT0S" }))).await;
    let swept = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    assert_eq!((lose(&test).await, lose(&test).await), (1, 0));
    let reported = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    finish(&test, orchestrator, claim, outcome(&test, OutcomeKind::Lost)).await;
    for one in [swept, reported] {
        let seen = job(&test, &token, &one).await;
        assert_eq!(
            (&seen["status"], seen["executions"].as_array().unwrap().len()),
            (&json!("LOST"), 1)
        );
    }
    assert!(claimed(&test, orchestrator, 9).await.is_empty());
}

#[tokio::test]
async fn policies_are_checked_at_their_fields_and_kept_by_versions() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let create =
        "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { field } } }";
    let input = json!({ "name": "n", "type": "BASH", "source": "true", "maxConcurrent": 0, "maxExecutions": -1,
        "retry": { "attempts": 11, "maxDelay": "PT25H", "factor": 0.5, "on": ["TIMEOUT"], "exitCodes": [600] } });
    let refused = test.graphql(&token, create, json!({ "i": input })).await;
    let fields: Vec<String> = refused["data"]["createEvent"]["userErrors"]
        .as_array()
        .unwrap_or_else(|| panic!("{refused}"))
        .iter()
        .map(|e| e["field"].to_string())
        .collect();
    let expected = [
        r#"["retry","attempts"]"#,
        r#"["retry","maxDelay"]"#,
        r#"["retry","factor"]"#,
        r#"["retry","exitCodes"]"#,
        r#"["retry","exitCodes","0"]"#,
        r#"["maxConcurrent"]"#,
        r#"["maxExecutions"]"#,
    ];
    assert_eq!(fields, expected);
    let policy = json!({ "retry": { "attempts": 4, "initialDelay": "PT1S", "on": ["TIMEOUT"] }, "overlap": "QUEUE_ONE",
        "maxConcurrent": 2, "idempotent": true });
    let id = event(&test, &token, policy).await;
    let query = "query ($id: ID!) { event(id: $id) { version { id number overlap maxConcurrent idempotent
        retry { attempts initialDelay maxDelay factor jitter on exitCodes } } } }";
    let first = test.graphql(&token, query, json!({ "id": id })).await["data"]["event"]["version"].clone();
    let expected = json!({ "attempts": 4, "initialDelay": "PT1S", "maxDelay": "PT10M", "factor": 2.0, "jitter": true,
        "on": ["TIMEOUT"], "exitCodes": [] });
    assert_eq!(first["retry"], expected);
    let plain = json!({ "id": id, "expectedVersion": 1, "overlap": "ALLOW", "maxConcurrent": null, "idempotent": false,
        "retry": {} });
    super::change(&test, &token, plain).await;
    let second = test.graphql(&token, query, json!({ "id": id })).await["data"]["event"]["version"].clone();
    assert_eq!(
        (
            &second["overlap"],
            &second["maxConcurrent"],
            &second["retry"]["attempts"]
        ),
        (&json!("ALLOW"), &Value::Null, &json!(1))
    );
    let restore =
        "mutation ($i: RestoreEventVersionInput!) { restoreEventVersion(input: $i) { userErrors { code } } }";
    let input = json!({ "id": id, "versionId": first["id"], "expectedVersion": 2 });
    test.graphql(&token, restore, json!({ "i": input })).await;
    let third = test.graphql(&token, query, json!({ "id": id })).await["data"]["event"]["version"].clone();
    for name in ["retry", "overlap", "maxConcurrent", "idempotent"] {
        assert_eq!(third[name], first[name]);
    }
}

#[tokio::test]
async fn a_watcher_sees_the_wait_and_the_stream_ends_with_the_last_attempt() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, retry(json!({}))).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let query =
        "subscription ($id: ID!) { jobUpdated(id: $id) { status statusReason executions { attempt } } }";
    let request = test.request(&token, query, json!({ "id": one })).await;
    let mut stream = Box::pin(test.app.schema.execute_stream(request));
    let mut until = async |what: &str| {
        let seen = async {
            while let Some(next) = stream.next().await {
                let seen = next.data.into_json().unwrap()["jobUpdated"].clone();
                if seen.to_string().contains(what) {
                    return seen;
                }
            }
            Value::Null
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), seen)
            .await
            .expect("it is told")
    };
    until("QUEUED").await;
    run_one(&test, Uuid::new_v4(), 1).await;
    let waits = until("tried again at").await;
    assert_eq!(
        (&waits["status"], &waits["executions"][1]["attempt"]),
        (&json!("QUEUED"), &json!(2))
    );
    test.clock.advance(TimeDelta::seconds(10));
    release_due(&test).await;
    run_one(&test, Uuid::new_v4(), 0).await;
    assert_eq!(until("SUCCEEDED").await["status"], "SUCCEEDED");
    assert_eq!(
        until("anything more").await,
        Value::Null,
        "the stream is complete"
    );
}
