//! Case 3: jobs a second from enqueue to end, with nothing to run: the real services, the real agent channel
//! and the real orchestrator, around an executor that ends at once. Floor: claim and complete in batches of
//! 100 on the same schema. Peer: apalis-postgres as it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, Data, TaskSink as _, WorkerBuilder};
use apalis_postgres::PostgresStorage;
use cronium_orchestrator::allow::AllowList;
use cronium_orchestrator::config::{Config, Hidden, Labels};
use cronium_orchestrator::state::StateDir;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::measure::{Pairs, median};
use crate::noop::{Ended, Noop};
use crate::result::{Case, Row, Target, number};
use crate::usage::{Usage, a_job};
use crate::world::{INTERNAL_KEY, World, database, start};
use crate::{Outcome, Setting, told};

const ROUNDS: usize = 5;
const JOBS: usize = 6_000;
const WRITERS: usize = 8;
const CAPACITY: u32 = 100;
const BATCH: i64 = 100;
const CLIENTS: usize = 4;
/// A round that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let bare = World::new(setting, "bench_jobs_floor").await?;
    let ours = World::new(setting, "bench_jobs").await?;
    ours.start_workers();
    let orchestrator = Orchestrator::start(setting, &ours).await?;
    let peer = Peer::new(setting).await?;

    let (mut rates, mut against_peer, mut shares) = (Pairs::default(), Pairs::default(), Vec::new());
    let (mut floor_costs, mut costs) = (Vec::new(), Vec::new());
    // The orchestrator's start has run one job.
    let mut done = 1;
    for _ in 0..ROUNDS {
        fill(&bare).await?;
        bare.settle().await?;
        let before = Usage::now(&bare.pool).await?;
        let floor = claim_and_complete(&bare.pool).await?;
        floor_costs.push(Usage::now(&bare.pool).await?.since(before));

        ours.settle().await?;
        let before = Usage::now(&ours.pool).await?;
        let begun = Instant::now();
        done += JOBS;
        let all_ended = async {
            orchestrator.ended.reach(done).await;
            Ok(())
        };
        let round = async { tokio::try_join!(enqueue(&ours), all_ended) };
        let (enqueued, ()) = tokio::time::timeout(PATIENCE, round).await??;
        let took = begun.elapsed();
        costs.push(Usage::now(&ours.pool).await?.since(before));
        shares.push(enqueued.as_secs_f64() / took.as_secs_f64() * 100.0);
        let per_second = JOBS as f64 / took.as_secs_f64();
        rates.push(floor, per_second);

        against_peer.push(peer.round().await?, per_second);
    }
    orchestrator.stop().await?;
    let slowest = rates.ours.iter().copied().fold(f64::INFINITY, f64::min);
    check(&ours.pool, done).await?;
    bare.stop().await;
    ours.stop().await;

    let rounds = format!("{ROUNDS} rounds of {JOBS} jobs each");
    let mut case = Case::new(3, "Jobs a second, end to end, with nothing to run", rounds);
    case.floor = format!(
        "{CLIENTS} connections that claim {BATCH} at a time (commit not waited for) and complete them (commit waited \
         for), by hand-written SQL on the same tables; their rows were there before."
    );
    case.ours = format!(
        "{WRITERS} writers call the service; the real agent channel and the real orchestrator (capacity {CAPACITY}) \
         claim, ask for the start, and report the end of each; all in one process. From the first call to the last \
         acknowledged end, enqueueing included."
    );
    case.rows = vec![
        Row::compared("end to end", "jobs/s", &rates, None, Some(Target::AtLeast(0.7))),
        Row::compared(
            "against apalis-postgres",
            "jobs/s",
            &against_peer,
            None,
            Some(Target::AtLeast(10.0)),
        ),
    ];
    case.fact("Slowest round", format!("{} jobs/s", number(slowest)));
    case.fact(
        "The last job was handed in after",
        format!("{} % of the time", number(median(&shares))),
    );
    case.fact("A job of the floor", a_job(&floor_costs, JOBS));
    case.fact("A job of ours", a_job(&costs, JOBS));
    case.notes.push(
        "The peer is `PostgresStorage::new` with a worker whose task does nothing, both with their defaults, its own \
         database, its tasks pushed by as many writers."
            .into(),
    );
    Ok(case)
}

/// The orchestrator's library in this process, connected to the world's server.
struct Orchestrator {
    ended: Arc<Ended>,
    running: AbortOnDropHandle<Result<(), cronium_orchestrator::Error>>,
    stop: CancellationToken,
    _state: tempfile::TempDir,
}

impl Orchestrator {
    async fn start(setting: &Setting, world: &World) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let config = Config {
            agent_url: world.url("ws", "/agent"),
            internal_api_key: Hidden::new(INTERNAL_KEY),
            apalis_url: Some(Hidden::new(world.wakeup_url().await?)),
            state_dir: dir.path().to_owned(),
            name: "bench".into(),
            capacity: CAPACITY,
            server_capacity: CAPACITY,
            labels: Labels::default(),
            ahead: None,
            runner: setting.runner.clone(),
            exec_image: String::new(),
            docker_host: None,
            network_allow: AllowList::default(),
            metrics_listen: None,
            log: String::new(),
            drain_secs: 1,
            log_format: None,
            otlp_endpoint: None,
            exit_with_parent: false,
        };
        let state = StateDir::open(dir.path()).await?;
        let (executor, stop) = (Noop::default(), CancellationToken::new());
        let ended = executor.ended.clone();
        let running = tokio::spawn(cronium_orchestrator::run(
            config,
            state,
            Arc::new(executor),
            None,
            stop.clone(),
        ));
        // One job through all of it: then everything is connected.
        let this = Self {
            ended,
            running: AbortOnDropHandle::new(running),
            stop,
            _state: dir,
        };
        world
            .app
            .jobs
            .run(&world.op, world.event_id(), start())
            .await
            .map_err(told)?;
        this.ended.reach(1).await;
        Ok(this)
    }

    async fn stop(self) -> Outcome<()> {
        self.stop.cancel();
        Ok(self.running.await??)
    }
}

/// Hands in all jobs; how long that took.
async fn enqueue(world: &World) -> Outcome<Duration> {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (jobs, op, event) = (world.app.jobs.clone(), world.op.clone(), world.event_id());
            tokio::spawn(async move {
                for _ in 0..JOBS / WRITERS {
                    jobs.run(&op, event, start()).await.map_err(told)?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(begun.elapsed())
}

/// Every job must have succeeded, once.
async fn check(pool: &PgPool, jobs: usize) -> Outcome<()> {
    let good: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM jobs j JOIN executions e ON e.job_id = j.id
         WHERE j.status = 'SUCCEEDED' AND e.status = 'SUCCEEDED' AND e.starts = 1",
    )
    .fetch_one(pool)
    .await?;
    if good == jobs as i64 {
        return Ok(());
    }
    Err(format!("{good} of {jobs} jobs succeeded").into())
}

/// The floor's rows: queued jobs.
async fn fill(world: &World) -> Outcome<()> {
    sqlx::query(
        "WITH new AS (
             INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger, created_at)
             SELECT gen_random_uuid(), $1, $1, $2, $3, 'Nothing', 'QUEUED', 1, 'API', now() FROM generate_series(1, $4)
             RETURNING id
         )
         INSERT INTO executions (id, job_id, attempt, status, priority, queued_at)
         SELECT gen_random_uuid(), id, 1, 'QUEUED', 1, now() FROM new",
    )
    .bind(world.event.owner_id)
    .bind(world.event.id)
    .bind(world.event.version_id)
    .bind(JOBS as i64)
    .execute(&world.pool)
    .await?;
    Ok(())
}

/// The floor: what a queue in these tables has to do at least.
async fn claim_and_complete(pool: &PgPool) -> Outcome<f64> {
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                while complete_batch(&pool).await? > 0 {}
                Outcome::Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(JOBS as f64 / begun.elapsed().as_secs_f64())
}

async fn complete_batch(pool: &PgPool) -> Outcome<usize> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL synchronous_commit = off")
        .execute(&mut *tx)
        .await?;
    let claimed: Vec<Uuid> = sqlx::query_scalar(
        "WITH next AS (
             SELECT id FROM executions WHERE status = 'QUEUED' AND due_at IS NULL AND NOT held
             ORDER BY ((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id LIMIT $1 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE executions e SET status = 'DISPATCHING', epoch = epoch + 1,
                 lease_until = now() + interval '15 s', dispatches = dispatches + 1
             FROM next WHERE e.id = next.id RETURNING e.id, e.job_id
         ), moved AS (
             UPDATE jobs SET status = 'DISPATCHING' FROM claimed WHERE jobs.id = claimed.job_id
         ) SELECT id FROM claimed",
    )
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    sqlx::query(
        "WITH ended AS (
             UPDATE executions SET status = 'SUCCEEDED', exit_code = 0, started_at = now(), ended_at = now(),
                 finished_at = now(), lease_until = NULL
             WHERE id = ANY ($1) RETURNING job_id
         )
         UPDATE jobs SET status = 'SUCCEEDED', started_at = now(), finished_at = now() FROM ended
         WHERE jobs.id = ended.job_id",
    )
    .bind(&claimed)
    .execute(pool)
    .await?;
    Ok(claimed.len())
}

/// apalis-postgres with its defaults.
struct Peer {
    pool: PgPool,
}

/// How many of the peer's tasks have run.
#[derive(Default)]
struct Ran {
    count: AtomicUsize,
    changed: Notify,
}

async fn nothing(_: usize, ran: Data<Arc<Ran>>) -> Result<(), BoxDynError> {
    ran.count.fetch_add(1, Ordering::AcqRel);
    ran.changed.notify_one();
    Ok(())
}

impl Peer {
    async fn new(setting: &Setting) -> Outcome<Self> {
        let options = database(setting, "bench_jobs_peer").await?;
        let pool = PgPoolOptions::new()
            .max_connections(24)
            .connect_with(options)
            .await?;
        PostgresStorage::setup(&pool).await?;
        Ok(Self { pool })
    }

    /// Pushes and runs tasks, until all are stored as done; tasks a second.
    async fn round(&self) -> Outcome<f64> {
        let ran = Arc::new(Ran::default());
        let storage = PostgresStorage::<usize>::new(&self.pool);
        let begun = Instant::now();
        let worker = WorkerBuilder::new(format!("bench-{}", Uuid::new_v4()))
            .backend(storage.clone())
            .data(ran.clone())
            .build(nothing);
        let worker = AbortOnDropHandle::new(tokio::spawn(worker.run()));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let mut storage = storage.clone();
                tokio::spawn(async move {
                    for i in 0..JOBS / WRITERS {
                        storage.push(i).await.map_err(|e| e.to_string())?;
                    }
                    Result::<(), String>::Ok(())
                })
            })
            .collect();
        for writer in writers {
            writer.await??;
        }
        while ran.count.load(Ordering::Acquire) < JOBS {
            ran.changed.notified().await;
        }
        let mut unfinished = 1;
        while unfinished > 0 {
            unfinished =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'")
                    .fetch_one(&self.pool)
                    .await?;
        }
        let rate = JOBS as f64 / begun.elapsed().as_secs_f64();
        worker.abort();
        Ok(rate)
    }
}
