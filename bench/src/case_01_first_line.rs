//! Case 1: from sending the mutation to the first line of the log at a subscriber, with a cold container.
//! Floor: the Docker API alone, from "create" to the first byte.

use cronium_orchestrator::clock;
use serde_json::json;

use crate::containers::Containers;
use crate::measure::{Pairs, median};
use crate::product::{Live, Product};
use crate::result::{Case, Row, Target};
use crate::{Outcome, Setting};

const ROUNDS: usize = 100;
const SCRIPT: &str = "echo first";
const LOG: &str = "subscription ($id: ID!) { jobLog(jobId: $id) { lines { text } final } }";

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let product = Product::start(setting).await?;
    let containers = Containers::like(&product).await?;
    let event = product.create_event("says one line", SCRIPT).await?;
    let mut live = product.subscribe().await?;

    // Once each, so that caches of the engine are as warm for the first round as for the last.
    containers.first_byte(SCRIPT).await?;
    first_line(&product, &mut live, &event).await?;
    let (mut pairs, mut seen) = (Pairs::default(), Vec::new());
    for _ in 0..ROUNDS {
        containers.gone().await?;
        let floor = containers.first_byte(SCRIPT).await?;
        let ours = first_line(&product, &mut live, &event).await?;
        pairs.push(floor.as_secs_f64() * 1000.0, ours.ms());
        seen.push(ours);
    }
    let phases = phases(&product, &seen).await?;
    product.stop().await?;

    let mut case = Case::new(
        1,
        "From enqueue to the first log line, cold container",
        format!("{ROUNDS} rounds"),
    );
    case.floor = format!(
        "The Docker API over its socket: create, attach, start, first byte of `bash -c '{SCRIPT}'`, with the options of \
         a container of ours, read from the engine."
    );
    case.ours = "`runEvent` over HTTP on the running product, then `jobLog` over graphql-transport-ws: from sending the \
                 mutation to the arrival of the line."
        .into();
    case.rows = vec![
        Row::compared("first line, p50", "ms", &pairs, None, Some(Target::AtMost(1.1))),
        Row::slow_end("first line, p99", "ms", &pairs, Target::AtMost(1.5)),
    ];
    case.facts = phases;
    case.notes
        .push(format!("p99 of {ROUNDS} rounds is the slowest but one."));
    Ok(case)
}

/// When a mutation was sent and when the first line came, in µs of the wall clock.
pub struct Seen {
    sent: i64,
    arrived: i64,
}

impl Seen {
    pub fn ms(&self) -> f64 {
        (self.arrived - self.sent) as f64 / 1000.0
    }
}

/// Runs the event and waits until its container has said something; then for the end of the log.
pub async fn first_line(product: &Product, live: &mut Live, event: &str) -> Outcome<Seen> {
    let sent = clock::now().us;
    let job = product.run(event).await?;
    live.start(LOG, json!({ "id": job })).await?;
    let mut arrived = None;
    while let Some(data) = live.next().await? {
        let lines = data["jobLog"]["lines"].as_array().map_or(0, Vec::len);
        if lines > 0 {
            arrived.get_or_insert_with(|| clock::now().us);
        }
        if data["jobLog"]["final"] == true {
            break;
        }
    }
    Ok(Seen {
        sent,
        arrived: arrived.ok_or("the log ended without a line")?,
    })
}

const PHASES: [&str; 5] = [
    "Sent → accepted",
    "Accepted → claimed by the orchestrator",
    "Claimed → script started (place, payload, grant)",
    "Script started → first line read by the runner",
    "Line read → at the subscriber",
];

/// Where the time went, by the stamps that the product keeps of each execution.
pub async fn phases(product: &Product, seen: &[Seen]) -> Outcome<Vec<(String, String)>> {
    let mut stamps: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT (extract(epoch FROM queued_at) * 1000000)::bigint, (extract(epoch FROM setup_at) * 1000000)::bigint,
             (extract(epoch FROM started_at) * 1000000)::bigint, (extract(epoch FROM from_at) * 1000000)::bigint
         FROM executions e JOIN log_chunks c ON c.execution_id = e.id AND c.first_seq = 1
         ORDER BY queued_at DESC LIMIT $1",
    )
    .bind(seen.len() as i64)
    .fetch_all(&product.database)
    .await?;
    stamps.reverse();
    let mut spans: [Vec<f64>; 5] = Default::default();
    for (seen, (queued, setup, started, line)) in seen.iter().zip(stamps) {
        let moments = [seen.sent, queued, setup, started, line, seen.arrived];
        for (span, pair) in spans.iter_mut().zip(moments.windows(2)) {
            span.push((pair[1] - pair[0]) as f64 / 1000.0);
        }
    }
    let phases = PHASES.iter().zip(&spans);
    Ok(phases
        .map(|(name, span)| ((*name).to_owned(), format!("{:.1} ms", median(span))))
        .collect())
}
