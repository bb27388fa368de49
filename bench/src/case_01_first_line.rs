//! Case 1: from sending the mutation to the first line of the log at a subscriber, with a cold container.
//! Floor: the Docker API alone, from "create" to the first byte.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::containers::Containers;
use crate::measure::Pairs;
use crate::product::{Live, Product};
use crate::result::{Case, Row, Target};
use crate::{Outcome, Setting};

const ROUNDS: usize = 40;
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
    let mut pairs = Pairs::default();
    for _ in 0..ROUNDS {
        containers.gone().await?;
        let floor = containers.first_byte(SCRIPT).await?;
        let ours = first_line(&product, &mut live, &event).await?;
        pairs.push(floor.as_secs_f64() * 1000.0, ours.as_secs_f64() * 1000.0);
    }
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
    case.notes
        .push(format!("p99 of {ROUNDS} rounds is their slowest."));
    Ok(case)
}

/// Runs the event and waits until its container has said something; then for the end of the log.
async fn first_line(product: &Product, live: &mut Live, event: &str) -> Outcome<Duration> {
    let begun = Instant::now();
    let job = product.run(event).await?;
    live.start(LOG, json!({ "id": job })).await?;
    let mut took = None;
    while let Some(data) = live.next().await? {
        let lines = data["jobLog"]["lines"].as_array().map_or(0, Vec::len);
        if lines > 0 {
            took.get_or_insert_with(|| begun.elapsed());
        }
        if data["jobLog"]["final"] == true {
            break;
        }
    }
    Ok(took.ok_or("the log ended without a line")?)
}
