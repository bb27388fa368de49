//! Stopping jobs on several servers: each execution says what was done to it, and the job sums that up too.

use std::time::Duration;

use cronium_protocol::agent::{CancelReport, Outcome};
use serde_json::{Value, json};

use super::Fleet;
use crate::semantics::{cancel, happenings, sql, stopped};

fn receipt(signal_sent: bool, escalated: bool, process_gone: bool, note: Option<&str>) -> Value {
    json!({ "signalSent": signal_sent, "escalated": escalated, "processGone": process_gone, "note": note })
}

#[tokio::test]
async fn what_is_under_way_is_asked_to_stop_and_the_rest_ends_at_once() {
    let fleet = Fleet::start(4).await;
    let retry = json!({ "retry": { "attempts": 3, "initialDelay": "PT0S" } });
    let id = fleet.event(Some(3), retry).await;
    let job = fleet.run(json!({ "eventId": id })).await;
    let claims = fleet.claim(9).await;
    fleet.work(claims[&0], 0).await;
    // It has left its place to the fourth, which nobody has claimed.
    fleet.grant(claims[&1]).await;
    let mut told = fleet.test.app.kernel.signals.cancels();
    let answer = cancel(&fleet.test, &fleet.token, &job).await;
    assert_eq!(answer["job"]["status"], "RUNNING");
    let heard = [told.try_recv(), told.try_recv()].map(|one| one.unwrap().0);
    assert!(told.try_recv().is_err());
    let asked = fleet
        .test
        .app
        .queue
        .cancels(fleet.orchestrator)
        .await
        .ok()
        .unwrap();
    assert_eq!(asked.len(), 2);
    for claim in [claims[&1], claims[&2]] {
        assert!(asked.contains(&claim) && heard.contains(&claim.execution_id));
    }
    let now = [
        "s0 1 SUCCEEDED",
        "s1 1 RUNNING",
        "s2 1 DISPATCHING",
        "s3 1 CANCELLED",
    ];
    assert_eq!(fleet.executions(&job).await, now);
    let killed = Outcome {
        cancel: Some(CancelReport {
            signal_sent: true,
            escalated: true,
            process_gone: true,
        }),
        ..stopped(&fleet.test)
    };
    fleet.finish(claims[&1], killed).await;
    fleet.not_started(claims[&2]).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "PARTIAL", "{seen}");
    let nothing = receipt(false, false, true, Some("Nothing was running."));
    let expected = [
        Value::Null,
        receipt(true, true, true, None),
        nothing.clone(),
        nothing,
    ];
    for (server, expected) in expected.iter().enumerate() {
        assert_eq!(&seen["executions"][server]["cancellation"], expected, "{seen}");
    }
    assert_eq!(seen["cancellation"], receipt(true, true, true, None));
    assert_eq!(happenings(&fleet.test, "job.ended").await, 1);
    let twice = cancel(&fleet.test, &fleet.token, &job).await["userErrors"].clone();
    assert_eq!(twice, json!([{ "code": "CONFLICT", "field": ["id"] }]));
    assert!(fleet.claim(9).await.is_empty());
}

#[tokio::test]
async fn what_nobody_has_ends_at_once_whatever_became_of_the_others() {
    let fleet = Fleet::start(3).await;
    let queued = fleet.job(Some(1)).await;
    let answer = cancel(&fleet.test, &fleet.token, &queued).await;
    assert_eq!(answer["job"]["status"], "CANCELLED");
    let seen = fleet.seen(&queued).await;
    let reason = seen["statusReason"].as_str().unwrap();
    assert!(reason.contains("Cancelled before it started"), "{reason}");
    let nothing = receipt(false, false, true, Some("Nothing was running."));
    assert_eq!(seen["cancellation"], nothing);
    assert_eq!(fleet.claim(9).await.len(), 0);

    let id = fleet.event(Some(1), json!({ "maxConcurrent": 1 })).await;
    let begun = fleet.run(json!({ "eventId": id })).await;
    let behind = fleet.run(json!({ "eventId": id })).await;
    fleet.work(fleet.claim(9).await[&0], 0).await;
    let answer = cancel(&fleet.test, &fleet.token, &begun).await;
    assert_eq!(answer["job"]["status"], "PARTIAL");
    let ends = ["s0 1 SUCCEEDED", "s1 1 CANCELLED", "s2 1 CANCELLED"];
    assert_eq!(fleet.executions(&begun).await, ends);
    let next = fleet.claim(9).await;
    assert_eq!(next.len(), 1, "its turn is the next one's");
    assert_eq!(fleet.status(&behind).await, "DISPATCHING");

    let waits = fleet.run(json!({ "eventId": id })).await;
    let answer = cancel(&fleet.test, &fleet.token, &waits).await;
    assert_eq!(answer["job"]["status"], "CANCELLED");
    let held = "SELECT count(*) FROM executions e JOIN jobs j ON j.id = e.job_id
                WHERE j.finished_at IS NOT NULL AND (e.held OR e.waits OR j.held)";
    let held: i64 = sqlx::query_scalar(held)
        .fetch_one(&fleet.test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(held, 0, "what has ended waits for nothing");
}

#[tokio::test]
async fn a_stop_is_unconfirmed_as_long_as_one_server_is() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    fleet.grant(claims[&1]).await;
    cancel(&fleet.test, &fleet.token, &job).await;
    fleet.finish(claims[&1], stopped(&fleet.test)).await;
    sql(
        &fleet.test,
        "UPDATE executions SET lease_until = now() - interval '2 minutes' WHERE lease_until IS NOT NULL",
    )
    .await;
    fleet.test.app.queue.sweep().await.ok().unwrap();
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "LOST", "{seen}");
    let told = &seen["cancellation"];
    assert_eq!(
        (&told["signalSent"], &told["processGone"]),
        (&json!(true), &json!(false))
    );
    assert!(
        told["note"].as_str().unwrap().starts_with("Unconfirmed"),
        "{seen}"
    );
    assert_eq!(seen["executions"][1]["cancellation"]["processGone"], true);
}

#[tokio::test]
async fn one_execution_has_its_own_receipt_too() {
    let fleet = Fleet::start(1).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    cancel(&fleet.test, &fleet.token, &job).await;
    let asked = fleet.seen(&job).await["executions"][0]["cancellation"].clone();
    assert_eq!(asked, receipt(false, false, false, None), "nothing was done yet");
    fleet.finish(claims[&0], stopped(&fleet.test)).await;
    let seen = fleet.seen(&job).await;
    let done = receipt(true, false, true, None);
    assert_eq!(
        (&seen["cancellation"], &seen["executions"][0]["cancellation"]),
        (&done, &done)
    );
}

#[tokio::test]
async fn a_stop_that_meets_another_change_of_a_slot_that_waits_is_tried_again() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(Some(1)).await;
    assert_eq!(fleet.claim(9).await.len(), 1);
    let pool = &fleet.test.app.kernel.pool;
    // Somebody has the slot, and wants the job too.
    let mut other = pool.begin().await.unwrap();
    let locked = sqlx::query("SELECT id FROM executions WHERE waits FOR UPDATE");
    assert_eq!(locked.fetch_all(&mut *other).await.unwrap().len(), 1);
    let meeting = async {
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits)
            .fetch_one(pool)
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::query("SELECT id FROM jobs FOR UPDATE")
            .execute(&mut *other)
            .await
            .unwrap();
        other.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(cancel(&fleet.test, &fleet.token, &job), meeting);
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
    assert_eq!(
        fleet.executions(&job).await,
        ["s0 1 DISPATCHING", "s1 1 CANCELLED"]
    );
}
