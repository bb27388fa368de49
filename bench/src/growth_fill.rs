//! Jobs of a month with their executions and logs, by statements: what took a month to come would take too long here.

use sqlx::PgPool;

use crate::Outcome;
use crate::world::World;

/// Over which the jobs are spread.
pub const DAYS: i64 = 30;
/// Of each job.
pub const LINES: u64 = 100;
const STEP: i64 = 50_000;

/// Oldest first. Each log is this block, packed as the server packs it.
pub async fn fill(world: &World, jobs: i64, block: &[u8]) -> Outcome<()> {
    let body = zstd::bulk::compress(block, 3)?;
    // Identifiers hold their time: logs are kept by the day in them.
    let mut setup = String::from(
        "CREATE FUNCTION bench_id(at timestamptz, salt text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
             SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3)
                 || '8' || substr(md5(salt), 4, 15))::uuid
         $$;",
    );
    for ago in 1..=DAYS + 1 {
        setup.push_str(&format!(
            "DO $$ BEGIN EXECUTE format('CREATE TABLE %I PARTITION OF log_chunks FOR VALUES FROM (%L) TO (%L)',
                 'log_chunks_' || to_char((now() AT TIME ZONE 'UTC')::date - {ago}, 'YYYYMMDD'),
                 (now() AT TIME ZONE 'UTC')::date - {ago}, (now() AT TIME ZONE 'UTC')::date - {ago} + 1); END $$;"
        ));
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(setup))
        .execute(&world.pool)
        .await?;
    let event = &world.event;
    for first in (1..=jobs).step_by(STEP as usize) {
        sqlx::query(
            "WITH moment AS (
                 SELECT n, now() - ($5 - n + 1) * (make_interval(days => $6) / $5) AS at
                 FROM generate_series($3::bigint, $4) AS n
             ), new AS (
                 SELECT n, at, bench_id(at, 'job ' || n) AS job, bench_id(at, 'execution ' || n) AS execution FROM moment
             ), jobs AS (
                 INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                     input, output, created_at, started_at, finished_at)
                 SELECT job, $1, $1, $2, $9, 'Nothing', CASE WHEN n % 9 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 'API',
                     jsonb_build_object('n', n), jsonb_build_object('rows', n * 7),
                     at, at + interval '150 ms', at + interval '150 ms' + n % 977 * interval '13 ms'
                 FROM new
             ), executions AS (
                 INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, epoch, starts, setup_at,
                     started_at, ended_at, finished_at, exit_code, cpu_us, peak_memory_bytes, image_digest,
                     payload_sha256, log_lines)
                 SELECT execution, job, 1, CASE WHEN n % 9 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, at, 1, 1,
                     at + interval '3 ms', at + interval '150 ms', at + interval '1 s', at + interval '1 s',
                     CASE WHEN n % 9 = 0 THEN 1 ELSE 0 END, 12345, 1 << 24, 'sha256:' || repeat('ab', 32),
                     decode(repeat('cd', 32), 'hex'), $7
                 FROM new
             )
             INSERT INTO log_chunks (day, execution_id, first_seq, last_seq, from_at, to_at, body)
             SELECT (at AT TIME ZONE 'UTC')::date, execution, 1, $7, at, at + interval '1 s', $8 FROM new",
        )
        .bind(event.owner_id)
        .bind(event.id)
        .bind(first)
        .bind((first + STEP - 1).min(jobs))
        .bind(jobs)
        .bind(DAYS as i32)
        .bind(LINES as i64)
        .bind(&body)
        .bind(event.version_id)
        .execute(&world.pool)
        .await?;
    }
    Ok(())
}

/// How many there are, for days and for the rest.
pub async fn partitions(pool: &PgPool) -> Outcome<i64> {
    Ok(
        sqlx::query_scalar("SELECT count(*) FROM pg_inherits WHERE inhparent = 'log_chunks'::regclass")
            .fetch_one(pool)
            .await?,
    )
}
