//! Case 2: from sending the mutation to the first line of the log at a subscriber, with a container that waits.
//! Floor: one durable commit and a process that waits on attached stdin.

use std::time::Duration;

use tokio::time::sleep;

use crate::case_01_first_line::{first_line, phases};
use crate::containers::Containers;
use crate::measure::{Pairs, median};
use crate::product::Product;
use crate::result::{Case, Row, Target};
use crate::{Outcome, Setting};

const ROUNDS: usize = 100;
const SCRIPT: &str = "echo first";
/// Before each measurement: the engine cleans up for a while after its answer.
const QUIET: Duration = Duration::from_millis(250);

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let cold = Product::start(setting).await?;
    let containers = Containers::like(&cold).await?;
    cold.stop().await?;
    let product = Product::start_warm(setting).await?;
    sqlx::query("CREATE TABLE bench_commits (id bigserial PRIMARY KEY)")
        .execute(&product.database)
        .await?;
    let event = product.create_event("says one line", SCRIPT).await?;
    let mut live = product.subscribe().await?;

    // Once each: the pool knows what to make, and caches are warm.
    containers
        .wake(containers.park().await?, &product.database)
        .await?;
    first_line(&product, &mut live, &event).await?;
    let (mut pairs, mut by_exec, mut seen) = (Pairs::default(), Pairs::default(), Vec::new());
    for _ in 0..ROUNDS {
        // Nothing else is made or removed while either side is measured.
        containers.one_waits(&product).await?;
        let parked = containers.park().await?;
        sleep(QUIET).await;
        let exec = containers.exec(&parked, SCRIPT).await?;
        sleep(QUIET).await;
        let floor = containers.wake(parked, &product.database).await?;
        sleep(QUIET).await;
        let ours = first_line(&product, &mut live, &event).await?;
        pairs.push(floor.as_secs_f64() * 1000.0, ours.ms());
        by_exec.push(exec.as_secs_f64() * 1000.0, ours.ms());
        seen.push(ours);
    }
    let phases = phases(&product, &seen).await?;
    product.stop().await?;

    let mut case = Case::new(
        2,
        "From enqueue to the first log line, container that waits",
        format!("{ROUNDS} rounds"),
    );
    case.floor = "One commit with fsync in the product's own database, then a line to a shell that waits on attached stdin \
                  in a container with our options: to the first byte of its answer."
        .into();
    case.ours = "`runEvent` over HTTP on the running product, then `jobLog` over graphql-transport-ws, while one container \
                 waits: from sending the mutation to the arrival of the line."
        .into();
    case.rows = vec![
        Row::compared("first line, p50", "ms", &pairs, None, Some(Target::AtMost(2.0))),
        Row::compared(
            "first line, p50, against `docker exec` into a running container",
            "ms",
            &by_exec,
            None,
            Some(Target::AtMost(0.15)),
        ),
    ];
    case.facts = phases;
    case.fact(
        "p99 of ours",
        format!("{:.1} ms", crate::measure::percentile(&pairs.ours, 0.99)),
    );
    case.fact("Floor, p50", format!("{:.1} ms", median(&pairs.floor)));
    Ok(case)
}
