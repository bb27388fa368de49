//! Events that run so many times.

use cronium_entity::enums::UserRole;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{change, run_one};
use crate::jobs::{event, run};
use crate::support::TestApp;

const EVENT: &str = "query ($id: ID!) { event(id: $id) { status countedRuns maxExecutions } }";

async fn seen(test: &TestApp, token: &str, id: &str) -> Value {
    test.graphql(token, EVENT, json!({ "id": id })).await["data"]["event"].clone()
}

async fn set_status(test: &TestApp, token: &str, id: &str, status: &str) {
    let document =
        "mutation ($i: SetEventStatusInput!) { setEventStatus(input: $i) { userErrors { code } } }";
    let answer = test
        .graphql(token, document, json!({ "i": { "id": id, "status": status } }))
        .await;
    assert_eq!(answer["data"]["setEventStatus"]["userErrors"], json!([]));
}

#[tokio::test]
async fn of_fifty_starts_at_once_exactly_so_many_are_accepted_and_the_last_one_pauses() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxExecutions": 20 })).await;
    let all = join_all((0..50).map(|_| run(&test, &token, json!({ "eventId": id })))).await;
    let accepted = all.iter().filter(|one| one["job"]["id"].is_string()).count();
    let limited = json!([{ "code": "LIMIT_REACHED", "field": ["eventId"] }]);
    let refused = all.iter().filter(|one| one["userErrors"] == limited).count();
    assert_eq!((accepted, refused), (20, 30));
    let expected = json!({ "status": "PAUSED", "countedRuns": 20, "maxExecutions": 20 });
    assert_eq!(seen(&test, &token, &id).await, expected);
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(jobs, 20);
    let log = "query ($f: AuditFilter) { auditLog(filter: $f, first: 10) { nodes { before after } } }";
    let filter = json!({ "f": { "targetId": id, "actions": ["UPDATE_EVENT"] } });
    let entries = test.graphql(&admin, log, filter).await["data"]["auditLog"]["nodes"].clone();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), 1, "the pause is in the log, once");
    assert_eq!(
        (&entries[0]["before"]["status"], &entries[0]["after"]["status"]),
        (&json!("ACTIVE"), &json!("PAUSED"))
    );
}

#[tokio::test]
async fn a_reset_or_a_new_activation_counts_from_nothing() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxExecutions": 1 })).await;
    let start = async || run(&test, &token, json!({ "eventId": id })).await["userErrors"][0]["code"].clone();
    assert_eq!(
        (start().await, start().await),
        (Value::Null, json!("LIMIT_REACHED"))
    );
    let reset = "mutation ($id: ID!) { resetEventCounter(input: { id: $id }) { event { status countedRuns } userErrors { code } } }";
    let done = test.graphql(&token, reset, json!({ "id": id })).await["data"]["resetEventCounter"].clone();
    assert_eq!(
        done["event"],
        json!({ "status": "PAUSED", "countedRuns": 0 }),
        "{done}"
    );
    assert_eq!(
        (start().await, start().await),
        (Value::Null, json!("LIMIT_REACHED"))
    );
    set_status(&test, &token, &id, "ACTIVE").await;
    assert_eq!(seen(&test, &token, &id).await["countedRuns"], 0);
    assert_eq!(start().await, Value::Null);
    assert_eq!(seen(&test, &token, &id).await["status"], "PAUSED");
    let raised = change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "maxExecutions": 3 }),
    )
    .await;
    assert_eq!(raised["userErrors"], json!([]));
    assert_eq!(
        (start().await, start().await, start().await),
        (Value::Null, Value::Null, json!("LIMIT_REACHED"))
    );
    set_status(&test, &token, &id, "ACTIVE").await;
    start().await;
    start().await;
    let lowered = change(
        &test,
        &token,
        json!({ "id": id, "expectedVersion": 1, "maxExecutions": 2 }),
    )
    .await;
    assert_eq!(
        lowered["event"]["status"], "PAUSED",
        "a limit that is reached already pauses at once"
    );
}

#[tokio::test]
async fn tests_and_repeated_requests_and_skipped_runs_are_not_counted_and_retries_are() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({ "maxExecutions": 2, "overlap": "SKIP" })).await;
    let document = "mutation ($id: ID!) { testEvent(input: { eventId: $id, type: BASH, source: \"true\" }) { job { id } } }";
    let tried = test.graphql(&token, document, json!({ "id": id })).await;
    assert!(tried["data"]["testEvent"]["job"]["id"].is_string(), "{tried}");
    let first = run(&test, &token, json!({ "eventId": id, "idempotencyKey": "a" })).await["job"].clone();
    let again = run(&test, &token, json!({ "eventId": id, "idempotencyKey": "a" })).await["job"].clone();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(
        run(&test, &token, json!({ "eventId": id })).await["job"]["status"],
        "SKIPPED"
    );
    assert_eq!(seen(&test, &token, &id).await["countedRuns"], 1);
    let orchestrator = uuid::Uuid::new_v4();
    for _ in 0..2 {
        run_one(&test, orchestrator, 0).await;
    }
    let retry =
        "mutation ($id: ID!) { retryJob(input: { id: $id }) { job { id } userErrors { code field } } }";
    let repeat =
        async || test.graphql(&token, retry, json!({ "id": first["id"] })).await["data"]["retryJob"].clone();
    assert!(repeat().await["job"]["id"].is_string());
    run_one(&test, orchestrator, 0).await;
    assert_eq!(
        repeat().await["userErrors"],
        json!([{ "code": "LIMIT_REACHED", "field": ["id"] }])
    );
    assert_eq!(
        super::job(&test, &token, &first["id"]).await["retries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
