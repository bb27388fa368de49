//! Slots: they run beside each other, or so many at a time; each has its attempts, and the job is their sum.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_protocol::agent::OutcomeKind;
use futures::StreamExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Fleet, on};
use crate::jobs::run;
use crate::queue::{claimed, outcome};
use crate::semantics::{exit, happenings, release_due, sql};
use crate::support::{TestApp, database};

#[tokio::test]
async fn a_job_runs_on_all_servers_at_once_and_is_what_they_come_to_together() {
    let fleet = Fleet::start(3).await;
    let job = fleet.job(None).await;
    let queued = ["s0 1 QUEUED", "s1 1 QUEUED", "s2 1 QUEUED"];
    assert_eq!(fleet.executions(&job).await, queued);
    let one = fleet.claim(1).await;
    assert_eq!(on(&one), [0], "in their order");
    assert_eq!(fleet.status(&job).await, "DISPATCHING");
    fleet.grant(one[&0]).await;
    assert_eq!(fleet.status(&job).await, "RUNNING");
    let started = fleet.seen(&job).await["startedAt"].clone();
    let rest = fleet.claim(9).await;
    assert_eq!(on(&rest), [1, 2]);
    assert_eq!(fleet.status(&job).await, "RUNNING", "a claim takes it not back");
    fleet.test.clock.advance(TimeDelta::seconds(1));
    fleet.finish(one[&0], exit(&fleet.test, 0)).await;
    fleet.work(rest[&1], 3).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(
        [&seen["status"], &seen["statusReason"], &seen["finishedAt"]],
        [&json!("RUNNING"), &Value::Null, &Value::Null]
    );
    fleet.test.clock.advance(TimeDelta::seconds(1));
    fleet.work(rest[&2], 0).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "PARTIAL");
    let reason = "1 of 3 servers did not succeed: s1 (exit code 3).";
    assert_eq!(
        (&seen["statusReason"], &seen["output"], &seen["startedAt"]),
        (&json!(reason), &Value::Null, &started)
    );
    assert!(seen["finishedAt"].is_string(), "{seen}");
    for (server, code) in [0, 3, 0].into_iter().enumerate() {
        let execution = &seen["executions"][server];
        assert_eq!(execution["output"], json!({ "code": code }), "{seen}");
        assert_eq!(execution["server"]["id"], fleet.servers[server]);
        assert_eq!(execution["server"]["server"]["name"], format!("s{server}"));
        assert_eq!(execution["cancellation"], Value::Null);
    }
    assert_eq!(happenings(&fleet.test, "job.ended").await, 1);
}

#[tokio::test]
async fn one_server_is_as_one_container() {
    let fleet = Fleet::start(1).await;
    let job = fleet.job(Some(4)).await;
    let claims = fleet.claim(9).await;
    fleet.work(claims[&0], 0).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(
        (&seen["status"], &seen["output"]),
        (&json!("SUCCEEDED"), &json!({ "code": 0 }))
    );
    assert_eq!(fleet.executions(&job).await, ["s0 1 SUCCEEDED"]);
}

#[tokio::test]
async fn so_many_run_at_a_time_and_the_next_goes_when_one_has_ended() {
    let fleet = Fleet::start(5).await;
    let job = fleet.job(Some(2)).await;
    let claims = fleet.claim(9).await;
    assert_eq!(on(&claims), [0, 1]);
    let waits = fleet.seen(&job).await["executions"][4]["statusReason"].clone();
    assert_eq!(waits, "Waits until another server has ended: 2 run at a time.");
    assert!(fleet.claim(9).await.is_empty());
    fleet.work(claims[&1], 0).await;
    let next = fleet.claim(9).await;
    assert_eq!(on(&next), [2]);
    let told = fleet.seen(&job).await["executions"][2]["statusReason"].clone();
    assert_eq!(told, Value::Null);
    // Two end in one message.
    fleet.grant(claims[&0]).await;
    fleet.grant(next[&2]).await;
    let ends = [claims[&0], next[&2]].map(|claim| (claim, Box::new(exit(&fleet.test, 0))));
    let queue = &fleet.test.app.queue;
    queue.finish(fleet.orchestrator, &ends).await.ok().unwrap();
    let last = fleet.claim(9).await;
    assert_eq!(on(&last), [3, 4]);
    for claim in last.into_values() {
        fleet.work(claim, 0).await;
    }
    let seen = fleet.seen(&job).await;
    assert_eq!(
        (&seen["status"], &seen["statusReason"]),
        (&json!("SUCCEEDED"), &Value::Null)
    );
}

#[tokio::test]
async fn each_server_has_its_own_attempts_and_keeps_its_place_for_them() {
    let fleet = Fleet::start(2).await;
    let retry = json!({ "retry": { "attempts": 2, "initialDelay": "PT10S", "jitter": false } });
    let id = fleet.event(Some(1), retry).await;
    let job = fleet.run(json!({ "eventId": id })).await;
    fleet.work(fleet.claim(9).await[&0], 3).await;
    let between = ["s0 1 FAILED", "s0 2 QUEUED", "s1 1 QUEUED"];
    assert_eq!(fleet.executions(&job).await, between);
    assert_eq!(fleet.status(&job).await, "RUNNING");
    assert!(
        fleet.claim(9).await.is_empty(),
        "one waits for its moment, one for that"
    );
    fleet.test.clock.advance(TimeDelta::seconds(10));
    assert_eq!(release_due(&fleet.test).await, 1);
    let again = fleet.claim(9).await;
    assert_eq!(on(&again), [0]);
    fleet.work(again[&0], 0).await;
    fleet.work(fleet.claim(9).await[&1], 0).await;
    assert_eq!(fleet.status(&job).await, "SUCCEEDED");
    let all = ["s0 1 FAILED", "s0 2 SUCCEEDED", "s1 1 SUCCEEDED"];
    assert_eq!(fleet.executions(&job).await, all);
}

#[tokio::test]
async fn what_goes_back_to_the_queue_takes_the_job_along_only_while_nothing_has_begun() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    fleet.not_started(claims[&0]).await;
    assert_eq!(fleet.status(&job).await, "DISPATCHING", "the other one is");
    fleet.not_started(claims[&1]).await;
    assert_eq!(fleet.status(&job).await, "QUEUED");
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&1]).await;
    fleet.not_started(claims[&0]).await;
    assert_eq!(fleet.status(&job).await, "RUNNING");
    // A start that was given back is none.
    fleet.not_started(claims[&1]).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(
        (&seen["status"], &seen["startedAt"]),
        (&json!("QUEUED"), &Value::Null)
    );
}

#[tokio::test]
async fn two_that_end_at_the_same_moment_on_two_servers_are_summed_up_once() {
    let pool = database(12).await;
    let other = TestApp::on(pool.clone()).await;
    let fleet = Fleet::on(TestApp::on(pool).await, 4).await;
    let id = fleet.event(Some(2), json!({})).await;
    for round in 0..10 {
        let job = fleet.run(json!({ "eventId": id })).await;
        for _ in 0..2 {
            let claims: Vec<_> = fleet.claim(9).await.into_values().collect();
            assert_eq!(claims.len(), 2, "round {round}");
            for claim in &claims {
                fleet.grant(*claim).await;
            }
            let end = |claim, code| [(claim, Box::new(exit(&fleet.test, code)))];
            let (here, there) = (end(claims[0], 0), end(claims[1], 1));
            let (here, there) = tokio::join!(
                fleet.test.app.queue.finish(fleet.orchestrator, &here),
                other.app.queue.finish(fleet.orchestrator, &there),
            );
            assert!(here.is_ok() && there.is_ok(), "round {round}");
        }
        let seen = fleet.seen(&job).await;
        assert_eq!(seen["status"], "PARTIAL", "round {round}: {seen}");
        assert_eq!(happenings(&fleet.test, "job.ended").await, round + 1);
    }
}

#[tokio::test]
async fn contact_that_is_lost_with_one_server_is_its_own_matter() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    fleet.grant(claims[&1]).await;
    let expire = |ago: &str| {
        format!(
            "UPDATE executions SET lease_until = now() - interval '{ago}' WHERE slot = 0 AND lease_until IS NOT NULL"
        )
    };
    let sweep = async |ago: &str| {
        let expired = sqlx::query(sqlx::AssertSqlSafe(expire(ago)));
        expired.execute(&fleet.test.app.kernel.pool).await.unwrap();
        fleet.test.app.queue.sweep().await.ok().unwrap();
    };
    sweep("1 second").await;
    let seen = fleet.seen(&job).await;
    let lost = seen["executions"][0]["statusReason"].as_str();
    assert!(lost.unwrap().contains("lost"), "{seen}");
    assert_eq!(
        [
            &seen["status"],
            &seen["statusReason"],
            &seen["executions"][1]["statusReason"]
        ],
        [&json!("RUNNING"), &Value::Null, &Value::Null]
    );
    let queue = &fleet.test.app.queue;
    let renewed = queue.renew(fleet.orchestrator, &[claims[&0]]).await;
    assert!(renewed.ok().unwrap().is_empty());
    assert_eq!(
        fleet.seen(&job).await["executions"][0]["statusReason"],
        Value::Null
    );
    sweep("2 minutes").await;
    assert_eq!(
        fleet.executions(&job).await,
        ["s0 1 LOST", "s1 1 RUNNING"],
        "the other goes on"
    );
    assert_eq!(fleet.status(&job).await, "RUNNING");
    fleet.finish(claims[&1], exit(&fleet.test, 0)).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "PARTIAL");
    let reason = seen["statusReason"].as_str().unwrap();
    assert!(
        reason.starts_with("1 of 2 servers did not succeed: s0 (Contact with the orchestrator was lost"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_lease_that_ends_before_the_start_gives_its_server_back_and_the_last_end_lets_the_next_go() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(Some(1)).await;
    let expire =
        "UPDATE executions SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL";
    for _ in 0..5 {
        assert_eq!(fleet.status(&job).await, "QUEUED");
        assert_eq!(on(&fleet.claim(9).await), [0]);
        sql(&fleet.test, expire).await;
        fleet.test.app.queue.sweep().await.ok().unwrap();
    }
    assert_eq!(fleet.executions(&job).await, ["s0 1 FAILED", "s1 1 QUEUED"]);
    assert_eq!(fleet.status(&job).await, "RUNNING", "something of it has ended");
    fleet.work(fleet.claim(9).await[&1], 0).await;
    assert_eq!(fleet.status(&job).await, "PARTIAL");
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_partial_end() {
    let fleet = Fleet::start(2).await;
    let id = fleet.event(None, json!({})).await;
    let input = json!({ "eventId": id, "waitSeconds": 30 });
    let waits = run(&fleet.test, &fleet.token, input);
    let works = async {
        let mut claims = fleet.claim(9).await;
        while claims.len() < 2 {
            tokio::task::yield_now().await;
            claims.extend(fleet.claim(9).await);
        }
        fleet.work(claims[&0], 0).await;
        fleet.work(claims[&1], 1).await;
    };
    let (waited, ()) = tokio::join!(waits, works);
    assert_eq!(waited["job"]["status"], "PARTIAL", "{waited}");
}

#[tokio::test]
async fn a_watcher_is_told_of_each_server() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    fleet.grant(claims[&1]).await;
    let query = "subscription ($id: ID!) { jobUpdated(id: $id) { status executions { status } } }";
    let request = fleet
        .test
        .request(&fleet.token, query, json!({ "id": job }))
        .await;
    let mut changes = Box::pin(fleet.test.app.schema.execute_stream(request));
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(5), changes.next()).await;
        let response = next.expect("a change within 5 s").unwrap();
        assert_eq!(response.errors, []);
        response.data.into_json().unwrap()["jobUpdated"].clone()
    };
    let is = |job: &str, slots: [&str; 2]| {
        let executions = slots.map(|status| json!({ "status": status }));
        json!({ "status": job, "executions": executions })
    };
    assert_eq!(next().await, is("RUNNING", ["RUNNING", "RUNNING"]));
    fleet.finish(claims[&1], exit(&fleet.test, 0)).await;
    assert_eq!(next().await, is("RUNNING", ["RUNNING", "SUCCEEDED"]));
    fleet
        .finish(claims[&0], outcome(&fleet.test, OutcomeKind::TimedOut))
        .await;
    assert_eq!(next().await, is("PARTIAL", ["TIMED_OUT", "SUCCEEDED"]));
}

#[tokio::test]
async fn some_of_the_servers_are_chosen_and_one_key_stands_for_one_choice() {
    let fleet = Fleet::start(3).await;
    let id = fleet.event(None, json!({})).await;
    let [s0, s1, s2] = [0, 1, 2].map(|n| fleet.servers[n].clone());
    let input = |servers: Value| json!({ "eventId": id, "servers": servers, "idempotencyKey": "once" });
    let job = fleet.run(input(json!([s2, s0]))).await;
    let chosen = ["s0 1 QUEUED", "s2 1 QUEUED"];
    assert_eq!(fleet.executions(&job).await, chosen, "in the order of the event");
    assert_eq!(fleet.run(input(json!([s2, s0]))).await, job);
    let faults = async |input: Value| run(&fleet.test, &fleet.token, input).await["userErrors"].clone();
    let other = faults(input(json!([s1]))).await;
    assert_eq!(
        other,
        json!([{ "code": "CONFLICT", "field": ["idempotencyKey"] }])
    );
    let all = faults(json!({ "eventId": id, "idempotencyKey": "once" })).await;
    assert_eq!(all[0]["code"], "CONFLICT");
    let plain = crate::jobs::event(&fleet.test, &fleet.token, json!({})).await;
    for (event, servers, code) in [
        (&id, json!([]), "REQUIRED"),
        (&id, json!([s1, "nothing"]), "NOT_FOUND"),
        (&plain, json!([s1]), "INVALID"),
    ] {
        let told = faults(json!({ "eventId": event, "servers": servers })).await;
        assert_eq!(told, json!([{ "code": code, "field": ["servers"] }]), "{servers}");
    }
    assert!(claimed(&fleet.test, Uuid::new_v4(), 9).await.is_empty());
}

#[tokio::test]
async fn a_job_is_run_again_where_it_did_not_succeed() {
    let fleet = Fleet::start(3).await;
    let retry = async |job: &Value| {
        let document =
            "mutation ($id: ID!) { retryJob(input: { id: $id }) { job { id } userErrors { code } } }";
        let answer = fleet
            .test
            .graphql(&fleet.token, document, json!({ "id": job }))
            .await;
        let payload = &answer["data"]["retryJob"];
        assert_eq!(payload["userErrors"], json!([]), "{answer}");
        payload["job"]["id"].clone()
    };
    let id = fleet.event(Some(1), json!({ "overlap": "SKIP" })).await;
    let some = json!([fleet.servers[2], fleet.servers[1]]);
    let job = fleet.run(json!({ "eventId": id, "servers": some })).await;
    let skipped = fleet
        .run(json!({ "eventId": id, "servers": [fleet.servers[0]] }))
        .await;
    fleet.work(fleet.claim(9).await[&1], 1).await;
    fleet.work(fleet.claim(9).await[&2], 0).await;
    assert_eq!(fleet.status(&job).await, "PARTIAL");
    let again = retry(&job).await;
    assert_eq!(fleet.executions(&again).await, ["s1 1 QUEUED"]);
    fleet.work(fleet.claim(9).await[&1], 0).await;
    assert_eq!(fleet.executions(&skipped).await, ["s0 1 SKIPPED"]);
    let after = retry(&skipped).await;
    assert_eq!(
        fleet.executions(&after).await,
        ["s0 1 QUEUED"],
        "and not on the others"
    );
    fleet.work(fleet.claim(9).await[&0], 0).await;
    let everywhere = fleet.run(json!({ "eventId": id })).await;
    for server in 0..3 {
        fleet.work(fleet.claim(9).await[&server], 0).await;
    }
    assert_eq!(fleet.status(&everywhere).await, "SUCCEEDED");
    let whole = retry(&everywhere).await;
    let all = ["s0 1 QUEUED", "s1 1 QUEUED", "s2 1 QUEUED"];
    assert_eq!(fleet.executions(&whole).await, all);
    assert_eq!(fleet.claim(9).await.len(), 1, "one at a time, as before");
}
