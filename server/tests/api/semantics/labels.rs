//! Labels: what an event asks of its orchestrator, who gets its work, and what is said while nobody may take it.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::Claim;
use cronium_server::jobs::queue;
use cronium_server::kernel::ids::{ExecutionId, OrchestratorId};
use cronium_server::orchestrators::Hello;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use super::{change, exit, finish, grant, job, release_due, sql};
use crate::jobs::{event, run, status};
use crate::large::{Cost, Plans, explaining};
use crate::queue::{claimed, claimed_with};
use crate::support::{TestApp, database};

fn labels(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Global ids of the executions that an orchestrator with these labels gets, in their order.
async fn gets(test: &TestApp, offered: &str, slots: u32) -> Vec<Value> {
    let claims = claimed_with(test, Uuid::new_v4(), &labels(offered), slots).await;
    let id = |claim: Claim| json!(ExecutionId(claim.execution_id).global());
    claims.iter().map(|work| id(work.claim)).collect()
}

/// A run of an event that asks for these labels, a second before the next one: its execution.
async fn ready(test: &TestApp, token: &str, asked: &str) -> Value {
    let id = event(test, token, json!({ "labels": labels(asked) })).await;
    let job = run(test, token, json!({ "eventId": id })).await;
    test.clock.advance(TimeDelta::seconds(1));
    job["job"]["executions"][0]["id"].clone()
}

async fn hello(test: &TestApp, id: Uuid, offered: &str) {
    let hello = Hello {
        id: OrchestratorId(id),
        name: "host".into(),
        version: "0.1.0".into(),
        capacity: 1,
        labels: labels(offered),
        started_at: None,
        ssh: false,
    };
    test.app.orchestrators.hello(&hello).await.ok().unwrap();
}

#[tokio::test]
async fn work_goes_only_to_an_orchestrator_that_has_all_it_asks_for() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let both = ready(&test, &token, "region=eu-1 gpu").await;
    let plain = ready(&test, &token, "").await;
    let gpu = ready(&test, &token, "gpu").await;
    assert_eq!(gets(&test, "", 9).await, [plain], "what asks for nothing");
    assert!(gets(&test, "region=eu-1 ssd", 9).await.is_empty());
    assert_eq!(gets(&test, "zone gpu ssd", 9).await, [gpu]);
    assert!(gets(&test, "gpu", 9).await.is_empty(), "one label of two");
    assert_eq!(gets(&test, "ssd region=eu-1 gpu", 9).await, [both]);
}

#[tokio::test]
async fn labels_change_nothing_about_the_order() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let mut queued = Vec::new();
    for asked in ["gpu", "", "ssd", "gpu ssd", "", "gpu", "zone", "ssd"] {
        queued.push(ready(&test, &token, asked).await);
    }
    let mut got = Vec::new();
    for slots in [2, 3, 9] {
        got.push(gets(&test, "ssd gpu", slots).await);
    }
    assert_eq!(got[0], queued[..2]);
    assert_eq!(got[1], queued[2..5]);
    assert_eq!(got[2], [queued[5].clone(), queued[7].clone()]);
}

#[tokio::test]
async fn whoever_has_labels_finds_each_lane_that_it_may_serve() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    // Every set of four labels, of which the orchestrator has two; and words that are before, between and behind.
    let names = ["b", "d", "f", "h"];
    let mut mine = Vec::new();
    for set in 0..16_usize {
        let asked: Vec<_> = (0..4)
            .filter(|bit| set & (1 << bit) != 0)
            .map(|bit| names[bit])
            .collect();
        let one = ready(&test, &token, &asked.join(" ")).await;
        if asked.iter().all(|label| ["d", "h"].contains(label)) {
            mine.push(one);
        }
    }
    for asked in ["a", "a z", "c", "d-1", "d e", "d hh", "d h z", "h-1", "hh", "z"] {
        ready(&test, &token, asked).await;
    }
    assert_eq!(mine.len(), 4);
    assert_eq!(gets(&test, "h x d", 99).await, mine);
}

#[tokio::test]
async fn labels_stay_with_the_work_whatever_becomes_of_it() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let policy =
        json!({ "labels": ["gpu"], "retry": { "attempts": 2, "initialDelay": "PT10S", "jitter": false } });
    let id = event(&test, &token, policy).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let (orchestrator, gpu) = (Uuid::new_v4(), labels("gpu"));

    // Its lease ends before it has started: it is ready again.
    assert_eq!(claimed_with(&test, orchestrator, &gpu, 9).await.len(), 1);
    sql(
        &test,
        "UPDATE executions SET lease_until = now() - interval '1 second'",
    )
    .await;
    test.app.queue.sweep().await.ok().unwrap();
    assert_eq!(status(&test, &token, &one).await, "QUEUED");
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());

    // It fails: another attempt.
    let claim = claimed_with(&test, orchestrator, &gpu, 9).await[0].claim;
    grant(&test, orchestrator, claim).await;
    finish(&test, orchestrator, claim, exit(&test, 1)).await;
    test.clock.advance(TimeDelta::seconds(10));
    assert_eq!(release_due(&test).await, 1);
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
    let claim = claimed_with(&test, orchestrator, &gpu, 9).await[0].claim;
    grant(&test, orchestrator, claim).await;
    finish(&test, orchestrator, claim, exit(&test, 1)).await;

    // It is run again by hand, when its event asks for something else.
    let changed = change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "labels": [] }),
    )
    .await;
    assert_eq!(changed["userErrors"], json!([]));
    let again = "mutation ($id: ID!) { retryJob(input: { id: $id }) { job { id } userErrors { code } } }";
    test.graphql(&token, again, json!({ "id": one })).await;
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
    assert_eq!(claimed_with(&test, orchestrator, &gpu, 9).await.len(), 1);

    // A source that was never saved.
    let try_out =
        "mutation ($i: TestEventInput!) { testEvent(input: $i) { job { id } userErrors { code field } } }";
    let source = json!({ "type": "BASH", "source": "true", "labels": ["ssd", "gpu"] });
    test.graphql(&token, try_out, json!({ "i": source })).await;
    assert!(claimed_with(&test, Uuid::new_v4(), &gpu, 9).await.is_empty());
    assert_eq!(
        claimed_with(&test, orchestrator, &labels("gpu ssd"), 9)
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_place_in_line_and_a_later_start_keep_their_labels() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "labels": ["gpu"], "maxConcurrent": 1 })).await;
    run(&test, &token, json!({ "eventId": id })).await;
    run(&test, &token, json!({ "eventId": id })).await;
    let (orchestrator, gpu) = (Uuid::new_v4(), labels("gpu"));
    let first = claimed_with(&test, orchestrator, &gpu, 9).await;
    assert_eq!(first.len(), 1, "the second waits for its turn");
    grant(&test, orchestrator, first[0].claim).await;
    finish(&test, orchestrator, first[0].claim, exit(&test, 0)).await;
    assert!(claimed(&test, Uuid::new_v4(), 9).await.is_empty());
    assert_eq!(claimed_with(&test, orchestrator, &gpu, 9).await.len(), 1);
}

#[tokio::test]
async fn labels_are_checked_at_their_field_and_a_set_has_no_order() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let mistakes = json!(["gpu", "Not one", "gpu"]);
    let expected = json!([{ "code": "INVALID", "field": ["labels", "1"] }, { "code": "TAKEN", "field": ["labels", "2"] }]);
    let create = "mutation ($i: CreateEventInput!) { createEvent(input: $i) { userErrors { code field } } }";
    let try_out = "mutation ($i: TestEventInput!) { testEvent(input: $i) { userErrors { code field } } }";
    let source = json!({ "type": "BASH", "source": "true", "labels": mistakes });
    let tried = test.graphql(&token, try_out, json!({ "i": source })).await;
    assert_eq!(tried["data"]["testEvent"]["userErrors"], expected);
    let mut named = source.clone();
    named["name"] = json!("Backup");
    let made = test.graphql(&token, create, json!({ "i": named })).await;
    assert_eq!(made["data"]["createEvent"]["userErrors"], expected);
    named["labels"] = (0..21).map(|n| format!("l{n}")).collect();
    let made = test.graphql(&token, create, json!({ "i": named })).await;
    let many = json!([{ "code": "TOO_LONG", "field": ["labels"] }]);
    assert_eq!(made["data"]["createEvent"]["userErrors"], many);

    let id = event(&test, &token, json!({ "labels": ["ssd", "gpu"] })).await;
    let refused = change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "labels": mistakes }),
    )
    .await;
    assert_eq!(refused["userErrors"], expected);
    let look = "query ($id: ID!) { event(id: $id) { version { id number labels } } }";
    let version =
        async || test.graphql(&token, look, json!({ "id": id })).await["data"]["event"]["version"].clone();
    let first = version().await;
    assert_eq!(
        (&first["number"], &first["labels"]),
        (&json!(1), &json!(["gpu", "ssd"]))
    );
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "labels": ["gpu", "ssd"] }),
    )
    .await;
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "name": "Other" }),
    )
    .await;
    assert_eq!(
        version().await,
        first,
        "the same set in another order, and a change of something else"
    );
    change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "labels": ["zone"] }),
    )
    .await;
    let second = version().await;
    assert_eq!(
        (&second["number"], &second["labels"]),
        (&json!(2), &json!(["zone"]))
    );
    let restore =
        "mutation ($i: RestoreEventVersionInput!) { restoreEventVersion(input: $i) { userErrors { code } } }";
    let input = json!({ "id": id, "versionId": first["id"], "expectedVersion": 2 });
    test.graphql(&token, restore, json!({ "i": input })).await;
    assert_eq!(version().await["labels"], json!(["gpu", "ssd"]));
}

#[tokio::test]
async fn work_says_that_nobody_has_its_labels_and_stops_when_somebody_comes() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "labels": ["gpu", "region=eu-1"] })).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let plain = event(&test, &token, json!({})).await;
    let plain = run(&test, &token, json!({ "eventId": plain })).await["job"]["id"].clone();
    let reason = async |id: &Value| {
        let seen = job(&test, &token, id).await;
        assert_eq!(seen["statusReason"], seen["executions"][0]["statusReason"]);
        seen["statusReason"].clone()
    };
    let none = json!(
        "Waits for an orchestrator with the labels gpu, region=eu-1: none that is connected has them all."
    );
    assert_eq!(reason(&one).await, none);
    assert_eq!(reason(&plain).await, Value::Null);
    let host = Uuid::new_v4();
    hello(&test, host, "gpu").await;
    hello(&test, Uuid::new_v4(), "region=eu-1").await;
    assert_eq!(reason(&one).await, none, "two halves are not a whole");

    let query = "subscription ($id: ID!) { jobUpdated(id: $id) { statusReason } }";
    let request = test.request(&token, query, json!({ "id": one })).await;
    let mut stream = Box::pin(test.app.schema.execute_stream(request));
    let mut next = async || {
        let told = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
        told.expect("it is told").unwrap().data.into_json().unwrap()["jobUpdated"]["statusReason"].clone()
    };
    assert_eq!(next().await, none);
    hello(&test, host, "gpu region=eu-1").await;
    assert_eq!(next().await, Value::Null);
    assert_eq!(reason(&one).await, Value::Null);

    sql(&test, "UPDATE orchestrators SET draining = true").await;
    let draining =
        "Waits for an orchestrator with the labels gpu, region=eu-1: whichever has them all is draining.";
    assert_eq!(next().await, draining);
    assert_eq!(reason(&one).await, draining);
    sql(
        &test,
        "UPDATE orchestrators SET draining = false, last_seen_at = '2026-01-01'",
    )
    .await;
    assert_eq!(reason(&one).await, none, "it is gone");
    hello(&test, host, "gpu region=eu-1").await;
    assert_eq!(
        claimed_with(&test, host, &labels("gpu region=eu-1"), 9)
            .await
            .len(),
        2
    );
    assert_eq!(reason(&one).await, Value::Null);
}

#[tokio::test]
async fn another_attempt_says_what_it_waits_for_and_why_it_is_made() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let retry = json!({ "attempts": 2, "initialDelay": "PT0S", "jitter": false });
    let id = event(&test, &token, json!({ "labels": ["gpu"], "retry": retry })).await;
    let one = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed_with(&test, orchestrator, &labels("gpu"), 1).await[0].claim;
    grant(&test, orchestrator, claim).await;
    finish(&test, orchestrator, claim, exit(&test, 3)).await;
    let expected = "Waits for an orchestrator with the label gpu: none that is connected has it. \
                    Attempt 1 of 2 failed and is tried again: exit code 3";
    assert_eq!(job(&test, &token, &one).await["statusReason"], expected);
}

#[tokio::test]
async fn work_with_labels_calls_orchestrators_as_any_other_does() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let pending = "SELECT count(*) FROM apalis.jobs WHERE status = 'Pending'";
    let pending = async || {
        sqlx::query_scalar::<_, i64>(pending)
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    assert_eq!(pending().await, 0);
    ready(&test, &token, "gpu").await;
    let mut connected = test.app.kernel.signals.agents();
    connected.mark_unchanged();
    let stop = CancellationToken::new();
    let calling = tokio::spawn(queue::wake_orchestrators(test.app.kernel.clone(), stop.clone()));
    let called = async {
        while pending().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), called)
        .await
        .expect("a call");
    assert!(
        connected.has_changed().unwrap(),
        "those that are connected hear without it"
    );
    stop.cancel();
    calling.await.unwrap();
}

/// A claim with one slot, while somebody is about to take what is first in line and something else is ready behind it.
#[tokio::test]
async fn what_stands_behind_work_that_others_are_taking_is_not_forgotten() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    for (first, second) in [("", "gpu"), ("gpu", ""), ("gpu", "ssd")] {
        ready(&test, &token, first).await;
        let behind = ready(&test, &token, second).await;
        let mut other = test.app.kernel.pool.begin().await.unwrap();
        let taken = "UPDATE executions SET status = 'DISPATCHING', lease_until = now() + interval '1 hour'
                     WHERE id = (SELECT id FROM executions WHERE status = 'QUEUED' ORDER BY queued_at LIMIT 1)";
        sqlx::raw_sql(taken).execute(&mut *other).await.unwrap();
        let mut calls = test.app.kernel.signals.agents();
        calls.mark_unchanged();
        assert!(gets(&test, "gpu ssd", 1).await.is_empty(), "it is not sure yet");
        assert!(
            calls.has_changed().unwrap(),
            "whoever has room is asked to claim again"
        );
        other.commit().await.unwrap();
        assert_eq!(gets(&test, "gpu ssd", 1).await, [behind]);
    }
}

/// Much that has ended; and, ahead of everything, work in thousands of lanes that nobody serves: with labels before and
/// behind those of the orchestrator, and with its first label too.
const FILL: &str = "
    INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger, created_at, finished_at)
    SELECT gen_random_uuid(), e.owner_id, e.owner_id, e.id, e.version_id, 'Much', CASE WHEN n > 20000 THEN 'SUCCEEDED' ELSE 'QUEUED' END,
           1, 'API', now() - n * interval '1 s', CASE WHEN n > 20000 THEN now() END
    FROM generate_series(1, 50000) AS n JOIN events e ON e.name = 'Much';
    INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, finished_at, labels)
    SELECT gen_random_uuid(), j.id, 1, status, priority, '2020-01-01', finished_at, CASE WHEN finished_at IS NULL THEN
           CASE j.number % 4 WHEN 0 THEN ARRAY['a' || j.number % 3001] WHEN 1 THEN ARRAY['gpu', 'h' || j.number % 3001]
                             WHEN 2 THEN ARRAY['gpu', 'z' || j.number % 3001] ELSE ARRAY['z' || j.number % 3001, 'zz'] END END
    FROM jobs j WHERE j.title = 'Much';
    VACUUM ANALYZE jobs; VACUUM ANALYZE executions";

#[tokio::test]
async fn work_that_nobody_may_take_neither_slows_nor_stops_the_claims_of_others() {
    let pool = database(4).await;
    let first = TestApp::on(pool.clone()).await;
    let token = first.sign_in(UserRole::Editor).await;
    event(&first, &token, json!({ "name": "Much" })).await;
    let mut connection = pool.acquire().await.unwrap();
    for statement in FILL.split_inclusive(';') {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    drop(connection);
    drop(first);
    let test = TestApp::on(explaining(pool).await).await;
    for asked in ["gpu", "gpu ssd", "", "region=eu-1 ssd"] {
        ready(&test, &token, asked).await;
    }
    let plans = Plans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(plans.clone()));
    for (offered, expected) in [("", 1), ("ssd gpu region=eu-1", 3), ("ssd gpu region=eu-1", 0)] {
        plans.take();
        let claims = test.app.queue.claim(Uuid::new_v4(), &labels(offered), 50).await;
        let claimed: usize = claims.ok().unwrap().iter().map(Vec::len).sum();
        let cost = Cost::of(&plans.take());
        assert_eq!(claimed, expected, "{offered}");
        assert!(
            cost.rows <= 200.0 && cost.end_to_end().is_empty(),
            "{offered}: {cost:?}"
        );
    }
}
