//! Case 7: log lines a second from a script in a container to where they are stored; that none is lost or
//! doubled; and how long a line takes there. Floor: the slower of two things that can't be avoided, reading
//! the same output from the engine and copying the same lines into a plain table.

use std::fmt::Write as _;
use std::time::Instant;

use cronium_protocol::log::{LogBlock, Stream};
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt as _;

use crate::containers::Containers;
use crate::measure::{Pairs, median, percentile};
use crate::product::Product;
use crate::result::{Case, Row, Target, number};
use crate::{Outcome, Setting};

const ROUNDS: usize = 5;
const LINES: u64 = 1_000_000;
const FAST: &str = r#"exec perl -e 'for my $i (1..1000000) {
    printf("line %07d: request %08x took %d ms\n", $i, $i * 2654435761 & 0xffffffff, $i * 7919 % 1000);
}'"#;
/// A thousand lines a second for ten seconds: what a busy script says when it is not a flood.
const PACED: &str = r#"exec python3 -u -c '
import time
begun = time.monotonic()
for i in range(1, 10001):
    print("line %07d: request %08x took %d ms" % (i, i * 2654435761 & 0xffffffff, i * 7919 % 1000))
    time.sleep(max(0, begun + i / 1000 - time.monotonic()))
'"#;
const PACED_LINES: u64 = 10_000;
/// Largest block that a frame can carry.
const MAX_BLOCK: usize = 8 << 20;

/// What became of one run's lines.
struct Stored {
    per_second: f64,
    /// Of each line, from the runner's stamp to the commit, in ms.
    delays: Vec<f64>,
    compressed: u64,
}

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let product = Product::start(setting).await?;
    let containers = Containers::like(&product).await?;
    let fast = product.create_event("says a million lines", FAST).await?;
    let paced = product
        .create_event("says a thousand lines a second", PACED)
        .await?;
    sqlx::query("CREATE TABLE bench_lines (seq bigint, at timestamptz, stream smallint, body text)")
        .execute(&product.database)
        .await?;
    let copied = copy_text();
    let (mut attach, mut copy, mut rates) = (Vec::new(), Vec::new(), Pairs::default());
    let (mut delays, mut compressed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        containers.gone().await?;
        let flow = containers.drain(FAST).await?;
        if flow.lines != LINES {
            return Err(format!("the floor's container said {} lines", flow.lines).into());
        }
        attach.push(LINES as f64 / flow.took.as_secs_f64());
        copy.push(copy_rate(&product.database, &copied).await?);
        let ours = stored(&product, &fast, LINES).await?;
        let floor = attach
            .iter()
            .last()
            .zip(copy.iter().last())
            .map(|(a, c)| a.min(*c));
        rates.push(floor.unwrap_or(f64::NAN), ours.per_second);
        delays.extend(ours.delays);
        compressed.push(ours.compressed as f64 / LINES as f64);
    }
    let calm = stored(&product, &paced, PACED_LINES).await?;
    product.stop().await?;

    let rounds = format!("{ROUNDS} rounds of {} lines", number(LINES as f64));
    let mut case = Case::new(7, "Log lines a second, from the script to the table", rounds);
    case.floor = "The slower of reading the same output from an attached container, with our container's options, and \
                  one COPY of the same lines into a plain table."
        .into();
    case.ours =
        "One job on the running product: from the first line's stamp to the commit of the last chunk, by \
                 Postgres' own commit timestamps."
            .into();
    case.rows = vec![
        Row::compared(
            "lines stored",
            "lines/s",
            &rates,
            None,
            Some(Target::AtLeast(0.7)),
        ),
        Row::limited(
            "emit → stored, at full speed",
            "ms",
            median(&delays),
            Some(percentile(&delays, 0.99)),
            250.0,
        ),
        Row::limited(
            "emit → stored, at 1,000 lines/s",
            "ms",
            median(&calm.delays),
            Some(percentile(&calm.delays, 0.99)),
            250.0,
        ),
    ];
    case.fact("Attach alone", format!("{} lines/s", number(median(&attach))));
    case.fact("COPY alone", format!("{} lines/s", number(median(&copy))));
    case.fact(
        "Stored size of a line of 42 bytes",
        format!("{:.1} bytes", median(&compressed)),
    );
    case.notes.push(
        "After every run all stored chunks were decoded: each line was there once, in order, with its own text. A \
         line's stamp is the runner's, made when it has read the line from the pipe."
            .into(),
    );
    Ok(case)
}

/// What the scripts say.
fn line(i: u64) -> String {
    let hash = (i * 2_654_435_761) & 0xffff_ffff;
    format!("line {i:07}: request {hash:08x} took {} ms", i * 7919 % 1000)
}

/// Runs the event, then reads back what was stored and checks every line of it.
async fn stored(product: &Product, event: &str, expected: u64) -> Outcome<Stored> {
    product.run_to_end(event).await?;
    let chunks: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "SELECT body, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM log_chunks
         WHERE execution_id = (SELECT id FROM executions ORDER BY queued_at DESC LIMIT 1) ORDER BY first_seq",
    )
    .fetch_all(&product.database)
    .await?;
    let mut delays = Vec::with_capacity(expected as usize);
    let (mut count, mut first_at, mut last_commit, mut compressed) = (0, None, 0, 0);
    for (body, committed) in chunks {
        compressed += body.len() as u64;
        last_commit = last_commit.max(committed);
        let block = LogBlock::decode(&zstd::bulk::decompress(&body, MAX_BLOCK)?)?;
        for said in block.lines {
            count += 1;
            if said.seq != count || said.stream != Stream::Stdout || said.text != line(count) {
                return Err(format!("line {count} is not what was said: {said:?}").into());
            }
            first_at.get_or_insert(said.at_us);
            delays.push((committed - said.at_us) as f64 / 1000.0);
        }
    }
    if count != expected {
        return Err(format!("{count} of {expected} lines were stored").into());
    }
    let took = (last_commit - first_at.unwrap_or_default()) as f64 / 1e6;
    Ok(Stored {
        per_second: expected as f64 / took,
        delays,
        compressed,
    })
}

/// The lines as COPY takes them.
fn copy_text() -> Vec<u8> {
    let mut text = String::new();
    for i in 1..=LINES {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{i}\t2026-01-01 00:00:00+00\t0\t{}", line(i));
    }
    text.into_bytes()
}

async fn copy_rate(pool: &PgPool, text: &[u8]) -> Outcome<f64> {
    sqlx::query("TRUNCATE bench_lines").execute(pool).await?;
    let begun = Instant::now();
    let mut copy = pool.copy_in_raw("COPY bench_lines FROM STDIN").await?;
    for piece in text.chunks(1 << 20) {
        copy.send(piece).await?;
    }
    copy.finish().await?;
    Ok(LINES as f64 / begun.elapsed().as_secs_f64())
}
