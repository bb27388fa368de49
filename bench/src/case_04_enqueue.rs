//! Case 4: how many jobs a second eight writers can hand in, with wake-ups on.
//! Floor: the same rows by hand-written SQL, one statement a job, over as many connections.

use std::time::Instant;

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::measure::{Pairs, percentile};
use crate::result::{Case, Row, Target};
use crate::usage::{Usage, a_job};
use crate::world::{World, start};
use crate::{Outcome, Setting, told};

const ROUNDS: usize = 5;
const WRITERS: usize = 8;
const EACH: usize = 250;
const JOBS: usize = WRITERS * EACH;

/// A round: jobs a second, and how long each call took in ms.
struct Rate {
    per_second: f64,
    calls: Vec<f64>,
}

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let bare = World::new(setting, "bench_enqueue_floor").await?;
    let ours = World::new(setting, "bench_enqueue").await?;
    ours.start_workers();
    let token = ours.sign_in().await?;
    let (mut service, mut http) = (Pairs::default(), Pairs::default());
    let (mut service_calls, mut http_calls) = (Vec::new(), Vec::new());
    let mut costs: [Vec<Usage>; 3] = Default::default();
    for _ in 0..ROUNDS {
        bare.settle().await?;
        let (floor, cost) = costing(&bare.pool, by_hand(&bare)).await?;
        costs[0].push(cost);
        ours.settle().await?;
        let (by_service, cost) = costing(&ours.pool, by_service(&ours)).await?;
        costs[1].push(cost);
        let (by_http, cost) = costing(&ours.pool, by_http(&ours, &token)).await?;
        costs[2].push(cost);
        service.push(floor.per_second, by_service.per_second);
        http.push(floor.per_second, by_http.per_second);
        service_calls.extend(by_service.calls);
        http_calls.extend(by_http.calls);
    }
    bare.stop().await;
    ours.stop().await;

    let rounds = format!("{ROUNDS} rounds of {JOBS} jobs by {WRITERS} writers");
    let mut case = Case::new(4, "Enqueue rate, eight writers, wake-ups on", rounds);
    case.floor =
        "The same rows (job, execution, outbox) by one prepared statement a job, its own transaction, one \
                  connection a writer."
            .into();
    case.ours =
        "The service's `run` in this process, with the server's background workers going; and the mutation \
                 `runEvent` over HTTP, server and clients in one process."
            .into();
    let target = Some(Target::AtLeast(0.9));
    case.rows = vec![
        Row::compared("by the service", "jobs/s", &service, None, target),
        Row::compared("by GraphQL over HTTP", "jobs/s", &http, None, target),
    ];
    for (what, calls) in [
        ("the service", &service_calls),
        ("GraphQL over HTTP", &http_calls),
    ] {
        let (p50, p99) = (percentile(calls, 0.5), percentile(calls, 0.99));
        case.fact(
            &format!("One call of {what}"),
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
        );
    }
    for (what, costs) in ["floor", "the service", "GraphQL over HTTP"].iter().zip(&costs) {
        case.fact(&format!("A job by {what}"), a_job(costs, JOBS));
    }
    Ok(case)
}

async fn costing(pool: &PgPool, work: impl Future<Output = Outcome<Rate>>) -> Outcome<(Rate, Usage)> {
    let before = Usage::now(pool).await?;
    let rate = work.await?;
    Ok((rate, Usage::now(pool).await?.since(before)))
}

/// Lets the writers go and waits for all of them.
async fn race<W>(writer: impl Fn() -> W) -> Outcome<Rate>
where
    W: Future<Output = Outcome<Vec<f64>>> + Send + 'static,
{
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(writer())).collect();
    let mut calls = Vec::with_capacity(JOBS);
    for writer in writers {
        calls.extend(writer.await??);
    }
    Ok(Rate {
        per_second: JOBS as f64 / begun.elapsed().as_secs_f64(),
        calls,
    })
}

async fn by_service(world: &World) -> Outcome<Rate> {
    race(|| {
        let (jobs, op, event) = (world.app.jobs.clone(), world.op.clone(), world.event_id());
        async move {
            let mut calls = Vec::with_capacity(EACH);
            for _ in 0..EACH {
                let begun = Instant::now();
                jobs.run(&op, event, start()).await.map_err(told)?;
                calls.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(calls)
        }
    })
    .await
}

async fn by_http(world: &World, token: &str) -> Outcome<Rate> {
    let client = reqwest::Client::new();
    let list = "{ events(first: 1) { nodes { id } } }";
    let ask = |body: serde_json::Value| {
        client
            .post(world.url("http", "/graphql"))
            .bearer_auth(token)
            .json(&body)
    };
    let answer: serde_json::Value = ask(json!({ "query": list })).send().await?.json().await?;
    let event = answer["data"]["events"]["nodes"][0]["id"].clone();
    let run = "mutation ($i: RunEventInput!) { runEvent(input: $i) { job { id } userErrors { message } } }";
    let request = ask(json!({ "query": run, "variables": { "i": { "eventId": event } } }));
    race(|| {
        let request = request.try_clone();
        async move {
            let request = request.ok_or("a request with a plain body can be cloned")?;
            let mut calls = Vec::with_capacity(EACH);
            for _ in 0..EACH {
                let begun = Instant::now();
                let once = request
                    .try_clone()
                    .ok_or("a request with a plain body can be cloned")?;
                let answer: serde_json::Value = once.send().await?.json().await?;
                if !answer["data"]["runEvent"]["job"]["id"].is_string() {
                    return Err(answer.to_string().into());
                }
                calls.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(calls)
        }
    })
    .await
}

async fn by_hand(world: &World) -> Outcome<Rate> {
    race(|| {
        let (pool, kernel) = (world.pool.clone(), world.app.kernel.clone());
        let (event, version, owner) = (world.event.id, world.event.version_id, world.event.owner_id);
        async move {
            let mut connection = pool.acquire().await?;
            let mut calls = Vec::with_capacity(EACH);
            for _ in 0..EACH {
                let begun = Instant::now();
                let (job, execution) = (kernel.id::<Uuid>(), kernel.id::<Uuid>());
                insert(&mut connection, [job, execution, owner, event, version]).await?;
                calls.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(calls)
        }
    })
    .await
}

/// A job, its execution and what tells of it: one statement, so one trip and one commit.
async fn insert(connection: &mut sqlx::PgConnection, ids: [Uuid; 5]) -> Outcome<()> {
    let mut query = sqlx::query(
        "WITH job AS (
             INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger, created_at)
             VALUES ($1, $3, $3, $4, $5, 'Nothing', 'QUEUED', 1, 'API', now()) RETURNING id
         ), execution AS (
             INSERT INTO executions (id, job_id, attempt, status, priority, queued_at)
             SELECT $2, id, 1, 'QUEUED', 1, now() FROM job
         )
         INSERT INTO outbox (kind, payload, created_at)
         SELECT 'job.created', jsonb_build_object('job', id), now() FROM job",
    );
    for id in ids {
        query = query.bind(id);
    }
    query.execute(connection).await?;
    Ok(())
}
