//! The log of a job on several servers: lines of all of them as they come, and cursors that say how far each was read.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use async_graphql::Response;
use cronium_protocol::agent::Claim;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Fleet;
use crate::logs::block;
use crate::semantics::{exit, sql};

/// A reader of a job's log, and what it has read of each execution.
struct Reader {
    batches: Pin<Box<dyn Stream<Item = Response> + Send>>,
    seen: BTreeMap<String, Vec<u64>>,
    cursor: Value,
}

impl Reader {
    async fn after(fleet: &Fleet, job: &Value, cursor: Value) -> Self {
        let query = "subscription ($id: ID!, $after: String) { jobLog(jobId: $id, after: $after) {
            executionId lines { seq text } lastSeq final cursor } }";
        let vars = json!({ "id": job, "after": cursor });
        let request = fleet.test.request(&fleet.token, query, vars).await;
        Self {
            batches: Box::pin(fleet.test.app.schema.execute_stream(request)),
            seen: BTreeMap::new(),
            cursor,
        }
    }

    /// The next batch; None when nothing follows.
    async fn next(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(Duration::from_secs(5), self.batches.next()).await;
        let response = next.expect("a batch within 5 s")?;
        assert_eq!(response.errors, []);
        let mut batch = response.data.into_json().unwrap()["jobLog"].clone();
        let execution = batch["executionId"].as_str().unwrap().to_owned();
        // Without the transport around it, they are still the bytes of their JSON.
        let bytes: Vec<u8> = serde_json::from_value(batch["lines"].clone()).unwrap();
        let lines: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
        let seqs = lines.iter().map(|line| line["seq"].as_u64().unwrap());
        self.seen.entry(execution).or_default().extend(seqs);
        batch["lines"] = json!(lines);
        self.cursor = batch["cursor"].clone();
        Some(batch)
    }

    /// Reads until there are so many lines.
    async fn lines(&mut self, many: usize) {
        while self.seen.values().map(Vec::len).sum::<usize>() < many {
            let batch = self.next().await.expect("more lines");
            assert_eq!(batch["final"], false, "{batch}");
        }
    }

    fn counts(&self) -> Vec<usize> {
        self.seen.values().map(Vec::len).collect()
    }
}

async fn print(fleet: &Fleet, claim: Claim, seqs: std::ops::RangeInclusive<u64>) {
    let before = *seqs.start() - 1;
    let lines = block(seqs.map(|seq| (seq, format!("line {seq}"))));
    let taken = fleet.test.app.logs.ingest(claim, before, &lines).await;
    assert!(taken.ok().unwrap().is_some());
}

#[tokio::test]
async fn lines_of_all_servers_come_as_they_are_printed_also_of_those_that_begin_late() {
    let fleet = Fleet::start(3).await;
    let job = fleet.job(Some(2)).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    fleet.grant(claims[&1]).await;
    print(&fleet, claims[&1], 1..=3).await;
    let mut reader = Reader::after(&fleet, &job, Value::Null).await;
    reader.lines(3).await;
    // In turns, while neither has ended.
    for round in 0..5_u64 {
        print(&fleet, claims[&0], round + 1..=round + 1).await;
        reader.lines(4 + round as usize * 2).await;
        print(&fleet, claims[&1], round + 4..=round + 4).await;
        reader.lines(5 + round as usize * 2).await;
    }
    fleet.finish(claims[&1], exit(&fleet.test, 0)).await;
    let late = fleet.claim(9).await[&2];
    fleet.grant(late).await;
    print(&fleet, late, 1..=2).await;
    reader.lines(15).await;
    print(&fleet, claims[&0], 6..=6).await;
    reader.lines(16).await;
    fleet.finish(claims[&0], exit(&fleet.test, 0)).await;
    fleet.finish(late, exit(&fleet.test, 0)).await;
    let last = reader.next().await.unwrap();
    assert_eq!((&last["final"], &last["lines"]), (&json!(true), &json!([])));
    assert_eq!(reader.next().await, None);
    for (execution, seqs) in &reader.seen {
        let all: Vec<u64> = (1..=seqs.len() as u64).collect();
        assert_eq!(*seqs, all, "{execution}: each line once and in order");
    }
    let mut counts = reader.counts();
    counts.sort_unstable();
    assert_eq!(counts, [2, 6, 8]);
}

#[tokio::test]
async fn a_cursor_goes_on_where_each_server_was() {
    let fleet = Fleet::start(2).await;
    let retry = json!({ "retry": { "attempts": 2, "initialDelay": "PT0S", "jitter": false } });
    let id = fleet.event(None, retry).await;
    let job = fleet.run(json!({ "eventId": id })).await;
    let claims = fleet.claim(9).await;
    fleet.grant(claims[&0]).await;
    fleet.grant(claims[&1]).await;
    print(&fleet, claims[&0], 1..=2).await;
    print(&fleet, claims[&1], 1..=3).await;
    let mut first = Reader::after(&fleet, &job, Value::Null).await;
    first.lines(5).await;
    let cursor = first.cursor.clone();
    drop(first);
    assert_eq!(cursor, "0.1.2,1.1.3");
    print(&fleet, claims[&0], 3..=3).await;
    fleet.finish(claims[&0], exit(&fleet.test, 1)).await;
    let again = fleet.claim(9).await[&0];
    fleet.grant(again).await;
    print(&fleet, again, 1..=1).await;
    let mut second = Reader::after(&fleet, &job, cursor).await;
    second.lines(2).await;
    let mut read: Vec<_> = second.seen.values().cloned().collect();
    read.sort_unstable();
    assert_eq!(read, [[1], [3]]);
    let cursor = second.cursor.clone();
    assert_eq!(cursor, "0.2.1,1.1.3", "the attempt before is over");
    print(&fleet, claims[&1], 4..=4).await;
    fleet.finish(claims[&1], exit(&fleet.test, 0)).await;
    fleet.finish(again, exit(&fleet.test, 0)).await;
    let mut third = Reader::after(&fleet, &job, cursor).await;
    third.lines(1).await;
    assert_eq!(third.next().await.unwrap()["final"], true);
    let line = fleet.seen(&job).await["executions"][2]["id"].clone();
    let line = json!(format!("{}:3", line.as_str().unwrap()));
    let mut one = Reader::after(&fleet, &job, line).await;
    // Of the others everything: what was read of one execution says nothing of them.
    one.lines(5).await;
    assert_eq!(one.next().await.unwrap()["final"], true);
}

#[tokio::test]
async fn a_hundred_servers_have_one_cursor() {
    let fleet = Fleet::start(1).await;
    let job = fleet.job(None).await;
    let claim = fleet.claim(1).await[&0];
    fleet.grant(claim).await;
    // As if ninety-nine more were there.
    let kernel = &fleet.test.app.kernel;
    let more: Vec<Uuid> = (0..99).map(|_| kernel.entropy.uuid_v7(kernel.now())).collect();
    sqlx::query(
        "INSERT INTO executions (id, job_id, slot, attempt, status, priority, queued_at, epoch, orchestrator_id)
         SELECT x.id, job_id, x.slot, 1, 'RUNNING', priority, queued_at, 1, orchestrator_id
         FROM executions, unnest($1::uuid[]) WITH ORDINALITY AS x(id, slot)",
    )
    .bind(&more)
    .execute(&kernel.pool)
    .await
    .unwrap();
    sql(&fleet.test, "UPDATE jobs SET slots = 100").await;
    print(&fleet, claim, 1..=1).await;
    for execution_id in more {
        let claim = Claim {
            execution_id,
            epoch: 1,
        };
        print(&fleet, claim, 1..=2).await;
    }
    let mut reader = Reader::after(&fleet, &job, Value::Null).await;
    reader.lines(199).await;
    let cursor = reader.cursor.as_str().unwrap().to_owned();
    assert_eq!(cursor.split(',').count(), 100);
    assert!(cursor.len() < 1024, "{cursor}");
    print(&fleet, claim, 2..=2).await;
    let mut after = Reader::after(&fleet, &job, json!(cursor)).await;
    after.lines(1).await;
    assert_eq!(after.counts(), [1]);
}
