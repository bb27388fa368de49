//! Turns and moments of jobs on several servers: a job is one run of its event, however many servers it has.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Fleet, on};
use crate::jobs::run;
use crate::semantics::{happenings, release_due};

#[tokio::test]
async fn a_job_keeps_its_turn_until_its_last_server_has_ended() {
    let fleet = Fleet::start(2).await;
    let id = fleet.event(Some(1), json!({ "overlap": "QUEUE_ONE" })).await;
    let first = fleet.run(json!({ "eventId": id })).await;
    let second = fleet.run(json!({ "eventId": id })).await;
    let waits = fleet.seen(&second).await;
    let reason = waits["statusReason"].as_str().unwrap();
    assert!(reason.starts_with("Waits for its turn"), "{waits}");
    let third = run(&fleet.test, &fleet.token, json!({ "eventId": id })).await;
    assert_eq!(third["job"]["status"], "SKIPPED", "one waits, not two");
    for server in [0, 1] {
        let claims = fleet.claim(9).await;
        assert_eq!(on(&claims), [server], "of the first job");
        assert_eq!(fleet.status(&second).await, "QUEUED");
        fleet.work(claims[&server], 0).await;
    }
    assert_eq!(fleet.status(&first).await, "SUCCEEDED");
    let seen = fleet.seen(&second).await;
    assert_eq!(seen["statusReason"], Value::Null);
    let claims = fleet.claim(9).await;
    assert_eq!(on(&claims), [0], "one at a time also after it waited");
    fleet.work(claims[&0], 0).await;
    fleet.work(fleet.claim(9).await[&1], 0).await;
    assert_eq!(fleet.status(&second).await, "SUCCEEDED");
}

#[tokio::test]
async fn slots_that_wait_for_others_are_no_line_and_keep_nobody_awake() {
    let fleet = Fleet::start(3).await;
    let id = fleet.event(Some(1), json!({ "maxConcurrent": 1 })).await;
    fleet.run(json!({ "eventId": id })).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    let (next, line) = fleet.test.app.queue.turns.look().await.ok().unwrap();
    assert_eq!((next, line), (None, false));
    assert!(fleet.claim(9).await.is_empty(), "a look lets none of them go");
}

#[tokio::test]
async fn a_later_start_is_that_of_all_servers_that_do_not_wait() {
    let fleet = Fleet::start(3).await;
    for policy in [json!({}), json!({ "maxConcurrent": 1 })] {
        let id = fleet.event(Some(2), policy).await;
        let at = fleet.test.app.kernel.now() + TimeDelta::hours(1);
        let job = fleet.run(json!({ "eventId": id, "runAt": at })).await;
        let seen = fleet.seen(&job).await;
        let due: Vec<_> = (0..3).map(|n| seen["executions"][n]["dueAt"].clone()).collect();
        assert!(due[0].is_string() && due[0] == due[1], "{seen}");
        assert_eq!(due[2], Value::Null, "it waits for another one");
        assert!(fleet.claim(9).await.is_empty());
        fleet.test.clock.advance(TimeDelta::hours(1));
        assert_eq!(release_due(&fleet.test).await, 1, "one job");
        let seen = fleet.seen(&job).await;
        assert_eq!(seen["statusReason"], Value::Null, "{seen}");
        let claims = fleet.claim(9).await;
        assert_eq!(on(&claims), [0, 1]);
        for claim in claims.into_values() {
            fleet.work(claim, 0).await;
        }
        fleet.work(fleet.claim(9).await[&2], 0).await;
        assert_eq!(fleet.status(&job).await, "SUCCEEDED");
    }
}

#[tokio::test]
async fn a_later_start_that_is_skipped_then_ends_on_all_servers() {
    let fleet = Fleet::start(3).await;
    let id = fleet.event(Some(1), json!({ "overlap": "SKIP" })).await;
    let at = fleet.test.app.kernel.now() + TimeDelta::hours(1);
    let later = fleet.run(json!({ "eventId": id, "runAt": at })).await;
    fleet.run(json!({ "eventId": id })).await;
    fleet.test.clock.advance(TimeDelta::hours(1));
    assert_eq!(release_due(&fleet.test).await, 1);
    let skipped = ["s0 1 SKIPPED", "s1 1 SKIPPED", "s2 1 SKIPPED"];
    assert_eq!(fleet.executions(&later).await, skipped);
    assert_eq!(fleet.status(&later).await, "SKIPPED");
    assert_eq!(happenings(&fleet.test, "job.ended").await, 1);
    assert_eq!(on(&fleet.claim(9).await), [0], "the one that runs");
}

#[tokio::test]
async fn a_newer_run_takes_the_place_of_all_servers_of_the_one_before() {
    let fleet = Fleet::start(3).await;
    let id = fleet.event(Some(2), json!({ "overlap": "REPLACE" })).await;
    let first = fleet.run(json!({ "eventId": id })).await;
    fleet.work(fleet.claim(1).await[&0], 0).await;
    let second = fleet.run(json!({ "eventId": id })).await;
    let seen = fleet.seen(&first).await;
    assert_eq!(seen["status"], "PARTIAL", "nobody had the rest of it: {seen}");
    let note = "Replaced by a newer run of this event (overlap policy REPLACE).";
    assert_eq!(seen["cancellation"]["note"], note);
    let claims = fleet.claim(9).await;
    assert_eq!(on(&claims), [0, 1], "of the second");
    assert_eq!(fleet.status(&second).await, "DISPATCHING");
}
