//! Lines as the server keeps them: fenced, in order, once; pages of bounded size.

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_server::kernel::Error;
use cronium_server::kernel::ids::ExecutionId;
use futures::StreamExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::queue::claimed;
use crate::support::TestApp;

/// A job at work: its claim, its execution's global id and its owner's token.
async fn at_work(test: &TestApp, orchestrator: Uuid) -> (Claim, Value, String) {
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(test, &token, json!({})).await;
    let job = run(test, &token, json!({ "eventId": id })).await["job"].clone();
    let claim = claimed(test, orchestrator, 1).await[0].claim;
    test.app
        .queue
        .grant_starts(orchestrator, &[claim])
        .await
        .ok()
        .unwrap();
    (claim, job["executions"][0]["id"].clone(), token)
}

fn block(lines: impl IntoIterator<Item = (u64, String)>) -> Vec<u8> {
    let line = |(seq, text)| Line {
        seq,
        at_us: 1_700_000_000_000_000,
        stream: Stream::Stdout,
        text,
    };
    LogBlock {
        lines: lines.into_iter().map(line).collect(),
    }
    .encode()
}

fn numbered(seqs: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    block(seqs.map(|seq| (seq, format!("line {seq}"))))
}

async fn page(test: &TestApp, token: &str, execution: &Value, after: i64, args: &str) -> Value {
    let query = format!(
        "query ($id: ID!, $after: Int!) {{ execution(id: $id) {{ log(afterSeq: $after{args}) {{
            hasMore lastSeq lines {{ seq text }} }} }} }}"
    );
    let response = test
        .graphql(token, &query, json!({ "id": execution, "after": after }))
        .await;
    response["data"]["execution"]["log"].clone()
}

fn seqs(page: &Value) -> Vec<u64> {
    let lines = page["lines"].as_array().unwrap();
    lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn repeated_lines_are_dropped_and_a_gap_is_refused() {
    let test = TestApp::start().await;
    let (claim, execution, token) = at_work(&test, Uuid::new_v4()).await;
    let logs = &test.app.logs;
    let ingest = |last, bytes: Vec<u8>| async move { logs.ingest(claim, last, &bytes).await };
    assert_eq!(ingest(0, numbered(1..=3)).await.ok().unwrap(), Some(3));
    assert_eq!(ingest(3, numbered(2..=5)).await.ok().unwrap(), Some(5));
    assert!(matches!(
        ingest(5, numbered(7..=8)).await,
        Err(Error::BadRequest(_))
    ));
    assert!(matches!(
        ingest(5, b"nonsense".to_vec()).await,
        Err(Error::BadRequest(_))
    ));
    let seen = page(&test, &token, &execution, 0, "").await;
    assert_eq!(
        (seqs(&seen), &seen["hasMore"]),
        ((1..=5).collect(), &json!(false))
    );
}

#[tokio::test]
async fn a_connection_that_was_taken_over_stores_nothing() {
    let test = TestApp::start().await;
    let orchestrator = Uuid::new_v4();
    let (old, execution, token) = at_work(&test, orchestrator).await;
    let logs = &test.app.logs;
    assert_eq!(logs.ingest(old, 0, &numbered(1..=3)).await.ok().unwrap(), Some(3));
    let replies = test.app.queue.adopt(orchestrator, vec![old]).await.ok().unwrap();
    let adopted = replies[0].go_on.clone().unwrap();
    assert_eq!(adopted.last_seq, 3);
    // What was still under way over the old connection comes after the adoption.
    assert_eq!(logs.ingest(old, 3, &numbered(4..=6)).await.ok().unwrap(), None);
    let new = logs.ingest(adopted.claim, 3, &numbered(4..=9)).await;
    assert_eq!(new.ok().unwrap(), Some(9));
    // A connection that does not know of the lines that another has stored.
    assert_eq!(
        logs.ingest(adopted.claim, 3, &numbered(4..=9))
            .await
            .ok()
            .unwrap(),
        None
    );
    let seen = page(&test, &token, &execution, 0, "").await;
    assert_eq!(seqs(&seen), (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_ends_after_a_mebibyte_of_text_and_says_that_more_follows() {
    let test = TestApp::start().await;
    let (claim, execution, token) = at_work(&test, Uuid::new_v4()).await;
    let wide = "x".repeat(60 << 10);
    for seq in 1..=40 {
        let stored = test
            .app
            .logs
            .ingest(claim, seq - 1, &block([(seq, wide.clone())]))
            .await;
        assert_eq!(stored.ok().unwrap(), Some(seq));
    }
    let (mut after, mut all, mut pages) = (0, Vec::new(), 0);
    loop {
        let seen = page(&test, &token, &execution, after, ", first: 1000").await;
        let lines = seqs(&seen);
        assert!(
            lines.len() * wide.len() <= 1 << 20,
            "{} lines in one page",
            lines.len()
        );
        all.extend(lines);
        pages += 1;
        after = seen["lastSeq"].as_i64().unwrap();
        if seen["hasMore"] == json!(false) {
            break;
        }
    }
    assert_eq!((all, pages), ((1..=40).collect::<Vec<_>>(), 3));
}

#[tokio::test]
async fn a_search_stops_after_a_bounded_look_and_goes_on_where_it_was() {
    let test = TestApp::start().await;
    let (claim, execution, token) = at_work(&test, Uuid::new_v4()).await;
    let wide = "x".repeat(512 << 10);
    for seq in 1..=80 {
        let text = if seq == 75 {
            "the NEEDLE".to_owned()
        } else {
            wide.clone()
        };
        let stored = test.app.logs.ingest(claim, seq - 1, &block([(seq, text)])).await;
        assert!(stored.is_ok());
    }
    let first = page(&test, &token, &execution, 0, r#", search: "needle""#).await;
    assert_eq!((seqs(&first), &first["hasMore"]), (Vec::new(), &json!(true)));
    let after = first["lastSeq"].as_i64().unwrap();
    assert!((60..75).contains(&after), "{after}");
    let second = page(&test, &token, &execution, after, r#", search: "needle""#).await;
    assert_eq!((seqs(&second), &second["hasMore"]), (vec![75], &json!(false)));
}

#[tokio::test]
async fn the_log_of_a_job_goes_on_with_each_attempt_and_ends_once() {
    let test = TestApp::start().await;
    let orchestrator = Uuid::new_v4();
    let (claim, first, token) = at_work(&test, orchestrator).await;
    let logs = &test.app.logs;
    logs.ingest(claim, 0, &numbered(1..=2)).await.ok().unwrap();
    let query = "query { jobs(first: 1) { nodes { id } } }";
    let job = test.graphql(&token, query, json!({})).await["data"]["jobs"]["nodes"][0]["id"].clone();
    let query = "subscription ($id: ID!) { jobLog(jobId: $id) { executionId lastSeq final } }";
    let request = test.request(&token, query, json!({ "id": job })).await;
    let mut batches = Box::pin(test.app.schema.execute_stream(request));
    let mut next = async || {
        let next = tokio::time::timeout(std::time::Duration::from_secs(5), batches.next()).await;
        let response = next.expect("a batch within 5 s")?;
        assert_eq!(response.errors, []);
        Some(response.data.into_json().unwrap()["jobLog"].clone())
    };
    let batch = |execution: &Value, seq: u64, last: bool| json!({ "executionId": execution, "lastSeq": seq, "final": last });
    assert_eq!(next().await, Some(batch(&first, 2, false)));
    // The first attempt ends and a second follows, as a retry policy has it.
    let now = test.app.kernel.now() + chrono::TimeDelta::seconds(1);
    let (second, pool) = (test.app.kernel.entropy.uuid_v7(now), &test.app.kernel.pool);
    sqlx::query(
        "INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, epoch, orchestrator_id)
         SELECT $1, job_id, 2, 'RUNNING', priority, queued_at, 1, orchestrator_id FROM executions",
    )
    .bind(second)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("UPDATE executions SET status = 'FAILED', finished_at = now() WHERE attempt = 1")
        .execute(pool)
        .await
        .unwrap();
    let claim = Claim {
        execution_id: second,
        epoch: 1,
    };
    logs.ingest(claim, 0, &block([(1, "again".into())]))
        .await
        .ok()
        .unwrap();
    let again = json!(ExecutionId(second).global());
    assert_eq!(next().await, Some(batch(&again, 1, false)));
    sqlx::query("UPDATE executions SET status = 'SUCCEEDED', finished_at = now() WHERE attempt = 2")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET status = 'SUCCEEDED', finished_at = now()")
        .execute(pool)
        .await
        .unwrap();
    assert_eq!(next().await, Some(batch(&again, 1, true)));
    assert_eq!(next().await, None);
}
