//! The overview: what has become of jobs, in figures.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_server::kernel::ids;
use serde_json::{Value, json};

use crate::jobs::{event, run};
use crate::support::TestApp;

const OVERVIEW: &str = "{ overview { total succeeded failed queued successRate
    series { succeeded failed cancelled other } failingEvents { event { id } failures lastJob { id } } } }";

#[tokio::test]
async fn what_has_not_succeeded_everywhere_has_failed() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &me, json!({})).await;
    let ends = [
        "SUCCEEDED",
        "SUCCEEDED",
        "SUCCEEDED",
        "FAILED",
        "TIMED_OUT",
        "LOST",
        "PARTIAL",
        "CANCELLED",
        "SKIPPED",
    ];
    let mut last_failed = Value::Null;
    for end in ends {
        test.clock.advance(TimeDelta::seconds(1));
        let job = run(&test, &me, json!({ "eventId": id })).await["job"]["id"].clone();
        let raw = ids::parse(job.as_str().unwrap()).unwrap().1;
        sqlx::query("UPDATE jobs SET status = $2, finished_at = now() WHERE id = $1")
            .bind(raw)
            .bind(end)
            .execute(&test.app.kernel.pool)
            .await
            .unwrap();
        if end == "PARTIAL" {
            last_failed = job;
        }
    }
    run(&test, &me, json!({ "eventId": id })).await;
    let answer = test.graphql(&me, OVERVIEW, json!({})).await;
    let found = &answer["data"]["overview"];
    assert_eq!(
        [
            &found["total"],
            &found["succeeded"],
            &found["failed"],
            &found["queued"]
        ],
        [10, 3, 4, 1],
        "{answer}"
    );
    assert!(
        (found["successRate"].as_f64().unwrap() - 3.0 / 7.0).abs() < 1e-9,
        "{answer}"
    );
    let sum = |name: &str| {
        let points = found["series"].as_array().unwrap();
        points
            .iter()
            .map(|point| point[name].as_i64().unwrap())
            .sum::<i64>()
    };
    assert_eq!(
        ["succeeded", "failed", "cancelled", "other"].map(sum),
        [3, 4, 1, 2]
    );
    let failing = json!([{ "event": { "id": id }, "failures": 4, "lastJob": { "id": last_failed } }]);
    assert_eq!(found["failingEvents"], failing);
}
