//! The order in which work is given out.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use crate::jobs::{event, run, status};
use crate::large::{Cost, Plans, explaining};
use crate::queue::claimed;
use crate::support::{TestApp, database};

#[tokio::test]
async fn a_higher_priority_goes_first_and_a_low_one_does_not_starve() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let low = run(&test, &token, json!({ "eventId": id, "priority": "LOW" })).await["job"]["id"].clone();
    let mut before = 0;
    // There is always something critical, and room for one at a time.
    while status(&test, &token, &low).await == "QUEUED" {
        run(&test, &token, json!({ "eventId": id, "priority": "CRITICAL" })).await;
        assert_eq!(claimed(&test, Uuid::new_v4(), 1).await.len(), 1);
        before += 1;
        assert!(before < 40, "it would wait for ever");
        test.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(
        before, 31,
        "a step of priority is worth ten minutes, and three steps half an hour"
    );
}

#[tokio::test]
async fn a_batch_is_in_the_order_of_the_queue() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let mut jobs = Vec::new();
    for (priority, minutes) in [
        ("NORMAL", 0),
        ("LOW", 1),
        ("HIGH", 8),
        ("CRITICAL", 25),
        ("HIGH", 0),
    ] {
        test.clock.advance(TimeDelta::minutes(minutes));
        let one = run(&test, &token, json!({ "eventId": id, "priority": priority })).await;
        jobs.push(one["job"]["executions"][0]["id"].clone());
    }
    let order: Vec<_> = claimed(&test, Uuid::new_v4(), 9)
        .await
        .iter()
        .map(|work| {
            let id = cronium_server::kernel::ids::ExecutionId(work.claim.execution_id).global();
            jobs.iter().position(|one| *one == json!(id)).unwrap()
        })
        .collect();
    // By their minutes less ten for each step: -10, 1, -11, 4, 14.
    assert_eq!(order, [2, 0, 1, 3, 4]);
}

/// Much that has ended, and much that waits: for an orchestrator, for a moment, for its turn.
const FILL: &str = "
    INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger, created_at,
                      finished_at, held)
    SELECT gen_random_uuid(), e.owner_id, e.owner_id, e.id, e.version_id, 'Much', CASE WHEN n > 12000 THEN 'SUCCEEDED' ELSE 'QUEUED' END,
           n % 4, 'API', now() - n * interval '1 s', CASE WHEN n > 12000 THEN now() END, n <= 4000
    FROM generate_series(1, 60000) AS n JOIN events e ON e.name = CASE WHEN n <= 4000 THEN 'Limited' ELSE 'Free' END;
    INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, finished_at, due_at, held, gate)
    SELECT gen_random_uuid(), j.id, 1, status, priority, created_at, finished_at,
           CASE WHEN finished_at IS NULL AND NOT held AND j.number % 2 = 0 THEN now() + interval '1 day' END, held,
           CASE WHEN held THEN event_id END
    FROM jobs j;
    VACUUM ANALYZE jobs; VACUUM ANALYZE executions";

#[tokio::test]
async fn what_is_given_out_and_what_waits_is_found_by_its_index_however_much_there_is() {
    let pool = database(4).await;
    let first = TestApp::on(pool.clone()).await;
    let token = first.sign_in(UserRole::Editor).await;
    event(&first, &token, json!({ "name": "Free" })).await;
    let id = event(&first, &token, json!({ "name": "Limited", "maxConcurrent": 3 })).await;
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
    let plans = Plans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(plans.clone()));
    let cost = |what: &str, index: &str, most: f64| {
        let cost = Cost::of(&plans.take());
        let walked = cost.paths.iter().any(|(_, path)| path == index);
        assert!(walked && cost.rows <= most, "{what}: {cost:?}");
        assert!(cost.end_to_end().is_empty(), "{what}: {cost:?}");
    };
    assert_eq!(
        test.app
            .queue
            .claim(Uuid::new_v4(), &[], 10)
            .await
            .ok()
            .unwrap()
            .len(),
        1
    );
    cost("a claim", "executions_turn", 200.0);
    test.app.queue.turns.release_due().await.ok().unwrap();
    cost("nothing is due", "executions_due", 10.0);
    test.app.queue.turns.look().await.ok().unwrap();
    cost("a look", "executions_held", 2_000.0);
    let waits = run(&test, &token, json!({ "eventId": id })).await;
    assert_eq!(waits["job"]["status"], "QUEUED");
    cost("one more run", "executions_held", 2_000.0);
}
