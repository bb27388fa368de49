//! Runtime calls by their contract: what they do, once is once, and how much is too much.

mod callers;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{Assignment, Claim, OutcomeKind};
use cronium_protocol::manifest::Manifest;
use cronium_protocol::runtime::{Reply, Request};
use cronium_server::rate::Quota;
use cronium_server::runtime::{Caller, Runtime};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::queue::{claimed, granted, outcome};
use crate::semantics::exit;
use crate::support::TestApp;

/// A job whose script runs.
struct Script {
    orchestrator: Uuid,
    claim: Claim,
    assignment: Assignment,
    /// Global id of the job.
    job: Value,
}

async fn script(test: &TestApp, token: &str, more: Value) -> Script {
    let id = event(test, token, more).await;
    let job = run(test, token, json!({ "eventId": id, "input": { "n": 20 } })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let assignment = claimed(test, orchestrator, 1).await.remove(0);
    let claim = assignment.claim;
    assert!(granted(test, orchestrator, claim).await);
    Script {
        orchestrator,
        claim,
        assignment,
        job,
    }
}

fn networked() -> Value {
    json!({ "target": { "container": { "network": "BRIDGE" } } })
}

impl Script {
    fn manifest(&self) -> Manifest {
        rmp_serde::from_slice(&self.assignment.manifest).unwrap()
    }

    fn token(&self) -> String {
        self.manifest().env["CRONIUM_TOKEN"].clone()
    }

    async fn calls(
        &self,
        runtime: &Runtime,
        (id, number): (u128, u64),
        call: &str,
        body: Value,
    ) -> (u16, Value) {
        let caller = Caller::Runner {
            orchestrator: self.orchestrator,
            claim: self.claim,
            id: Uuid::from_u128(id),
        };
        read(&runtime.answer(caller, &request(number, call, &body)).await)
    }

    /// A call that is none of before.
    async fn call(&self, test: &TestApp, call: &str, body: Value) -> (u16, Value) {
        let id = Uuid::new_v4().as_u128();
        self.calls(&test.app.runtime, (id, 1), call, body).await
    }

    async fn ends(&self, test: &TestApp) {
        let end = (self.claim, Box::new(outcome(test, OutcomeKind::Succeeded)));
        test.app.queue.finish(self.orchestrator, &[end]).await.unwrap();
    }
}

fn request(number: u64, call: &str, body: &Value) -> Request {
    let (method, path) = call.split_once(' ').unwrap();
    Request {
        number,
        settled: 0,
        method: method.into(),
        path: format!("/runtime/v1{path}"),
        body: if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        },
    }
}

fn read(reply: &Reply) -> (u16, Value) {
    (
        reply.status,
        serde_json::from_slice(&reply.body).unwrap_or_default(),
    )
}

async fn bearer(runtime: &Runtime, token: &str, call: &str, body: Value) -> (u16, Value) {
    read(
        &runtime
            .answer(Caller::Bearer(token), &request(0, call, &body))
            .await,
    )
}

#[tokio::test]
async fn a_script_reads_its_own_input_and_says_its_condition() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, json!({})).await;
    assert_eq!(
        script.call(&test, "GET /input", Value::Null).await,
        (200, json!({ "n": 20 }))
    );
    let (status, context) = script.call(&test, "GET /event", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(
        (
            &context["eventName"],
            &context["jobId"],
            &context["attempt"],
            &context["trigger"]
        ),
        (&json!("Backup"), &script.job, &json!(1), &json!("API")),
        "{context}"
    );
    let query = "query ($id: ID!) { job(id: $id) { condition executions { condition } } }";
    let condition = async || {
        let found = test.graphql(&token, query, json!({ "id": script.job })).await;
        assert_eq!(
            found["data"]["job"]["condition"],
            found["data"]["job"]["executions"][0]["condition"]
        );
        found["data"]["job"]["condition"].clone()
    };
    assert_eq!(condition().await, Value::Null);
    for value in [true, false] {
        let said = script
            .call(&test, "PUT /condition", json!({ "value": value }))
            .await;
        assert_eq!((said.0, condition().await), (204, json!(value)));
    }
    let (status, told) = script
        .call(&test, "PUT /condition", json!({ "value": "yes" }))
        .await;
    assert_eq!((status, &told["error"]["code"]), (400, &json!("INVALID")));
}

#[tokio::test]
async fn what_an_attempt_said_that_was_not_the_last_is_its_own() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let retry = json!({ "retry": { "attempts": 2, "initialDelay": "PT0S" } });
    let script = script(&test, &token, retry).await;
    let (status, _) = script
        .call(&test, "PUT /condition", json!({ "value": true }))
        .await;
    assert_eq!(status, 204);
    let end = (script.claim, Box::new(exit(&test, 1)));
    test.app.queue.finish(script.orchestrator, &[end]).await.unwrap();
    let claim = claimed(&test, script.orchestrator, 1).await[0].claim;
    assert!(granted(&test, script.orchestrator, claim).await);
    let end = (claim, Box::new(exit(&test, 0)));
    test.app.queue.finish(script.orchestrator, &[end]).await.unwrap();
    let query = "query ($id: ID!) { job(id: $id) { status condition executions { condition } } }";
    let found = test.graphql(&token, query, json!({ "id": script.job })).await;
    assert_eq!(
        found["data"]["job"],
        json!({ "status": "SUCCEEDED", "condition": null, "executions": [{ "condition": true }, { "condition": null }] })
    );
}

#[tokio::test]
async fn variables_are_read_set_counted_and_removed() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, json!({})).await;
    let (status, told) = script.call(&test, "GET /variables/A", Value::Null).await;
    assert_eq!((status, &told["error"]["code"]), (404, &json!("NOT_FOUND")));
    let set = script
        .call(&test, "PUT /variables/A", json!({ "value": "one" }))
        .await;
    assert_eq!(
        set,
        (200, json!({ "key": "A", "created": true, "secret": false }))
    );
    let got = script.call(&test, "GET /variables/A", Value::Null).await;
    assert_eq!(got, (200, json!({ "key": "A", "value": "one", "secret": false })));
    let (status, told) = script
        .call(&test, "POST /variables/A/increment", Value::Null)
        .await;
    assert_eq!((status, &told["error"]["field"]), (400, &json!("key")));
    let sum = script
        .call(&test, "POST /variables/N/increment", json!({ "by": -3 }))
        .await;
    assert_eq!(sum, (200, json!({ "key": "N", "value": -3 })));
    assert_eq!(
        script.call(&test, "DELETE /variables/A", Value::Null).await.0,
        204
    );
    assert_eq!(
        script.call(&test, "DELETE /variables/A", Value::Null).await.0,
        404
    );
    let large = json!({ "value": "x".repeat((64 << 10) + 1) });
    let (status, told) = script.call(&test, "PUT /variables/A", large).await;
    assert_eq!((status, &told["error"]["code"]), (413, &json!("TOO_LARGE")));
    for (call, field) in [("PUT /variables/a", "key"), ("PUT /variables/CRONIUM_X", "key")] {
        let (status, told) = script.call(&test, call, json!({ "value": "x" })).await;
        assert_eq!((status, &told["error"]["field"]), (400, &json!(field)), "{call}");
    }
}

#[tokio::test]
async fn increments_are_exact_however_many_come_at_a_time_and_how_often_each_is_repeated() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, json!({})).await;
    let once = |n: u64| {
        script.calls(
            &test.app.runtime,
            (n.into(), n),
            "POST /variables/N/increment",
            json!({ "by": 2 }),
        )
    };
    // Each three times, the repetitions beside the first.
    let all = join_all((1..=40).flat_map(|n| std::iter::repeat_n(n, 3)).map(once)).await;
    let mut sums = Vec::new();
    for same in all.chunks(3) {
        assert!(
            same[0].0 == 200 && same[0] == same[1] && same[1] == same[2],
            "{same:?}"
        );
        sums.push(same[0].1["value"].as_i64().unwrap());
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=40).map(|n| n * 2).collect::<Vec<_>>());
    // Later, too; and what it came to is still what is told.
    let deleted = script
        .calls(&test.app.runtime, (99, 99), "DELETE /variables/N", Value::Null)
        .await;
    assert_eq!(deleted.0, 204);
    assert_eq!(once(7).await, all[18]);
    let again = script
        .calls(&test.app.runtime, (99, 99), "DELETE /variables/N", Value::Null)
        .await;
    assert_eq!(again.0, 204, "not NOT_FOUND: it is the same call");
    assert_eq!(script.call(&test, "GET /variables/N", Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_was_answered_is_forgotten_and_everything_with_the_execution() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, json!({})).await;
    let kept = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM runtime_calls")
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    for n in 1..=20_u64 {
        let caller = Caller::Runner {
            orchestrator: script.orchestrator,
            claim: script.claim,
            id: Uuid::from_u128(n.into()),
        };
        let request = Request {
            settled: n.saturating_sub(4),
            ..request(n, "POST /variables/N/increment", &Value::Null)
        };
        assert_eq!(test.app.runtime.answer(caller, &request).await.status, 200);
    }
    assert_eq!(kept().await, 4);
    // One that stood still on its way, and comes when it was done and forgotten: done again, it would count twice.
    let late = script.calls(
        &test.app.runtime,
        (3, 3),
        "POST /variables/N/increment",
        Value::Null,
    );
    assert_eq!(late.await.0, 500);
    let (_, seen) = script.call(&test, "GET /variables/N", Value::Null).await;
    assert_eq!(seen["value"], "20");
    test.app.runtime.tidy().await.unwrap();
    assert_eq!(kept().await, 4, "it still runs");
    script.ends(&test).await;
    test.app.runtime.tidy().await.unwrap();
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn ten_thousand_calls_are_limited_and_told_when_to_come_again() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, json!({})).await;
    let other = self::script(&test, &token, json!({})).await;
    let runtime = test.app.runtime.clone().limited(Some(Quota(3_000)), None);
    let ask = async |script: &Script| script.calls(&runtime, (1, 1), "GET /event", Value::Null).await;
    let (mut done, mut limited) = (0, 0);
    for _ in 0..10_000 {
        match ask(&script).await {
            (200, _) => done += 1,
            (429, told) => {
                limited += 1;
                assert_eq!(told["error"]["code"], "RATE_LIMITED");
                assert_eq!(told["error"]["retryAfterSeconds"], 1);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done, limited), (3_000, 7_000));
    assert_eq!(ask(&other).await.0, 200, "another's calls are another's");
    test.clock.advance(TimeDelta::seconds(1));
    assert_eq!(ask(&script).await.0, 200, "it came again when it was told to");
}

#[tokio::test]
async fn the_first_change_of_a_key_is_audited_without_its_value() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let person = test.person(UserRole::Editor).await;
    let script = script(&test, &person.token, json!({})).await;
    for n in 0..5 {
        let body = json!({ "value": format!("hunter{n}"), "secret": true });
        assert_eq!(script.call(&test, "PUT /variables/S", body).await.0, 200);
        assert_eq!(
            script
                .call(&test, "POST /variables/N/increment", json!({}))
                .await
                .0,
            200
        );
    }
    let query = "{ auditLog(filter: { actions: [CREATE_VARIABLE, UPDATE_VARIABLE] }, first: 100) {
        nodes { action actorEmail targetName after } } }";
    let found = test.graphql(&admin, query, json!({})).await;
    let entries = found["data"]["auditLog"]["nodes"].as_array().unwrap();
    let mut names: Vec<&str> = entries.iter().filter_map(|e| e["targetName"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["N", "S"], "{entries:?}");
    for entry in entries {
        assert_eq!(entry["action"], "CREATE_VARIABLE");
        assert_eq!(entry["actorEmail"], person.email.as_str());
        assert!(entry["after"]["executionId"].is_string() && !entry.to_string().contains("hunter"));
    }
}
