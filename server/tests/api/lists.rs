//! Nested fields of lists: as many statements for many rows as for few, and nothing that the viewer may not see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

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

#[tokio::test]
async fn many_events_cost_as_many_statements_as_few() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let count = Arc::new(AtomicUsize::new(0));
    let subscriber = tracing_subscriber::registry().with(Statements(count.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
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
