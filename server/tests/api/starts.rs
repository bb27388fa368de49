//! What counts as a start: what was granted and made use of.

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{Claim, OutcomeKind};
use cronium_protocol::frame::UsageReport;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run, status};
use crate::queue::{claimed, granted, outcome};
use crate::support::TestApp;

async fn finish(test: &TestApp, orchestrator: Uuid, claim: Claim, kind: OutcomeKind) {
    let end = Box::new(outcome(test, kind));
    test.app
        .queue
        .finish(orchestrator, &[(claim, end)])
        .await
        .unwrap();
}

/// Starts that count, and whether the row says when it began.
async fn counted(test: &TestApp) -> (i32, bool) {
    sqlx::query_as("SELECT starts, started_at IS NOT NULL FROM executions ORDER BY attempt DESC LIMIT 1")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

async fn queued(test: &TestApp, token: &str, orchestrator: Uuid) -> (Value, Claim) {
    let id = event(test, token, json!({})).await;
    let job = run(test, token, json!({ "eventId": id })).await["job"]["id"].clone();
    let claim = claimed(test, orchestrator, 1).await[0].claim;
    assert!(granted(test, orchestrator, claim).await);
    assert_eq!(status(test, token, &job).await, "RUNNING");
    (job, claim)
}

/// Permission is asked for while the payload is unpacked: where nothing came of it, the work is as it was.
#[tokio::test]
async fn one_that_was_granted_and_not_used_is_given_back() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (job, claim) = queued(&test, &token, orchestrator).await;
    assert_eq!(counted(&test).await, (1, true));
    finish(&test, orchestrator, claim, OutcomeKind::NotStarted).await;
    assert_eq!(status(&test, &token, &job).await, "QUEUED");
    assert_eq!(counted(&test).await, (0, false));
    assert!(!granted(&test, orchestrator, claim).await, "it was handed back");

    // The same after an adoption, by whoever went on.
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    let adopted = test.app.queue.adopt(orchestrator, vec![claim]).await.unwrap();
    let claim = adopted[0].go_on.as_ref().unwrap().claim;
    finish(&test, orchestrator, claim, OutcomeKind::NotStarted).await;
    assert_eq!(counted(&test).await, (0, false));

    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    finish(&test, orchestrator, claim, OutcomeKind::Succeeded).await;
    assert_eq!(status(&test, &token, &job).await, "SUCCEEDED");
    assert_eq!(counted(&test).await, (1, true));
}

#[tokio::test]
async fn targets_that_are_never_ready_use_up_their_tries_and_no_start() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (job, mut claim) = queued(&test, &token, orchestrator).await;
    for _ in 0..2 {
        finish(&test, orchestrator, claim, OutcomeKind::NotStarted).await;
        claim = claimed(&test, orchestrator, 1).await[0].claim;
        assert!(granted(&test, orchestrator, claim).await);
    }
    finish(&test, orchestrator, claim, OutcomeKind::NotStarted).await;
    assert_eq!(status(&test, &token, &job).await, "FAILED");
    assert_eq!(counted(&test).await, (0, false));
    let seen = test
        .graphql(
            &token,
            "query ($id: ID!) { job(id: $id) { startedAt } }",
            json!({ "id": job }),
        )
        .await;
    assert_eq!(seen["data"]["job"]["startedAt"], Value::Null);
}

/// An orchestrator of before says of what may have started that it did not.
#[tokio::test]
async fn nothing_is_taken_back_from_who_does_not_give_it() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (job, claim) = queued(&test, &token, orchestrator).await;
    let mut end = outcome(&test, OutcomeKind::NotStarted);
    end.unstarted = false;
    let ends = [(claim, Box::new(end))];
    test.app.queue.finish(orchestrator, &ends).await.unwrap();
    assert_eq!(status(&test, &token, &job).await, "FAILED");
    assert_eq!(counted(&test).await, (1, true));
}

#[tokio::test]
async fn a_stop_before_the_start_leaves_none() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (job, claim) = queued(&test, &token, orchestrator).await;
    let mut end = outcome(&test, OutcomeKind::Cancelled);
    end.unstarted = true;
    let ends = [(claim, Box::new(end))];
    test.app.queue.finish(orchestrator, &ends).await.unwrap();
    assert_eq!(status(&test, &token, &job).await, "CANCELLED");
    assert_eq!(counted(&test).await, (0, false));
}

#[tokio::test]
async fn one_that_may_have_been_used_counts() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (job, claim) = queued(&test, &token, orchestrator).await;
    finish(&test, orchestrator, claim, OutcomeKind::Lost).await;
    assert_eq!(status(&test, &token, &job).await, "LOST");
    assert_eq!(counted(&test).await, (1, true));
}

/// Hashes are kept after the payloads have left: by then they may be another claim's.
#[tokio::test]
async fn a_hash_that_is_kept_late_is_not_a_later_claims() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    run(&test, &token, json!({ "eventId": id })).await;
    let queue = &test.app.queue;
    let mut receipts = Vec::new();
    for orchestrator in [Uuid::new_v4(), Uuid::new_v4()] {
        let mut groups = queue.claim(orchestrator, &[], 1).await.unwrap();
        receipts.push(queue.assignments(groups.remove(0), true).await.unwrap().1);
        sqlx::query("UPDATE executions SET lease_until = now() - interval '2 minutes'")
            .execute(&test.app.kernel.pool)
            .await
            .unwrap();
        assert_eq!(queue.sweep().await.unwrap(), 1);
    }
    let kept = || async {
        sqlx::query_scalar::<_, Option<Vec<u8>>>("SELECT payload_sha256 FROM executions")
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    let late = receipts.remove(0);
    queue.keep(late).await.unwrap();
    assert_eq!(kept().await, None);
    queue.keep(receipts.remove(0)).await.unwrap();
    assert!(kept().await.is_some());
}

/// A container that is killed while its orchestrator is cut off takes the last lines with it.
#[tokio::test]
async fn an_end_that_comes_without_its_last_lines_says_so() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    for (numbered, missing) in [(0, false), (3, true), (u64::MAX, true)] {
        let (job, claim) = queued(&test, &token, orchestrator).await;
        let mut end = outcome(&test, OutcomeKind::Succeeded);
        end.last_seq = numbered;
        end.usage = Some(UsageReport {
            cpu_us: numbered,
            peak_memory_bytes: numbered,
        });
        // One that is written with it.
        let (other, beside) = queued(&test, &token, orchestrator).await;
        let plain = outcome(&test, OutcomeKind::Succeeded);
        let ends = [(claim, Box::new(end)), (beside, Box::new(plain))];
        test.app.queue.finish(orchestrator, &ends).await.unwrap();
        assert_eq!(status(&test, &token, &other).await, "SUCCEEDED");
        let query = "query ($id: ID!) { job(id: $id) { status executions { logTruncated } } }";
        let found = test.graphql(&token, query, json!({ "id": job })).await;
        assert_eq!(
            found["data"]["job"],
            json!({ "status": "SUCCEEDED", "executions": [{ "logTruncated": missing }] })
        );
    }
}

/// Whatever brings a row back that has started: the permission is what counts.
#[tokio::test]
async fn what_has_started_as_often_as_it_may_is_not_permitted_again() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let orchestrator = Uuid::new_v4();
    let (_, first) = queued(&test, &token, orchestrator).await;
    let back = "UPDATE executions SET status = 'QUEUED', orchestrator_id = NULL, lease_until = NULL";
    sqlx::query(back).execute(&test.app.kernel.pool).await.unwrap();
    let again = claimed(&test, orchestrator, 1).await[0].claim;
    assert_eq!(again.execution_id, first.execution_id);
    assert!(!granted(&test, orchestrator, again).await);
    assert_eq!(counted(&test).await, (1, true));
    let more = "UPDATE executions SET max_starts = 2";
    sqlx::query(more).execute(&test.app.kernel.pool).await.unwrap();
    assert!(
        granted(&test, orchestrator, again).await,
        "twice does no harm there"
    );
    assert_eq!(counted(&test).await, (2, true));
}
