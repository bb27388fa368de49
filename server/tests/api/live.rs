//! Watching jobs: what signals miss is told all the same, and nothing twice.

use std::pin::Pin;
use std::time::Duration;

use async_graphql::Response;
use cronium_entity::enums::UserRole;
use cronium_server::jobs::look;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::queue::claimed;
use crate::support::TestApp;

type Changes = Pin<Box<dyn Stream<Item = Response> + Send>>;

async fn changes(test: &TestApp, token: &str) -> Changes {
    let query = "subscription { jobsChanged { kind job { id status } } }";
    let request = test.request(token, query, json!({})).await;
    let mut stream: Changes = Box::pin(test.app.schema.execute_stream(request));
    // The first poll subscribes.
    let early = futures::poll!(stream.next());
    assert!(early.is_pending());
    let subscribed = async {
        while !test.app.kernel.signals.has_watchers() {
            drop(futures::poll!(stream.next()));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), subscribed)
        .await
        .unwrap();
    stream
}

async fn next(changes: &mut Changes) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(5), changes.next()).await;
    let response = next.expect("a change within 5 s").unwrap();
    assert_eq!(response.errors, []);
    response.data.into_json().unwrap()["jobsChanged"].clone()
}

#[tokio::test]
async fn what_another_server_does_is_told_by_the_next_look_once() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let kernel = &test.app.kernel;
    let mut changes = changes(&test, &token).await;
    let known = look(kernel, None).await.ok().unwrap();
    assert_eq!(
        next(&mut changes).await["job"],
        json!({ "id": job, "status": "QUEUED" })
    );
    // As another server would: no signal in this process.
    sqlx::query("UPDATE jobs SET status = 'RUNNING', started_at = created_at")
        .execute(&kernel.pool)
        .await
        .unwrap();
    let known = look(kernel, Some(&known)).await.ok().unwrap();
    assert_eq!(
        next(&mut changes).await,
        json!({ "kind": "UPDATED", "job": { "id": job, "status": "RUNNING" } })
    );
    let other = Uuid::new_v4();
    let copy = "INSERT INTO jobs (id, owner_id, actor_id, event_version_id, title, status, priority, trigger, created_at)
                SELECT $1, owner_id, actor_id, event_version_id, title, 'QUEUED', priority, trigger, created_at FROM jobs";
    sqlx::query(copy).bind(other).execute(&kernel.pool).await.unwrap();
    let known = look(kernel, Some(&known)).await.ok().unwrap();
    let seen = next(&mut changes).await;
    assert_eq!(
        (&seen["kind"], &seen["job"]["status"]),
        (&json!("CREATED"), &json!("QUEUED"))
    );
    // A look without news is silent, and a signal for what was told already too.
    look(kernel, Some(&known)).await.ok().unwrap();
    kernel
        .signals
        .job_changed(cronium_server::kernel::ids::JobId(other), false);
    let silent = tokio::time::timeout(Duration::from_millis(400), changes.next()).await;
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn a_watcher_that_lost_signals_reads_what_changed_meanwhile() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let mut changes = changes(&test, &token).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    claimed(&test, Uuid::new_v4(), 1).await;
    // More than the channel holds: the signals of the job are gone.
    for _ in 0..5000 {
        let stranger = cronium_server::kernel::ids::JobId(Uuid::new_v4());
        test.app.kernel.signals.job_changed(stranger, true);
    }
    let seen = next(&mut changes).await;
    assert_eq!(seen["job"], json!({ "id": job, "status": "DISPATCHING" }));
}
