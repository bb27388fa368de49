//! Nested fields of lists: as many statements for many rows as for few, and nothing that the viewer may not see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cronium_entity::enums::UserRole;
use cronium_server::kernel::ids::OrchestratorId;
use serde_json::{Value, json};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::support::TestApp;

/// Counts the statements that sqlx reports.
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const EVENTS: &str = "{ events(first: 100) { nodes { id owner { name } version { number } lastJob { id }
    jobs(first: 3) { nodes { id executions { id } } pageInfo { hasNextPage } } } } }";

async fn events(test: &TestApp, token: &str) -> Value {
    let seen = test.graphql(token, EVENTS, json!({})).await;
    assert_eq!(seen["errors"], Value::Null, "{seen}");
    seen["data"]["events"]["nodes"].clone()
}

/// Counts statements from here on, in this thread.
pub fn counting() -> (Arc<AtomicUsize>, tracing::subscriber::DefaultGuard) {
    let count = Arc::new(AtomicUsize::new(0));
    let subscriber = tracing_subscriber::registry().with(Statements(count.clone()));
    (count, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn many_events_cost_as_many_statements_as_few() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let (count, _guard) = counting();
    let mut counts = Vec::new();
    for more in [2, 8] {
        for _ in 0..more {
            let id = event(&test, &token, json!({})).await;
            for _ in 0..4 {
                run(&test, &token, json!({ "eventId": id })).await;
            }
        }
        count.store(0, Ordering::Relaxed);
        let seen = events(&test, &token).await;
        counts.push(count.load(Ordering::Relaxed));
        for one in seen.as_array().unwrap() {
            assert_eq!(one["jobs"]["nodes"].as_array().unwrap().len(), 3);
            assert_eq!(one["jobs"]["pageInfo"]["hasNextPage"], true);
            assert_eq!(one["lastJob"]["id"], one["jobs"]["nodes"][0]["id"]);
        }
    }
    assert!(counts[0] > 3, "statements are counted: {counts:?}");
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn a_shared_event_shows_nobody_elses_jobs() {
    let test = TestApp::start().await;
    let owner = test.sign_in(UserRole::Editor).await;
    let other = test.sign_in(UserRole::Operator).await;
    let admin = test.sign_in(UserRole::Admin).await;
    let id = event(&test, &owner, json!({ "shared": true })).await;
    run(
        &test,
        &owner,
        json!({ "eventId": id, "input": { "secret": true } }),
    )
    .await;
    let jobs = |seen: Value| {
        (
            seen[0]["lastJob"] != Value::Null,
            seen[0]["jobs"]["nodes"].as_array().unwrap().len(),
        )
    };
    assert_eq!(jobs(events(&test, &other).await), (false, 0));
    run(&test, &other, json!({ "eventId": id })).await;
    assert_eq!(jobs(events(&test, &other).await), (true, 1));
    assert_eq!(jobs(events(&test, &owner).await), (true, 2));
    assert_eq!(jobs(events(&test, &admin).await), (true, 2));
}

/// Ids of an event, its version, its job, the job's execution and an orchestrator.
async fn five_nodes(test: &TestApp, token: &str) -> Vec<Value> {
    let event_id = event(test, token, json!({})).await;
    let job = run(test, token, json!({ "eventId": event_id })).await;
    let orchestrator = OrchestratorId(Uuid::new_v4());
    sqlx::query("INSERT INTO orchestrators (id, name, version, capacity, running, started_at, last_seen_at) VALUES ($1, 'one', '1', 1, 0, now(), now())")
        .bind(orchestrator.0)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    let query = "query ($id: ID!) { event(id: $id) { version { id } } }";
    let version = test.graphql(token, query, json!({ "id": event_id })).await;
    vec![
        json!(event_id),
        version["data"]["event"]["version"]["id"].clone(),
        job["job"]["id"].clone(),
        job["job"]["executions"][0]["id"].clone(),
        json!(orchestrator.global()),
    ]
}

async fn nodes(test: &TestApp, token: &str, ids: &[Value]) -> Vec<Value> {
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
    let seen = test.graphql(token, query, json!({ "ids": ids })).await;
    assert_eq!(seen["errors"], Value::Null, "{seen}");
    seen["data"]["nodes"].as_array().unwrap().clone()
}

async fn own_id(test: &TestApp, token: &str) -> Value {
    test.graphql(token, "{ viewer { id } }", json!({})).await["data"]["viewer"]["id"].clone()
}

#[tokio::test]
async fn many_nodes_cost_as_many_statements_as_few() {
    let test = TestApp::start().await;
    let (token, admin) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Admin).await,
    );
    let mut ids = vec![own_id(&test, &token).await];
    let (count, _guard) = counting();
    let mut counts = Vec::new();
    for more in [1, 9] {
        for _ in 0..more {
            ids.extend(five_nodes(&test, &token).await);
            let person = test.sign_in(UserRole::Viewer).await;
            ids.push(own_id(&test, &person).await);
        }
        count.store(0, Ordering::Relaxed);
        let seen = nodes(&test, &admin, &ids).await;
        counts.push(count.load(Ordering::Relaxed));
        let seen: Vec<_> = seen.iter().map(|node| node["id"].clone()).collect();
        assert_eq!(seen, ids);
    }
    // One to sign in, one for each kind, and one for the events of the versions.
    assert_eq!(counts, [8, 8]);
}

#[tokio::test]
async fn nodes_come_in_their_order_with_null_for_what_is_not_there_for_the_viewer() {
    let test = TestApp::start().await;
    let owner = test.sign_in(UserRole::Editor).await;
    let other = test.sign_in(UserRole::Editor).await;
    let (mine, me) = (five_nodes(&test, &owner).await, own_id(&test, &owner).await);
    let (foreign, them) = (five_nodes(&test, &other).await, own_id(&test, &other).await);
    let gone = json!(cronium_server::kernel::ids::JobId(Uuid::new_v4()).global());
    let mut ids = vec![
        json!("nonsense"),
        mine[2].clone(),
        foreign[0].clone(),
        me.clone(),
        them,
    ];
    ids.extend(foreign[1..4].iter().cloned());
    ids.extend([
        gone,
        mine[2].clone(),
        mine[0].clone(),
        mine[3].clone(),
        mine[1].clone(),
    ]);
    ids.extend([mine[4].clone(), foreign[4].clone()]);
    let seen = nodes(&test, &owner, &ids).await;
    let kinds: Vec<_> = seen.iter().map(|node| node["__typename"].as_str()).collect();
    let expected = [
        None,
        Some("Job"),
        None,
        Some("User"),
        None,
        None,
        None,
        None,
        None,
        Some("Job"),
        Some("Event"),
        Some("Execution"),
        Some("EventVersion"),
        Some("Orchestrator"),
        Some("Orchestrator"),
    ];
    assert_eq!(kinds, expected);
    for (id, node) in ids.iter().zip(&seen).filter(|(_, node)| !node.is_null()) {
        assert_eq!(*id, node["id"]);
        // One by one the same.
        let one = test
            .graphql(
                &owner,
                "query ($id: ID!) { node(id: $id) { id } }",
                json!({ "id": id }),
            )
            .await;
        assert_eq!(one["data"]["node"]["id"], *id);
    }
}
