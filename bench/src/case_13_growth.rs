//! Case 13: what a hundred times as many jobs and log lines change. Floor: the same calls on the small installation,
//! in turn with those on the large one. For storage: one row a line, with a primary key.

use std::time::Instant;

use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_server::kernel::ids::{ExecutionId, OrchestratorId};
use cronium_server::orchestrators::Hello;
use cronium_server::quotas::{Kind, Subject};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::case_09_queries::{LIST, graphql};
use crate::fan_out_server::text;
use crate::growth_fill::{DAYS, LINES, fill, partitions};
use crate::load::Load;
use crate::measure::{Pairs, percentile};
use crate::result::{Case, Row, Target, number};
use crate::world::{World, start};
use crate::{Outcome, Setting, told};

const ROUNDS: usize = 5;
const SMALL: i64 = 10_000;
const LARGE: i64 = 1_000_000;
/// Calls of each kind in a round.
const CALLS: usize = 300;
const A_SECOND: f64 = 100.0;
const SHOWN: i64 = 256;
const TAIL: &str = "query Tail($id: ID!) { execution(id: $id) { log(afterSeq: 50, first: 50) {
    lines { seq at stream text } lastSeq hasMore
} } }";
/// Lines of the table with one row a line.
const ROWS: i64 = 200_000;

/// One of both installations.
struct Side {
    world: World,
    orchestrator: Uuid,
    list: Load,
    tail: Load,
}

impl Side {
    async fn new(setting: &Setting, name: &str, jobs: i64) -> Outcome<Self> {
        let world = World::new(setting, name).await?;
        fill(&world, jobs, &block()).await?;
        world.settle().await?;
        let id: Uuid = world.app.kernel.id();
        let hello = Hello {
            id: OrchestratorId(id),
            name: "bench".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            capacity: 4,
            labels: Vec::new(),
            started_at: None,
            ssh: false,
        };
        world.app.orchestrators.hello(&hello).await.map_err(told)?;
        let token = world.sign_in().await?;
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM executions WHERE queued_at > now() - interval '20 days' ORDER BY md5(id::text) LIMIT $1",
        )
        .bind(SHOWN)
        .fetch_all(&world.pool)
        .await?;
        let ids: Vec<Value> = ids
            .into_iter()
            .map(|id| json!({ "id": ExecutionId(id).global() }))
            .collect();
        let side = Self {
            orchestrator: id,
            list: graphql(world.address(), &token, LIST, &[json!({ "first": 50 })]),
            tail: graphql(world.address(), &token, TAIL, &ids),
            world,
        };
        let answer = side.tail.once().await?;
        if answer["data"]["execution"]["log"]["lines"][49]["seq"] != LINES {
            return Err(format!("not the end of a log: {answer}").into());
        }
        Ok(side)
    }

    async fn enqueue(&self) -> Outcome<f64> {
        let begun = Instant::now();
        self.world
            .app
            .jobs
            .run(&self.world.op, self.world.event_id(), start())
            .await
            .map_err(told)?;
        Ok(begun.elapsed().as_secs_f64() * 1000.0)
    }

    async fn claim(&self) -> Outcome<f64> {
        let begun = Instant::now();
        let claimed = self
            .world
            .app
            .queue
            .claim(self.orchestrator, &[], 1)
            .await
            .map_err(told)?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        if claimed.len() != 1 {
            return Err("nothing was claimed".into());
        }
        Ok(took)
    }
}

/// p99 of one kind of call, of each round.
struct Asked {
    what: &'static str,
    slow: Pairs,
    usual: Pairs,
}

impl Asked {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            slow: Pairs::default(),
            usual: Pairs::default(),
        }
    }

    fn push(&mut self, small: &[f64], large: &[f64]) {
        self.slow.push(percentile(small, 0.99), percentile(large, 0.99));
        self.usual.push(percentile(small, 0.5), percentile(large, 0.5));
    }
}

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let small = Side::new(setting, "bench_small", SMALL).await?;
    let large = Side::new(setting, "bench_large", LARGE).await?;
    let mut asked = ["enqueue", "claim", "list page", "log tail"].map(Asked::new);
    for round in 0..=ROUNDS {
        let [enqueue, claim, list, tail] = &mut asked;
        let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            of_small.push(small.enqueue().await?);
            of_large.push(large.enqueue().await?);
        }
        let (mut claims_of_small, mut claims_of_large) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            claims_of_small.push(small.claim().await?);
            claims_of_large.push(large.claim().await?);
        }
        let lasts = std::time::Duration::from_secs_f64(CALLS as f64 / A_SECOND);
        let lists = (
            small.list.steady(A_SECOND, lasts).await?,
            large.list.steady(A_SECOND, lasts).await?,
        );
        let tails = (
            small.tail.steady(A_SECOND, lasts).await?,
            large.tail.steady(A_SECOND, lasts).await?,
        );
        // The first round warms both.
        if round > 0 {
            enqueue.push(&of_small, &of_large);
            claim.push(&claims_of_small, &claims_of_large);
            list.push(&lists.0, &lists.1);
            tail.push(&tails.0, &tails.1);
        }
    }
    let storage = storage(&large.world.pool).await?;
    let dropped = drop_a_day(&large.world).await?;
    small.world.stop().await;
    large.world.stop().await;
    Ok(report(&asked, storage, dropped))
}

/// Bytes of a line: in a table of rows, and as it is stored.
async fn storage(pool: &PgPool) -> Outcome<Pairs> {
    sqlx::raw_sql(
        "CREATE TABLE bench_rows (execution_id uuid, seq bigint, at timestamptz NOT NULL, stream text NOT NULL,
             line text NOT NULL, PRIMARY KEY (execution_id, seq))",
    )
    .execute(pool)
    .await?;
    let lines: Vec<String> = (1..=LINES).map(text).collect();
    sqlx::query(
        "INSERT INTO bench_rows
         SELECT e.id, l.seq, now(), 'STDOUT', l.line
         FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2 / $3)) AS e,
             unnest($1::text[]) WITH ORDINALITY AS l(line, seq)",
    )
    .bind(lines)
    .bind(ROWS)
    .bind(LINES as i64)
    .execute(pool)
    .await?;
    let (rows, chunks, lines): (f64, f64, f64) = sqlx::query_as(
        "SELECT pg_total_relation_size('bench_rows')::float8 / $1,
             (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'log_chunks'::regclass)::float8,
             (SELECT sum(log_lines) FROM executions)::float8",
    )
    .bind(ROWS as f64)
    .fetch_one(pool)
    .await?;
    let mut pairs = Pairs::default();
    pairs.push(rows, chunks / lines);
    Ok(pairs)
}

/// Removes the logs of one day as the server does, and its partition: seconds, executions.
async fn drop_a_day(world: &World) -> Outcome<(f64, u64)> {
    // What is there of the first day is a part, so that goes before.
    keep(world, DAYS - 1).await?;
    let before = partitions(&world.pool).await?;
    let (took, dropped) = keep(world, DAYS - 2).await?;
    if dropped == 0 || partitions(&world.pool).await? + 1 != before {
        return Err(format!("{dropped} logs were dropped, and not one partition").into());
    }
    Ok((took, dropped))
}

/// Removes what is older than so many days: seconds, executions.
async fn keep(world: &World, days: i64) -> Outcome<(f64, u64)> {
    let app = &world.app;
    let limits = vec![(Kind::LogRetentionDays, Some(days))];
    app.quotas
        .set(&world.op, Subject::Installation, limits)
        .await
        .map_err(told)?;
    let begun = Instant::now();
    let dropped = cronium_server::logs::drop_old(&app.kernel, &app.quotas)
        .await
        .map_err(told)?;
    Ok((begun.elapsed().as_secs_f64(), dropped))
}

/// The log of each job: a packed block.
fn block() -> Vec<u8> {
    let line = |seq| Line {
        seq,
        at_us: 1_700_000_000_000_000 + seq as i64 * 1_234,
        stream: Stream::Stdout,
        text: text(seq),
    };
    LogBlock {
        lines: (1..=LINES).map(line).collect(),
    }
    .encode()
}

fn report(asked: &[Asked], storage: Pairs, (seconds, executions): (f64, u64)) -> Case {
    let rounds = format!(
        "{ROUNDS} rounds of {CALLS} calls of each kind; {} and {} jobs of {DAYS} days, each with one execution and {LINES} \
         log lines",
        number(SMALL as f64),
        number(LARGE as f64)
    );
    let mut case = Case::new(13, "Growth: a hundred times as many jobs and log lines", rounds);
    case.floor = "The same calls on the small installation, in turn with those on the large one. For storage: a table with \
                  one row a line and a primary key."
        .into();
    case.ours = "The service's `run`, one claim of one execution, the list of 50 runs and a page of a log by GraphQL over \
                 HTTP at a steady pace, on the large installation."
        .into();
    for one in asked {
        let what = format!("{}, p99, ms", one.what);
        let target = Some(Target::AtMost(1.2));
        case.rows
            .push(Row::compared(&what, "ms", &one.slow, None, target));
    }
    case.rows.push(Row::compared(
        "stored bytes of a line",
        "bytes",
        &storage,
        None,
        Some(Target::AtMost(0.25)),
    ));
    case.rows
        .push(Row::limited("a day of logs dropped", "s", seconds, None, 1.0));
    for one in asked {
        let (small, large) = (
            crate::measure::median(&one.usual.floor),
            crate::measure::median(&one.usual.ours),
        );
        case.fact(
            &format!("p50 of {}", one.what),
            format!("{large:.2} ms; small {small:.2} ms"),
        );
    }
    case.fact(
        "Executions whose logs went with the day",
        number(executions as f64),
    );
    case
}
