//! The queue by its contract: claims, starts, ends, leases, adoption; and what follows from an accepted job.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cronium_entity::enums::{Priority, UserRole};
use cronium_protocol::agent::{Assignment, Claim, Outcome, OutcomeKind};
use cronium_protocol::frame::ExitReport;
use cronium_protocol::manifest::Manifest;
use cronium_server::happenings;
use cronium_server::jobs::Start;
use cronium_server::kernel::ids::EventId;
use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run, status};
use crate::lists::counting;
use crate::support::TestApp;

pub fn outcome(test: &TestApp, kind: OutcomeKind) -> Outcome {
    Outcome {
        kind,
        reason: None,
        exit: None,
        usage: None,
        image_digest: None,
        cancel: None,
        setup_at_us: None,
        started_at_us: None,
        ended_at_us: None,
        finished_at_us: test.app.kernel.now().timestamp_micros(),
        last_seq: 0,
        unstarted: kind == OutcomeKind::NotStarted,
    }
}

/// Claims, and gives what an orchestrator would be sent.
pub async fn claimed(test: &TestApp, orchestrator: Uuid, slots: u32) -> Vec<Assignment> {
    claimed_with(test, orchestrator, &[], slots).await
}

/// The same for one that has labels.
pub async fn claimed_with(
    test: &TestApp,
    orchestrator: Uuid,
    labels: &[String],
    slots: u32,
) -> Vec<Assignment> {
    let mut all = Vec::new();
    for group in test
        .app
        .queue
        .claim(orchestrator, labels, slots)
        .await
        .ok()
        .unwrap()
    {
        all.extend(test.app.queue.assignments(group, true).await.ok().unwrap().0);
    }
    all
}

/// The report of user code that left a result.
fn exit(output: String) -> ExitReport {
    ExitReport {
        started_at_us: 1,
        ended_at_us: 2,
        code: Some(0),
        signal: None,
        timed_out: false,
        cancelled: false,
        escalated: false,
        out_of_memory: false,
        processes_refused: 0,
        spawn_error: None,
        failure: None,
        output: Some(output),
        output_error: None,
        log_truncated: false,
    }
}

#[tokio::test]
async fn a_claim_is_signed_exclusive_and_most_urgent_first() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    run(&test, &token, json!({ "eventId": id, "priority": "LOW" })).await;
    let urgent = run(&test, &token, json!({ "eventId": id, "priority": "CRITICAL" })).await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let first = claimed(&test, one, 1).await;
    let second = claimed(&test, two, 5).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(status(&test, &token, &urgent["job"]["id"]).await, "DISPATCHING");
    let work = &first[0];
    let key = VerifyingKey::from_bytes(&test.app.queue.verify_key()).unwrap();
    let now = test.app.kernel.now().timestamp_millis();
    let target = format!("docker:{}", work.claim.execution_id);
    let open = |bytes: &[u8], at| Manifest::open(bytes, &work.signature, &key, &target, at);
    assert_eq!(open(&work.manifest, now).unwrap().entry, "main.sh");
    let mut changed = work.manifest.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(open(&changed, now).is_err());
    assert!(open(&work.manifest, now + 11 * 60 * 1000).is_err());
}

pub async fn granted(test: &TestApp, orchestrator: Uuid, claim: Claim) -> bool {
    let granted = test
        .app
        .queue
        .grant_starts(orchestrator, &[claim])
        .await
        .ok()
        .unwrap();
    granted == [claim]
}

async fn starts(test: &TestApp) -> i32 {
    sqlx::query_scalar("SELECT sum(starts)::int FROM executions")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn user_code_starts_once_and_a_stale_epoch_changes_nothing() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    assert!(
        granted(&test, orchestrator, claim).await,
        "the same claim asks again"
    );
    let adopted = test
        .app
        .queue
        .adopt(orchestrator, vec![claim])
        .await
        .ok()
        .unwrap();
    let next = adopted[0].go_on.clone().unwrap();
    assert!(next.started && next.claim.epoch == claim.epoch + 1);
    assert!(
        granted(&test, orchestrator, next.claim).await,
        "the same runner may ask again after its adoption"
    );
    assert_eq!(starts(&test).await, 1);
    assert!(
        !granted(&test, Uuid::new_v4(), next.claim).await,
        "an epoch that was given out twice counts for its present orchestrator only"
    );
    let again = test
        .app
        .queue
        .adopt(orchestrator, vec![claim])
        .await
        .ok()
        .unwrap();
    let same = again[0].go_on.clone();
    assert_eq!(
        same.unwrap().claim,
        next.claim,
        "whichever answer it acts on holds"
    );
    assert!(!granted(&test, orchestrator, claim).await);
    assert!(
        test.app
            .queue
            .finish(
                orchestrator,
                &[(claim, Box::new(outcome(&test, OutcomeKind::Failed)))]
            )
            .await
            .is_ok()
    );
    assert_eq!(status(&test, &token, &job).await, "RUNNING");
    assert!(
        test.app
            .queue
            .finish(
                orchestrator,
                &[(next.claim, Box::new(outcome(&test, OutcomeKind::Succeeded)))]
            )
            .await
            .is_ok()
    );
    assert_eq!(status(&test, &token, &job).await, "SUCCEEDED");
    assert!(
        test.app
            .queue
            .finish(
                orchestrator,
                &[(next.claim, Box::new(outcome(&test, OutcomeKind::Failed)))]
            )
            .await
            .is_ok()
    );
    assert_eq!(status(&test, &token, &job).await, "SUCCEEDED");
}

#[tokio::test]
async fn what_no_orchestrator_holds_goes_back_or_is_lost() {
    let test = TestApp::start().await;
    let orchestrator = Uuid::new_v4();
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let expire =
        "UPDATE executions SET lease_until = now() - interval '2 minutes' WHERE lease_until IS NOT NULL";
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
    assert_eq!(test.app.queue.sweep().await.ok().unwrap(), 1);
    assert_eq!(status(&test, &token, &job).await, "QUEUED");
    assert!(!granted(&test, orchestrator, claim).await);
    let again = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(again.epoch > claim.epoch);
    assert!(granted(&test, orchestrator, again).await);
    sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
    test.app.queue.sweep().await.ok().unwrap();
    assert_eq!(status(&test, &token, &job).await, "LOST");
}

#[tokio::test]
async fn what_has_started_is_shown_as_cut_off_until_its_lease_is_renewed() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    let expire = "UPDATE executions SET lease_until = now() - interval '1 second'";
    sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
    test.app.queue.sweep().await.ok().unwrap();
    let query = "query ($id: ID!) { job(id: $id) { status statusReason executions { statusReason } } }";
    let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
    assert_eq!(seen["status"], "RUNNING");
    assert!(seen["statusReason"].as_str().unwrap().contains("lost"), "{seen}");
    assert_eq!(seen["statusReason"], seen["executions"][0]["statusReason"]);
    assert!(
        test.app
            .queue
            .renew(orchestrator, &[claim])
            .await
            .ok()
            .unwrap()
            .is_empty()
    );
    let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
    let clear =
        json!({ "status": "RUNNING", "statusReason": null, "executions": [{ "statusReason": null }] });
    assert_eq!(seen, clear);
}

#[tokio::test]
async fn a_container_of_an_earlier_claim_is_not_adopted() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    run(&test, &token, json!({ "eventId": id })).await;
    let orchestrator = Uuid::new_v4();
    let first = claimed(&test, orchestrator, 1).await[0].claim;
    let expire = "UPDATE executions SET lease_until = now() - interval '1 second'";
    sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
    test.app.queue.sweep().await.ok().unwrap();
    let second = claimed(&test, orchestrator, 1).await[0].claim;
    let replies = test
        .app
        .queue
        .adopt(orchestrator, vec![first, second])
        .await
        .ok()
        .unwrap();
    assert_eq!((replies[0].claim, &replies[0].go_on), (first, &None));
    assert_eq!(replies[1].go_on.as_ref().unwrap().claim.epoch, second.epoch + 1);
    assert!(
        test.app
            .queue
            .adopt(Uuid::new_v4(), vec![second])
            .await
            .ok()
            .unwrap()[0]
            .go_on
            .is_none()
    );
}

#[tokio::test]
async fn ends_that_come_together_are_kept_whatever_scripts_print() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    for _ in 0..3 {
        run(&test, &token, json!({ "eventId": id })).await;
    }
    let orchestrator = Uuid::new_v4();
    let assignments = claimed(&test, orchestrator, 10).await;
    let claims: Vec<Claim> = assignments.iter().map(|a| a.claim).collect();
    assert_eq!(
        test.app
            .queue
            .grant_starts(orchestrator, &claims)
            .await
            .ok()
            .unwrap()
            .len(),
        3
    );
    let end = |(n, claim): (usize, &Claim)| {
        let mut outcome = outcome(
            &test,
            [OutcomeKind::Succeeded, OutcomeKind::Failed, OutcomeKind::TimedOut][n],
        );
        outcome.reason = (n > 0).then(|| "cause\0 unknown".to_owned());
        outcome.exit = Some(exit(r#"{"k\u0000":["\u0000"]}"#.into()));
        (*claim, Box::new(outcome))
    };
    let ends: Vec<_> = claims.iter().enumerate().map(end).collect();
    assert!(test.app.queue.finish(orchestrator, &ends).await.is_ok());
    let query = "{ jobs(first: 10, orderBy: { field: CREATED_AT, direction: ASC }) { nodes { status statusReason output } } }";
    let mut seen = test.graphql(&token, query, json!({})).await["data"]["jobs"]["nodes"].clone();
    seen.as_array_mut()
        .unwrap()
        .sort_by_key(|job| job["status"].to_string());
    let output = json!({ "k\u{fffd}": ["\u{fffd}"] });
    let expected = [
        ("FAILED", json!("cause\u{fffd} unknown")),
        ("SUCCEEDED", Value::Null),
        ("TIMED_OUT", json!("cause\u{fffd} unknown")),
    ];
    let expected = expected
        .map(|(status, reason)| json!({ "status": status, "statusReason": reason, "output": output }));
    assert_eq!(seen, Value::from(expected.to_vec()));
}

#[tokio::test]
async fn each_accepted_job_is_counted_once_however_often_the_outbox_is_read() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    for key in ["a", "b", "b"] {
        run(&test, &token, json!({ "eventId": id, "idempotencyKey": key })).await;
    }
    let take = || happenings::take(&test.app.kernel, &test.app.events);
    let (one, two) = tokio::join!(take(), take());
    assert_eq!(
        one.ok().unwrap() + two.ok().unwrap() + take().await.ok().unwrap(),
        2
    );
    let query = "query ($id: ID!) { event(id: $id) { runCount } }";
    let seen = test.graphql(&token, query, json!({ "id": id })).await;
    assert_eq!(seen["data"]["event"]["runCount"], 2);
}

#[tokio::test]
async fn work_that_no_orchestrator_ever_starts_ends_with_a_reason() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let expire =
        "UPDATE executions SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL";
    for round in 1..=5 {
        assert_eq!(status(&test, &token, &job).await, "QUEUED", "round {round}");
        assert_eq!(claimed(&test, Uuid::new_v4(), 1).await.len(), 1);
        sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
        test.app.queue.sweep().await.ok().unwrap();
    }
    let query = "query ($id: ID!) { job(id: $id) { status statusReason finishedAt } }";
    let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
    assert_eq!(seen["status"], "FAILED");
    assert!(seen["finishedAt"].is_string(), "{seen}");
    assert!(
        seen["statusReason"].as_str().unwrap().contains("five times"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_cancelled_job_has_its_receipt_and_its_happening_whoever_ends_it() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }";
    let queued = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    test.graphql(&token, cancel, json!({ "id": queued })).await;
    let held = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    claimed(&test, Uuid::new_v4(), 1).await;
    test.graphql(&token, cancel, json!({ "id": held })).await;
    let expire =
        "UPDATE executions SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL";
    sqlx::query(expire).execute(&test.app.kernel.pool).await.unwrap();
    test.app.queue.sweep().await.ok().unwrap();
    let query = "query ($id: ID!) { job(id: $id) { status cancellation { signalSent processGone } } }";
    for job in [queued, held] {
        let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
        let receipt = json!({ "signalSent": false, "processGone": true });
        assert_eq!(seen, json!({ "status": "CANCELLED", "cancellation": receipt }));
    }
    let ends: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM outbox WHERE kind = 'job.ended' AND payload->>'status' = 'CANCELLED'",
    )
    .fetch_one(&test.app.kernel.pool)
    .await
    .unwrap();
    assert_eq!(ends, 2);
}

#[tokio::test]
async fn large_work_is_given_out_in_messages_of_bounded_size() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let source = format!("#{}", "x".repeat(1_000_000));
    let id = event(&test, &token, json!({ "source": source })).await;
    let input = json!({ "text": "y".repeat(900_000) });
    for _ in 0..5 {
        run(&test, &token, json!({ "eventId": id, "input": input })).await;
    }
    let groups = test.app.queue.claim(Uuid::new_v4(), &[], 10).await.ok().unwrap();
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn a_result_that_cannot_be_kept_is_said_to_be_so() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    let mut end = outcome(&test, OutcomeKind::Succeeded);
    end.exit = Some(exit(format!("{}{}", "[".repeat(200), "]".repeat(200))));
    test.app
        .queue
        .finish(orchestrator, &[(claim, Box::new(end))])
        .await
        .ok()
        .unwrap();
    let query = "query ($id: ID!) { job(id: $id) { status statusReason output } }";
    let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
    assert_eq!(
        (&seen["status"], &seen["output"]),
        (&json!("SUCCEEDED"), &Value::Null)
    );
    assert!(
        seen["statusReason"].as_str().unwrap().contains("not kept"),
        "{seen}"
    );
}

/// From its acceptance to its end: one statement more for each job is a decision, not an accident.
#[tokio::test]
async fn a_job_costs_few_statements() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = EventId::parse(&event(&test, &token, json!({})).await.into()).unwrap();
    let (op, orchestrator) = (test.op(&token).await, Uuid::new_v4());
    let start = || Start {
        input: None,
        priority: Priority::Normal,
        wait: Duration::ZERO,
        idempotency_key: None,
        run_at: None,
        servers: None,
    };
    let (count, _guard) = counting();
    let spent = || count.swap(0, Ordering::Relaxed);
    let (app, mut costs) = (&test.app, Vec::new());
    // The second one: what the owner may have is known then.
    for _ in 0..2 {
        spent();
        app.jobs.run(&op, id, start()).await.unwrap();
        let accepted = spent();
        let groups = app.queue.claim(orchestrator, &[], 1).await.unwrap();
        let claimed = spent();
        let group = groups.into_iter().next().unwrap();
        let (assignments, receipts) = app.queue.assignments(group, true).await.unwrap();
        let claim = assignments[0].claim;
        app.queue.keep(receipts).await.unwrap();
        let assigned = spent();
        assert!(granted(&test, orchestrator, claim).await);
        let started = spent();
        let end = Box::new(outcome(&test, OutcomeKind::Succeeded));
        app.queue.finish(orchestrator, &[(claim, end)]).await.unwrap();
        costs = vec![accepted, claimed, assigned, started, spent()];
    }
    assert_eq!(costs, [2, 1, 3, 1, 3]);
}
