//! Case 11: from sending the mutation to the first line of the log at a subscriber, of a run on a server. Floor: `ssh`
//! itself, to the same sshd.
//!
//! How the three targets are read:
//! - Fresh: no connection stands on either side. Ours has the runner there, which is sent once to a server; its last
//!   connection was ended as the orchestrator ends one itself that nobody used for a minute. So a round has the sign-in
//!   and the start.
//! - Multiplexed: on both sides a connection stands, and a process is started over it.
//! - Resident runner: where the run before has ended, a runner of ours waits at the other end of the connection, so
//!   both of the rows over one that stands are of the same runs. The floor of this one is a process that waits, too: a
//!   line to it, and its answer.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::case_01_first_line::{first_line, phases};
use crate::host::Host;
use crate::measure::{Pairs, percentile};
use crate::product::{Live, Product};
use crate::result::{Case, Row, Target, number};
use crate::{Outcome, Setting};

/// Of each of the two kinds.
const ROUNDS: usize = 30;
/// For the rounds of one kind: with fewer of them than that, the report says so.
const LIMIT: Duration = Duration::from_secs(50);
const SCRIPT: &str = "echo first";
/// Before each measurement: what was there before goes on ending for a while.
const QUIET: Duration = Duration::from_millis(250);

/// Where the time of ours went.
type Phases = Vec<(String, String)>;

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let (product, host) = (Product::start(setting).await?, Host::start()?);
    let server = host.register(&product).await?;
    let event = product
        .create_event_on(&server, "says one line there", SCRIPT)
        .await?;
    let mut live = product.subscribe().await?;

    // Once each: the first run brings the runner.
    first_line(&product, &mut live, &event).await?;
    host.first_line(SCRIPT).await?;
    let (fresh, of_fresh) = fresh(&product, &host, &mut live, &event).await?;
    let (multiplexed, waiting, of_multiplexed) = standing(&product, &host, &mut live, &event).await?;
    product.stop().await?;

    let mut case = Case::new(
        11,
        "From enqueue to the first log line, on a server",
        format!(
            "{} rounds without a connection and {} over one that stands",
            fresh.ours.len(),
            multiplexed.ours.len()
        ),
    );
    case.floor = format!(
        "`ssh` to an sshd of its own on the loopback address, from its start to the first line of `bash -c '{SCRIPT}'`: one \
         that signs in; one that uses the connection of another; and a line to a shell that waits at the other end of that \
         connection, to its answer."
    );
    case.ours = "`runEvent` over HTTP on the running product, of an event on this sshd alone, then `jobLog` over \
                 graphql-transport-ws: from sending the mutation to the arrival of the line. Without a connection it signs in \
                 too; the runner's file is there in all rounds."
        .into();
    case.rows = vec![
        Row::compared(
            "first line, no connection stands",
            "ms",
            &fresh,
            None,
            Some(Target::AtMost(1.1)),
        ),
        Row::compared(
            "first line, over a connection that stands",
            "ms",
            &multiplexed,
            None,
            Some(Target::AtMost(1.3)),
        ),
        Row::compared(
            "the same runs, against a process that waits there",
            "ms",
            &waiting,
            None,
            Some(Target::AtMost(2.0)),
        ),
    ];
    for (when, pairs, phases) in [
        ("without a connection", &fresh, of_fresh),
        ("over one that stands", &multiplexed, of_multiplexed),
    ] {
        for (what, value) in phases {
            case.fact(&format!("{what}, {when}"), value);
        }
        let slowest = |values: &[f64]| number(percentile(values, 1.0));
        case.fact(
            &format!("Slowest round, {when}"),
            format!("{} ms; floor {} ms", slowest(&pairs.ours), slowest(&pairs.floor)),
        );
    }
    case.notes.push(
        "Over a connection that stands, a runner waits on the server for the next run: ours has one figure for the last two \
         rows. What ours does beside the floor is to accept a job, to give it out and to store its line, each of which is a \
         commit in Postgres."
            .into(),
    );
    Ok(case)
}

/// Signing in, on both sides, in each round.
async fn fresh(product: &Product, host: &Host, live: &mut Live, event: &str) -> Outcome<(Pairs, Phases)> {
    let (begun, before) = (Instant::now(), host.sign_ins());
    let (mut pairs, mut seen) = (Pairs::default(), Vec::new());
    while seen.len() < ROUNDS && begun.elapsed() < LIMIT {
        host.clean().await?;
        sleep(QUIET).await;
        product.hang_up().await?;
        sleep(QUIET).await;
        let floor = host.first_line(SCRIPT).await?;
        sleep(QUIET).await;
        let ours = first_line(product, live, event).await?;
        pairs.push(ms(floor), ours.ms());
        seen.push(ours);
    }
    signed_in(host, before, 2 * seen.len())?;
    Ok((pairs, phases(product, &seen).await?))
}

/// Over connections that stand: ours against `ssh`, and against a process that waits.
async fn standing(
    product: &Product,
    host: &Host,
    live: &mut Live,
    event: &str,
) -> Outcome<(Pairs, Pairs, Phases)> {
    let mut floor = host.stand().await?;
    // Once each, as before.
    floor.first_line(SCRIPT).await?;
    floor.wake().await?;
    first_line(product, live, event).await?;
    let (begun, before) = (Instant::now(), host.sign_ins());
    let (mut multiplexed, mut waiting, mut seen) = (Pairs::default(), Pairs::default(), Vec::new());
    while seen.len() < ROUNDS && begun.elapsed() < LIMIT {
        host.clean().await?;
        sleep(QUIET).await;
        let by_ssh = floor.first_line(SCRIPT).await?;
        sleep(QUIET).await;
        let by_wait = floor.wake().await?;
        sleep(QUIET).await;
        let ours = first_line(product, live, event).await?;
        multiplexed.push(ms(by_ssh), ours.ms());
        waiting.push(ms(by_wait), ours.ms());
        seen.push(ours);
    }
    signed_in(host, before, 0)?;
    Ok((multiplexed, waiting, phases(product, &seen).await?))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Whether what was measured is what is said of it.
fn signed_in(host: &Host, before: usize, expected: usize) -> Outcome<()> {
    let now = host.sign_ins() - before;
    if now == expected {
        return Ok(());
    }
    Err(format!("{now} sign-ins on the server instead of {expected}").into())
}
