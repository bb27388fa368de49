//! Claims are committed without waiting for the disk: what Postgres forgets of them in a crash.

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::OutcomeKind;
use serde_json::json;
use uuid::Uuid;

use crate::jobs::{event, run, status};
use crate::queue::{claimed, granted, outcome};
use crate::support::TestApp;

/// The same orchestrator gets the work again while it still holds the claim that was forgotten.
#[tokio::test]
async fn a_claim_that_a_crash_undid_is_not_the_next_one() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let (queue, pool, orchestrator) = (&test.app.queue, &test.app.kernel.pool, Uuid::new_v4());
    sqlx::raw_sql(
        "CREATE TABLE kept_executions AS TABLE executions; CREATE TABLE kept_jobs AS SELECT id, status FROM jobs",
    )
    .execute(pool)
    .await
    .unwrap();
    let forgotten = claimed(&test, orchestrator, 1).await[0].claim;
    sqlx::raw_sql(
        "UPDATE executions e SET status = k.status, epoch = k.epoch, claim_epoch = k.claim_epoch,
             orchestrator_id = k.orchestrator_id, lease_until = k.lease_until, dispatches = k.dispatches
         FROM kept_executions k WHERE e.id = k.id;
         UPDATE jobs j SET status = k.status FROM kept_jobs k WHERE j.id = k.id",
    )
    .execute(pool)
    .await
    .unwrap();
    assert_eq!(status(&test, &token, &job).await, "QUEUED");

    let next = claimed(&test, orchestrator, 1).await[0].claim;
    assert_eq!(next.execution_id, forgotten.execution_id);
    assert_ne!(next.epoch, forgotten.epoch);
    // The one that was forgotten can do nothing, and takes nothing from the one that holds.
    assert_eq!(
        queue.renew(orchestrator, &[forgotten, next]).await.unwrap(),
        [forgotten]
    );
    assert!(!granted(&test, orchestrator, forgotten).await);
    let replies = queue.adopt(orchestrator, vec![forgotten]).await.unwrap();
    assert!(replies[0].go_on.is_none());
    let failed = Box::new(outcome(&test, OutcomeKind::Failed));
    queue.finish(orchestrator, &[(forgotten, failed)]).await.unwrap();
    assert_eq!(status(&test, &token, &job).await, "DISPATCHING");
    assert!(granted(&test, orchestrator, next).await);
    let succeeded = Box::new(outcome(&test, OutcomeKind::Succeeded));
    queue.finish(orchestrator, &[(next, succeeded)]).await.unwrap();
    assert_eq!(status(&test, &token, &job).await, "SUCCEEDED");
}
