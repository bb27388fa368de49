//! Case 9: what GraphQL costs on top of the statements that it asks. Floor: an axum handler that asks the same
//! statements, written by hand, and answers the same JSON.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{Load, post};
use crate::measure::{Pairs, median, percentile};
use crate::queries_floor;
use crate::result::{Case, Row, Target, number};
use crate::usage::Usage;
use crate::wire::Wire;
use crate::world::World;
use crate::{Outcome, Setting};

const ROUNDS: usize = 5;
const EVENTS: usize = 200;
const JOBS: usize = 100_000;
/// Jobs that details are asked of, in turn.
const SHOWN: i64 = 256;
const WARM: Duration = Duration::from_millis(500);
const LASTS: Duration = Duration::from_millis(1500);

pub const LIST: &str = "query Runs($first: Int) { jobs(first: $first) {
    nodes {
        id number status statusReason title trigger actor { name } event { id name } eventVersion { number adHoc type }
        createdAt startedAt finishedAt duration viewerCan
    }
    pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
} }";
const DETAIL: &str = "query Job($id: ID!) { job(id: $id) {
    id number status statusReason priority title trigger actor { name } event { id name }
    eventVersion { number adHoc type target { image memoryBytes } } input output
    createdAt startedAt finishedAt duration timing { queued setup run cleanup }
    executions {
        id attempt status statusReason exitCode timing { queued setup run cleanup } output cpuTime peakMemoryBytes
        imageDigest payloadSha256 logLineCount logTruncated
    }
    viewerCan
} }";
const NESTED: &str = "query Events($first: Int) { events(first: $first) { nodes {
    id name type status owner { name } version { number } lastJob { id status }
    jobs(first: 5) { nodes {
        id number status duration actor { name } executions { attempt status exitCode timing { queued run } }
    } }
} } }";

/// One of the three queries.
struct Asked {
    name: &'static str,
    floor: Load,
    ours: Load,
    rate: Pairs,
    /// Of each round, at half and at nine tenths of what each can do: p99, and p50.
    slow: [Pairs; 2],
    usual: [Pairs; 2],
    cpu: [Vec<f64>; 2],
    statements: (usize, usize),
}

pub async fn run(setting: &Setting) -> Outcome<Case> {
    let world = World::new(setting, "bench_queries").await?;
    fill(&world).await?;
    world.settle().await?;
    let token = world.sign_in().await?;
    let bare = queries_floor::serve(world.second_pool().await?).await?;
    let shown = shown(&world, &token).await?;
    let mut asked = vec![
        Asked::new(
            "list of 50",
            ["/list", LIST],
            &[json!({ "first": 50 })],
            bare,
            &world,
            &token,
        ),
        Asked::new("detail", ["/detail", DETAIL], &shown, bare, &world, &token),
        Asked::new(
            "nested, 20 events with 5 jobs each",
            ["/nested", NESTED],
            &[json!({ "first": 20 })],
            bare,
            &world,
            &token,
        ),
    ];
    for one in &asked {
        one.alike().await?;
        one.floor.flat(WARM).await?;
        one.ours.flat(WARM).await?;
    }
    for _ in 0..ROUNDS {
        for one in &mut asked {
            one.round(&world).await?;
        }
    }
    Box::pin(count(setting, &world, &token, &shown, &mut asked)).await?;
    world.stop().await;
    Ok(report(&asked))
}

impl Asked {
    fn new(
        name: &'static str,
        [path, query]: [&str; 2],
        variables: &[Value],
        bare: SocketAddr,
        world: &World,
        token: &str,
    ) -> Self {
        let requests = variables
            .iter()
            .map(|variables| post(bare, path, token, variables));
        let floor = Load {
            address: bare,
            requests: requests.collect(),
        };
        Self {
            name,
            floor,
            ours: graphql(world.address(), token, query, variables),
            rate: Pairs::default(),
            slow: Default::default(),
            usual: Default::default(),
            cpu: Default::default(),
            statements: (0, 0),
        }
    }

    /// Both must say the same.
    async fn alike(&self) -> Outcome<()> {
        let (floor, ours) = (self.floor.once().await?, self.ours.once().await?);
        if floor == ours {
            return Ok(());
        }
        Err(format!("{}: the floor says {floor}, ours {ours}", self.name).into())
    }

    /// What each can do, then how long each takes at a share of it.
    async fn round(&mut self, world: &World) -> Outcome<()> {
        let mut most = [0.0; 2];
        for (side, load) in [&self.floor, &self.ours].into_iter().enumerate() {
            let before = Usage::now(&world.pool).await?;
            most[side] = load.flat(LASTS).await?;
            let spent = Usage::now(&world.pool).await?.since(before);
            let requests = most[side] * LASTS.as_secs_f64();
            self.cpu[side].push(spent.own / requests * 1e6);
        }
        let [floor, ours] = most;
        self.rate.push(floor, ours);
        for (at, share) in [0.5, 0.9].into_iter().enumerate() {
            let floor = self.floor.steady(floor * share, LASTS).await?;
            let ours = self.ours.steady(ours * share, LASTS).await?;
            self.slow[at].push(percentile(&floor, 0.99), percentile(&ours, 0.99));
            self.usual[at].push(median(&floor), median(&ours));
        }
        Ok(())
    }
}

pub fn graphql(address: SocketAddr, token: &str, query: &str, variables: &[Value]) -> Load {
    let body = |variables: &Value| json!({ "query": query, "variables": variables });
    let requests = variables
        .iter()
        .map(|variables| post(address, "/graphql", token, &body(variables)));
    Load {
        address,
        requests: requests.collect(),
    }
}

/// Events, and the jobs of a month, each with its execution: most succeeded, one in ten thousand is at work.
async fn fill(world: &World) -> Outcome<()> {
    let owner = world.event.owner_id;
    for (sql, count) in [
        (
            "WITH new AS (
                 SELECT gen_random_uuid() AS id, gen_random_uuid() AS version, n FROM generate_series(1, $2) AS n
             ), events AS (
                 INSERT INTO events (id, owner_id, name, description, kind, status, tags, shared, version_id,
                     version_number, run_count, created_at, updated_at)
                 SELECT new.id, $1, 'Event number ' || n, '', kind, 'ACTIVE', tags, false, new.version,
                     1, 0, now() - n * interval '1 hour', now() FROM new, events e WHERE e.owner_id = $1
             )
             INSERT INTO event_versions
             SELECT (jsonb_populate_record(v, jsonb_build_object('id', new.version, 'event_id', new.id))).*
             FROM new, event_versions v WHERE v.created_by = $1",
            EVENTS,
        ),
        (
            "WITH numbered AS (SELECT id, version_id, row_number() OVER () AS place FROM events WHERE owner_id = $1),
             job AS (
                 INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                     input, output, created_at, started_at, finished_at)
                 SELECT gen_random_uuid(), $1, $1, e.id, e.version_id, 'Event number ' || e.place,
                     CASE WHEN n % 10000 = 0 THEN 'RUNNING' WHEN n % 9 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 'API',
                     jsonb_build_object('n', n), jsonb_build_object('rows', n * 7),
                     at, at + interval '150 ms', CASE WHEN n % 10000 <> 0 THEN at + n % 977 * interval '13 ms' END
                 FROM generate_series(1, $2) AS n JOIN numbered e ON e.place = n % (SELECT count(*) FROM numbered) + 1,
                     LATERAL (SELECT now() - n * interval '26 s' AS at) AS t
                 RETURNING *
             )
             INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, epoch, starts, setup_at, started_at,
                 ended_at, finished_at, exit_code, cpu_us, peak_memory_bytes, image_digest, payload_sha256, log_lines)
             SELECT gen_random_uuid(), id, 1, status, priority, created_at, 1, 1, created_at + interval '3 ms', started_at,
                 finished_at, finished_at, CASE status WHEN 'SUCCEEDED' THEN 0 WHEN 'FAILED' THEN 1 END, 12345, 1 << 24,
                 'sha256:' || repeat('ab', 32), decode(repeat('cd', 32), 'hex'), 7
             FROM job",
            JOBS,
        ),
    ] {
        sqlx::query(sql)
            .bind(owner)
            .bind(count as i32)
            .execute(&world.pool)
            .await?;
    }
    Ok(())
}

/// Variables of details: jobs from all over the list.
async fn shown(world: &World, token: &str) -> Outcome<Vec<Value>> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM jobs ORDER BY md5(id::text) LIMIT $1")
        .bind(SHOWN)
        .fetch_all(&world.pool)
        .await?;
    let global = |id| json!({ "id": cronium_server::kernel::ids::JobId(id).global() });
    let shown: Vec<Value> = ids.into_iter().map(global).collect();
    let answer = graphql(world.address(), token, DETAIL, &shown).once().await?;
    if answer["data"]["job"]["executions"][0]["id"].is_string() {
        return Ok(shown);
    }
    Err(answer.to_string().into())
}

/// Statements of each query, and of one that asks for more of the same: a second server on the same database, whose
/// statements are counted on their way.
async fn count(
    setting: &Setting,
    world: &World,
    token: &str,
    shown: &[Value],
    asked: &mut [Asked],
) -> Outcome<()> {
    let wire = Wire::to(world.options()).await?;
    let counted = world.again(setting, wire.options.clone()).await?;
    let few = |first: i32| vec![json!({ "first": first })];
    let pairs = [
        (LIST, few(2), few(100)),
        (DETAIL, shown[..1].to_vec(), shown[1..2].to_vec()),
        (NESTED, few(2), few(50)),
    ];
    for (one, (query, less, more)) in asked.iter_mut().zip(pairs) {
        let mut counts = [0; 2];
        for (count, variables) in counts.iter_mut().zip([less, more]) {
            let load = graphql(counted.address(), token, query, &variables);
            load.once().await?;
            // Ten times: a batch that falls apart now and then must show.
            let mut most = 0;
            for _ in 0..10 {
                wire.taken();
                load.once().await?;
                most = most.max(wire.taken());
            }
            *count = most;
        }
        one.statements = (counts[0], counts[1]);
    }
    counted.stop().await;
    Ok(())
}

fn report(asked: &[Asked]) -> Case {
    let rounds = format!(
        "{ROUNDS} rounds; {} jobs of {EVENTS} events, each with its execution",
        number(JOBS as f64)
    );
    let mut case = Case::new(9, "GraphQL queries", rounds);
    case.floor =
        "An axum handler: the same statements (the look at the session included), by hand and only for the \
                  columns that are needed, over a pool of as many connections; the answer is the same JSON."
            .into();
    case.ours =
        "The query over HTTP with a session's token, with the server's limits and rate limits; servers and \
                 clients in one process."
            .into();
    for one in asked {
        let what = format!("{}, as fast as it goes", one.name);
        let target = Some(Target::AtLeast(0.7));
        case.rows
            .push(Row::compared(&what, "requests/s", &one.rate, None, target));
        for (slow, share) in one.slow.iter().zip([50, 90]) {
            let what = format!("{}, p99 at {share} % load", one.name);
            let target = Some(Target::AtMost(1.5));
            case.rows.push(Row::compared(&what, "ms", slow, None, target));
        }
    }
    for one in asked {
        let (less, more) = one.statements;
        let what = format!("statements of {} that come with more rows", one.name);
        let beyond = more as f64 - less as f64;
        case.rows
            .push(Row::limited(&what, "statements", beyond, None, 0.0));
    }
    for one in asked {
        let (less, more) = one.statements;
        case.fact(
            &format!("Statements of {}", one.name),
            format!("{less}; for more rows {more}"),
        );
        let [floor, ours] = &one.cpu;
        case.fact(
            &format!(
                "Processor time here for a request of {}, its client included",
                one.name
            ),
            format!("{:.0} µs; floor {:.0} µs", median(ours), median(floor)),
        );
        let p50 = |at: usize| (median(&one.usual[at].floor), median(&one.usual[at].ours));
        let ((f50, o50), (f90, o90)) = (p50(0), p50(1));
        case.fact(
            &format!("p50 of {} at 50 % and at 90 % load", one.name),
            format!("{o50:.2} ms and {o90:.2} ms; floor {f50:.2} ms and {f90:.2} ms"),
        );
    }
    case.notes.push(
        "Load is a share of what each side can do by itself in the same round, evenly spaced; a request's time runs from \
         the moment it was due; p99 and p50 are of each round, and their medians stand here. Statements are counted on \
         the way to Postgres, BEGIN and COMMIT included: lists of 2 and of 100 rows, of 2 and of 50 events."
            .into(),
    );
    case
}
