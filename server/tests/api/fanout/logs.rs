//! Logs that are followed on one server while another takes them in.

use std::time::{Duration, Instant};

use cronium_protocol::agent::Claim;
use cronium_server::kernel::ids::ExecutionId;
use cronium_server::kernel::signals::Hint;
use futures::StreamExt as _;
use serde_json::json;
use uuid::Uuid;

use super::{Servers, Waits, finish, next, subscribed, within};
use crate::logs::{at_work, block};
use crate::support::served::{Served, Socket};
use crate::support::valkey::TestValkey;
use crate::support::{TestApp, database};

/// A log that is followed on B while A takes it in.
pub struct Followed {
    claim: Claim,
    orchestrator: Uuid,
    last: u64,
    sockets: [(Socket, &'static str, Vec<u64>); 2],
}

impl Followed {
    pub async fn begin(servers: &Servers) -> Self {
        let orchestrator = Uuid::new_v4();
        let (claim, execution, token) = at_work(&servers.a.test, orchestrator).await;
        let find = "query ($id: ID!) { execution(id: $id) { job { id } } }";
        let found = servers
            .a
            .test
            .graphql(&token, find, json!({ "id": execution }))
            .await;
        let job = &found["data"]["execution"]["job"]["id"];
        let fields = "{ lines { seq text } final }";
        let by_execution = format!("subscription ($id: ID!) {{ executionLog(executionId: $id) {fields} }}");
        let by_job = format!("subscription ($id: ID!) {{ jobLog(jobId: $id) {fields} }}");
        let by_execution = subscribed(&servers.b, &token, &by_execution, json!({ "id": execution })).await;
        let by_job = subscribed(&servers.b, &token, &by_job, json!({ "id": job })).await;
        let mut this = Self {
            claim,
            orchestrator,
            last: 0,
            sockets: [
                (by_execution, "executionLog", Vec::new()),
                (by_job, "jobLog", Vec::new()),
            ],
        };
        // The first line by whatever way: then B's readers are there, and A knows of them.
        this.print(&servers.a, 1, 10).await;
        this.all_seen().await;
        this
    }

    /// A takes in a block of some lines of some bytes.
    async fn print(&mut self, server: &Served, lines: u64, bytes: usize) {
        let lines = (1..=lines).map(|n| {
            let seq = self.last + n;
            // Nothing that could be packed away.
            let text = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string());
            let text: String = text.take(bytes / 32 + 1).collect();
            (seq, format!("{seq} {text}"))
        });
        let block = block(lines);
        let taken = server.test.app.logs.ingest(self.claim, self.last, &block).await;
        self.last = taken.ok().unwrap().expect("stored");
    }

    /// One line of this text, until both readers have it.
    pub async fn say(&mut self, server: &Served, text: &str) {
        let seq = self.last + 1;
        let block = block([(seq, format!("{seq} {text}"))]);
        let taken = server.test.app.logs.ingest(self.claim, self.last, &block).await;
        self.last = taken.ok().unwrap().expect("stored");
        self.all_seen().await;
    }

    async fn all_seen(&mut self) {
        for (socket, field, seen) in &mut self.sockets {
            while seen.last() != Some(&self.last) {
                let batch = next(socket, field).await;
                for line in batch["lines"].as_array().unwrap() {
                    let seq = line["seq"].as_u64().unwrap();
                    assert!(line["text"].as_str().unwrap().starts_with(&format!("{seq} ")));
                    seen.push(seq);
                }
            }
        }
    }

    async fn prompt(&mut self, server: &Served) {
        let mut waits = Waits::default();
        for _ in 0..15 {
            self.print(server, 3, 50).await;
            waits.until(self.all_seen()).await;
        }
        waits.prompt();
    }

    /// Ends the execution: both subscriptions say so, and that every line came once, in order.
    pub async fn end(mut self, server: &Served) {
        finish(server, self.orchestrator, self.claim).await;
        self.all_seen().await;
        for (socket, field, seen) in &mut self.sockets {
            let last = next(socket, field).await;
            assert_eq!((&last["final"], &last["lines"]), (&json!(true), &json!([])));
            assert_eq!(within("complete", socket.next()).await["type"], "complete");
            assert_eq!(*seen, (1..=self.last).collect::<Vec<_>>(), "{field}");
        }
    }
}

#[tokio::test]
async fn lines_that_are_told_twice_or_with_gaps_or_damaged_come_once_and_in_order() {
    let pool = database(12).await;
    let (a, b) = (TestApp::on(pool.clone()).await, TestApp::on(pool).await);
    let (claim, _, _) = at_work(&a, Uuid::new_v4()).await;
    let execution = ExecutionId(claim.execution_id);
    let followed = b.app.logs.follow(execution, 0);
    tokio::pin!(followed);
    // The first poll subscribes and finds nothing.
    let early = tokio::time::timeout(Duration::from_millis(300), followed.next()).await;
    assert!(early.is_err());
    let lines = |seqs: std::ops::RangeInclusive<u64>| block(seqs.map(|seq| (seq, format!("line {seq}"))));
    // All that servers tell each other, by hand; each `None` is a block that does not open.
    let told = [
        Some(4..=5),
        Some(4..=5),
        Some(2..=6),
        Some(9..=9),
        None,
        Some(1..=12),
        Some(13..=13),
    ];
    let stored = [1..=5, 6..=6, 7..=9, 10..=11, 12..=12, 13..=13];
    let (mut told, mut seen, mut last) = (told.into_iter(), Vec::new(), 0);
    for seqs in stored {
        let end = *seqs.end();
        let taken = a.app.logs.ingest(claim, last, &lines(seqs)).await;
        last = taken.ok().unwrap().unwrap();
        assert_eq!(last, end);
        for hint in told.by_ref().take(if end == 5 { 2 } else { 1 }) {
            let body = hint.map_or(b"damaged".to_vec(), |seqs| {
                zstd::bulk::compress(&lines(seqs), 3).unwrap()
            });
            b.app.logs.hear(&Hint::Lines(execution, body.into()));
        }
        while seen.last() != Some(&end) {
            // Sooner than a look would tell.
            let batch = tokio::time::timeout(Duration::from_millis(700), followed.next()).await;
            let batch = batch.expect("told at once").unwrap().ok().unwrap();
            seen.extend(batch.lines.iter().map(|line| line.seq));
        }
    }
    assert_eq!(seen, (1..=13).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_comes_later_learns_what_is_read_elsewhere() {
    let valkey = TestValkey::start().await;
    let mut servers = Servers::start(&valkey).await;
    let mut log = Followed::begin(&servers).await;
    // The agent's connection goes to a server that was not there when B's reader came.
    servers.a = servers.another(&valkey).await;
    servers.meet().await;
    let read = async {
        let signals = &servers.a.test.app.kernel.signals;
        while !signals
            .relay()
            .is_some_and(|relay| relay.is_read(ExecutionId(log.claim.execution_id)))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut waits = Waits::default();
    waits.until(within("what B reads is known", read)).await;
    waits.prompt();
    log.prompt(&servers.a).await;
    log.end(&servers.a).await;
}

#[tokio::test]
async fn lines_that_one_server_takes_in_are_followed_on_another() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let mut log = Followed::begin(&servers).await;
    log.prompt(&servers.a).await;
    // As fast as A takes them.
    for n in 0..300 {
        log.print(&servers.a, 1 + n % 7, 200).await;
    }
    let mut waits = Waits::default();
    waits.until(log.all_seen()).await;
    log.end(&servers.a).await;
}

#[tokio::test]
async fn lines_come_once_and_in_order_while_valkey_is_killed_and_started_again() {
    let mut valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let mut log = Followed::begin(&servers).await;
    for n in 0..150 {
        match n {
            20 => drop(valkey.ask::<i64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await),
            50 => valkey.kill(),
            100 => valkey.restart().await,
            _ => {}
        }
        log.print(&servers.a, 1 + n % 5, 100).await;
    }
    log.all_seen().await;
    servers.meet().await;
    log.prompt(&servers.a).await;
    log.end(&servers.a).await;
}

#[tokio::test]
async fn a_valkey_that_hangs_slows_neither_the_agent_nor_the_subscriber() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let mut log = Followed::begin(&servers).await;
    valkey.freeze(true);
    // More than there is room for, and all of it while nobody answers.
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let before = Instant::now();
        log.print(&servers.a, 10, 6_000).await;
        longest = longest.max(before.elapsed());
    }
    let (taken_in, written) = (began.elapsed(), log.last);
    log.all_seen().await;
    let seen = began.elapsed();
    valkey.freeze(false);
    assert!(longest < Duration::from_millis(1500), "a block took {longest:?}");
    assert!(
        seen < taken_in + Duration::from_secs(8),
        "{written} lines: {taken_in:?}, {seen:?}"
    );
    servers.meet().await;
    log.prompt(&servers.a).await;
    log.end(&servers.a).await;
}
