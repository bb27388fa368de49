//! Case 12: what the product costs while it does nothing (memory, statements), and what a first visit to the
//! dashboard costs (bytes, time until something can be clicked). Floor of the visit: a Dioxus hello world
//! with a router, built by the same script and served by the same server.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::measure::{Pairs, median, percentile};
use crate::product::Product;
use crate::result::{Case, Row, Target, number};
use crate::usage::memory;
use crate::{Outcome, Setting};

const ROUNDS: usize = 9;
/// After a job has run: what was woken has gone to sleep again.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);
const MEMORY_LIMIT: f64 = 120.0;
const STATEMENTS_LIMIT: f64 = 1.0;
const BYTES_LIMIT: f64 = 600.0;

/// What `e2e/bench/first-visit.mjs` prints: milliseconds of each round, bytes of the first load.
#[derive(Debug, Deserialize)]
struct Visits {
    hello: Vec<f64>,
    sign_in: Vec<f64>,
    overview: Vec<f64>,
    hello_bytes: f64,
    bytes: f64,
    browser: String,
}

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let product = Product::start(setting).await?;
    let event = product.create_event("runs once", "echo done").await?;
    product.run_to_end(&event).await?;
    tokio::time::sleep(SETTLE).await;
    let mut case = Case::new(
        12,
        "Idle, and a first visit",
        format!("one minute idle; {ROUNDS} visits each"),
    );
    idle(&product, &mut case).await?;
    visits(setting, &product, &mut case).await?;
    product.stop().await?;
    case.floor =
        "For visits: a Dioxus hello world with a router, built by the same script with the same options and \
                  served by the same server. For the rest: limits."
            .into();
    case.ours = "The product with its private Postgres, after one job. Memory is PSS. Statements are counted by \
                 pg_stat_statements, BEGIN and COMMIT included. A visit begins with an empty cache; it ends when the \
                 first useful element is visible and would get a click."
        .into();
    Ok(case)
}

/// A minute of nothing.
async fn idle(product: &Product, case: &mut Case) -> Outcome<()> {
    let (server, orchestrator) = (product.pid()?, product.orchestrator_pid()?);
    sqlx::query("SELECT pg_stat_statements_reset()")
        .execute(&product.database)
        .await?;
    tokio::time::sleep(IDLE).await;
    let seconds = IDLE.as_secs_f64();
    let by_role: Vec<(String, i64)> = sqlx::query_as(
        "SELECT rolname::text, sum(calls)::bigint FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
         WHERE query NOT LIKE '%pg_stat_statements%' GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&product.database)
    .await?;
    let often: Vec<(String, i64)> = sqlx::query_as(
        "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 90), calls FROM pg_stat_statements
         WHERE query NOT LIKE '%pg_stat_statements%' ORDER BY calls DESC LIMIT 6",
    )
    .fetch_all(&product.database)
    .await?;
    let (server, orchestrator) = (memory(server)?, memory(orchestrator)?);
    let statements = by_role.iter().map(|(_, calls)| *calls).sum::<i64>() as f64 / seconds;
    case.rows.push(Row::limited(
        "memory of server and orchestrator",
        "MB",
        server + orchestrator,
        None,
        MEMORY_LIMIT,
    ));
    case.rows.push(Row::limited(
        "statements while idle",
        "statements/s",
        statements,
        None,
        STATEMENTS_LIMIT,
    ));
    case.fact(
        "Memory",
        format!("server {server:.1} MB, orchestrator {orchestrator:.1} MB"),
    );
    for (role, calls) in by_role {
        // The owner of the database is the server; the orchestrator has a role of its own.
        let who = if role == cronium_server::app::WAKEUP_ROLE {
            "orchestrator"
        } else {
            "server"
        };
        case.fact(
            &format!("Statements of the {who}"),
            format!("{:.2}/s", calls as f64 / seconds),
        );
    }
    for (query, calls) in often {
        let query = query.replace('|', "\\|");
        case.fact(&format!("`{query}`"), format!("{:.2}/s", calls as f64 / seconds));
    }
    Ok(())
}

/// Hello and ours in turn, in one browser.
async fn visits(setting: &Setting, product: &Product, case: &mut Case) -> Outcome<()> {
    let hello = Product::serving(setting, &setting.hello).await?;
    let output = Command::new(&setting.node)
        .arg(setting.root.join("e2e/bench/first-visit.mjs"))
        .args([&hello.url, &product.url, &product.email])
        .arg(ROUNDS.to_string())
        .env("CRONIUM_BENCH_PASSWORD", &product.password)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await?;
    hello.stop().await?;
    if !output.status.success() {
        return Err("e2e/bench/first-visit.mjs failed".into());
    }
    let visits: Visits = serde_json::from_slice(&output.stdout)?;
    let target = Some(Target::AtMost(1.3));
    case.rows.push(Row::limited(
        "first load, brotli",
        "kB",
        visits.bytes / 1000.0,
        None,
        BYTES_LIMIT,
    ));
    for (what, ours) in [
        ("sign-in can be clicked", visits.sign_in),
        ("overview can be clicked, signed in", visits.overview),
    ] {
        let p99 = percentile(&ours, 0.99);
        let pairs = Pairs {
            floor: visits.hello.clone(),
            ours,
        };
        case.rows
            .push(Row::compared(what, "ms", &pairs, Some(p99), target));
    }
    case.fact(
        "First load of the hello world",
        format!("{} kB of brotli", number(visits.hello_bytes / 1000.0)),
    );
    case.fact(
        "Hello world can be clicked",
        format!("{} ms", number(median(&visits.hello))),
    );
    case.fact("Browser", visits.browser);
    Ok(())
}
