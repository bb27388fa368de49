//! Case 5: container jobs a second, sustained: more jobs wait than can run.
//! Floor: as many cycles at a time of the Docker API alone, from "create" to "removed".

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::containers::Containers;
use crate::measure::{Pairs, median};
use crate::product::Product;
use crate::result::{Case, Row, Target};
use crate::{Outcome, Setting};

const ROUNDS: usize = 5;
const JOBS: usize = 60;
/// Executions at a time of an orchestrator as it comes.
const AT_ONCE: usize = 4;
/// Jobs that are asked for at a time: as many wait as run.
const ASKED: usize = 2 * AT_ONCE;
const SCRIPT: &str = "echo first";

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let cold = Product::start(setting).await?;
    let containers = Arc::new(Containers::like(&cold).await?);
    let mut pairs = Pairs::default();
    let event = cold.create_event("says one line", SCRIPT).await?;
    // Once each, so that caches of the engine are as warm for the first round as for the last.
    cycles(&containers, AT_ONCE).await?;
    jobs(&cold, &containers, &event, AT_ONCE).await?;
    for _ in 0..ROUNDS {
        let floor = cycles(&containers, JOBS).await?;
        pairs.push(floor, jobs(&cold, &containers, &event, JOBS).await?);
    }
    cold.stop().await?;

    let mut case = Case::new(
        5,
        "Container jobs a second, sustained",
        format!("{ROUNDS} rounds of {JOBS} jobs, {AT_ONCE} at a time"),
    );
    case.floor = format!(
        "The Docker API over its socket, {AT_ONCE} at a time: create, attach, start, read `bash -c '{SCRIPT}'` to the end, \
         remove, with the options of a container of ours, read from the engine."
    );
    case.ours = format!(
        "`runEvent(waitSeconds:)` over HTTP on the running product, {ASKED} at a time, no container ahead: from the first \
         call until all have succeeded and their containers are gone."
    );
    case.rows = vec![Row::compared(
        "jobs, end to end",
        "jobs/s",
        &pairs,
        None,
        Some(Target::AtLeast(0.9)),
    )];
    case.fact(
        "A cycle of the floor, its share of the time",
        format!("{:.0} ms", 1000.0 / median(&pairs.floor)),
    );
    Ok(case)
}

/// Cycles a second of the engine alone.
async fn cycles(containers: &Arc<Containers>, count: usize) -> Outcome<f64> {
    let begun = Instant::now();
    stream::iter(0..count)
        .map(|_| async { containers.drain(SCRIPT).await.map(drop) })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Jobs a second of the product.
async fn jobs(product: &Product, containers: &Containers, event: &str, count: usize) -> Outcome<f64> {
    let begun = Instant::now();
    stream::iter(0..count)
        .map(|_| product.run_to_end(event))
        .buffer_unordered(ASKED)
        .try_collect::<()>()
        .await?;
    containers.gone().await?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
