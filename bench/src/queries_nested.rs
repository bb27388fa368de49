//! The rest of the floor of case 9: one job with all that belongs to it, and lists within lists.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::queries_floor::{
    Answer, At, Data, JobRow, Named, Page, Refused, between, caller, distinct, events, global, time, users,
    viewer_can,
};

fn priority(of: i16) -> &'static str {
    ["LOW", "NORMAL", "HIGH"]
        .get(of as usize)
        .copied()
        .unwrap_or("NORMAL")
}

#[derive(Deserialize)]
pub struct One {
    id: String,
}

#[derive(FromRow)]
struct DetailRow {
    #[sqlx(flatten)]
    job: JobRow,
    priority: i16,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
}

#[derive(FromRow)]
struct ExecutionRow {
    id: Uuid,
    job_id: Uuid,
    attempt: i32,
    status: String,
    status_reason: Option<String>,
    exit_code: Option<i32>,
    queued_at: At,
    setup_at: Option<At>,
    started_at: Option<At>,
    ended_at: Option<At>,
    finished_at: Option<At>,
    output: Option<serde_json::Value>,
    cpu_us: Option<i64>,
    peak_memory_bytes: Option<i64>,
    image_digest: Option<String>,
    payload_sha256: Option<Vec<u8>>,
    log_lines: i64,
    log_truncated: bool,
}

const EXECUTIONS: &str = "SELECT id, job_id, attempt, status, status_reason, exit_code, queued_at, setup_at, started_at,
         ended_at, finished_at, output, cpu_us, peak_memory_bytes, image_digest, payload_sha256, log_lines, log_truncated
     FROM executions WHERE job_id = ANY($1) ORDER BY attempt";

impl ExecutionRow {
    fn timing(&self) -> serde_json::Value {
        json!({
            "queued": between(Some(self.queued_at), self.setup_at),
            "setup": between(self.setup_at, self.started_at),
            "run": between(self.started_at, self.ended_at),
            "cleanup": between(self.ended_at, self.finished_at),
        })
    }

    fn node(&self) -> serde_json::Value {
        let hex = |bytes: &Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let cpu = self.cpu_us.map(chrono::TimeDelta::microseconds);
        json!({
            "id": global(5, self.id),
            "attempt": self.attempt,
            "status": self.status,
            "statusReason": self.status_reason,
            "exitCode": self.exit_code,
            "timing": self.timing(),
            "output": self.output,
            "cpuTime": cpu.and_then(|cpu| between(Some(self.queued_at), Some(self.queued_at + cpu))),
            "peakMemoryBytes": self.peak_memory_bytes.map(|bytes| bytes as f64),
            "imageDigest": self.image_digest,
            "payloadSha256": self.payload_sha256.as_ref().map(hex),
            "logLineCount": self.log_lines,
            "logTruncated": self.log_truncated,
        })
    }
}

pub async fn detail(State(pool): State<PgPool>, headers: HeaderMap, Json(one): Json<One>) -> Answer {
    caller(&pool, &headers).await?;
    let bytes = URL_SAFE_NO_PAD.decode(&one.id).unwrap_or_default();
    let id = bytes.get(1..).and_then(|bytes| Uuid::from_slice(bytes).ok());
    let row: Option<DetailRow> = sqlx::query_as(
        "SELECT id, number, status, status_reason, title, trigger, actor_id, event_id, event_version_id, created_at,
             started_at, finished_at, priority, input, output
         FROM jobs WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&pool)
    .await?;
    let DetailRow {
        job,
        priority: level,
        input,
        output,
    } = row.ok_or(Refused(StatusCode::NOT_FOUND))?;
    let version = sqlx::query_as::<_, (i32, bool, String, Option<String>, i64)>(
        "SELECT number, ad_hoc, kind, image, memory_bytes FROM event_versions WHERE id = $1",
    )
    .bind(job.event_version_id);
    let executions = sqlx::query_as::<_, ExecutionRow>(EXECUTIONS).bind([job.id]);
    let (actors, events, version, executions) = tokio::try_join!(
        users(&pool, job.actor_id.into_iter()),
        events(&pool, job.event_id.into_iter()),
        version.fetch_one(&pool),
        executions.fetch_all(&pool),
    )?;
    let (number, ad_hoc, kind, image, memory) = version;
    let timing = executions.last().map(ExecutionRow::timing);
    let executions: Vec<_> = executions.iter().map(ExecutionRow::node).collect();
    let node = json!({
        "id": global(4, job.id),
        "number": job.number,
        "status": job.status,
        "statusReason": job.status_reason,
        "priority": priority(level),
        "title": job.title,
        "trigger": job.trigger,
        "actor": job.actor_id.and_then(|id| actors.get(&id)),
        "event": job.event_id.and_then(|id| events.get(&id)),
        "eventVersion": {
            "number": number, "adHoc": ad_hoc, "type": kind, "target": { "image": image, "memoryBytes": memory as f64 }
        },
        "input": input,
        "output": output,
        "createdAt": time(job.created_at),
        "startedAt": job.started_at.map(time),
        "finishedAt": job.finished_at.map(time),
        "duration": between(job.started_at, job.finished_at),
        "timing": timing,
        "executions": executions,
        "viewerCan": viewer_can(job.finished_at),
    });
    Ok(Json(json!({ "data": { "job": node } })).into_response())
}

#[derive(FromRow)]
struct EventRow {
    id: Uuid,
    name: String,
    kind: String,
    status: String,
    owner_id: Uuid,
    version_id: Uuid,
}

#[derive(FromRow)]
struct NewestRow {
    id: Uuid,
    event_id: Uuid,
    number: i64,
    status: String,
    actor_id: Option<Uuid>,
    started_at: Option<At>,
    finished_at: Option<At>,
}

const NEWEST: &str = "SELECT j.id, j.event_id, j.number, j.status, j.actor_id, j.started_at, j.finished_at
     FROM unnest($1::uuid[]) AS e(id) CROSS JOIN LATERAL
     (SELECT * FROM jobs WHERE event_id = e.id ORDER BY created_at DESC, id DESC LIMIT $2) AS j";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventNode {
    id: String,
    name: String,
    r#type: String,
    status: String,
    owner: Option<Named>,
    version: Numbered,
    last_job: Option<Last>,
    jobs: Nodes<Run>,
}

#[derive(Serialize)]
struct Numbered {
    number: i32,
}

#[derive(Serialize)]
struct Last {
    id: String,
    status: String,
}

#[derive(Serialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Serialize)]
struct Run {
    id: String,
    number: i64,
    status: String,
    duration: Option<String>,
    actor: Option<Named>,
    executions: Vec<Execution>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    attempt: i32,
    status: String,
    exit_code: Option<i32>,
    timing: Phases,
}

#[derive(Serialize)]
struct Phases {
    queued: Option<String>,
    run: Option<String>,
}

#[derive(Serialize)]
struct Events {
    events: Nodes<EventNode>,
}

/// Jobs of each event in the list.
const EACH: i64 = 5;

pub async fn nested(State(pool): State<PgPool>, headers: HeaderMap, Json(page): Json<Page>) -> Answer {
    caller(&pool, &headers).await?;
    let mut rows: Vec<EventRow> = sqlx::query_as(
        "SELECT id, name, kind, status, owner_id, version_id FROM events
         ORDER BY created_at DESC, id DESC LIMIT $1",
    )
    .bind(page.first + 1)
    .fetch_all(&pool)
    .await?;
    rows.truncate(page.first as usize);
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let versions = distinct(rows.iter().map(|row| row.version_id));
    let versions =
        sqlx::query_as::<_, (Uuid, i32)>("SELECT id, number FROM event_versions WHERE id = ANY($1)")
            .bind(versions);
    let newest = |each: i64| {
        sqlx::query_as::<_, NewestRow>(NEWEST)
            .bind(ids.clone())
            .bind(each)
            .fetch_all(&pool)
    };
    let (owners, versions, last, jobs) = tokio::try_join!(
        users(&pool, rows.iter().map(|row| row.owner_id)),
        versions.fetch_all(&pool),
        newest(1),
        newest(EACH + 1),
    )?;
    let mut of_events: HashMap<Uuid, Vec<NewestRow>> = HashMap::new();
    for job in jobs {
        let of = of_events.entry(job.event_id).or_default();
        if of.len() < EACH as usize {
            of.push(job);
        }
    }
    let jobs = || of_events.values().flatten();
    let executions = sqlx::query_as::<_, ExecutionRow>(EXECUTIONS).bind(distinct(jobs().map(|job| job.id)));
    let (actors, executions) = tokio::try_join!(
        users(&pool, jobs().filter_map(|job| job.actor_id)),
        executions.fetch_all(&pool),
    )?;
    let mut of_jobs: HashMap<Uuid, Vec<Execution>> = HashMap::new();
    for row in executions {
        let timing = Phases {
            queued: between(Some(row.queued_at), row.setup_at),
            run: between(row.started_at, row.ended_at),
        };
        of_jobs.entry(row.job_id).or_default().push(Execution {
            attempt: row.attempt,
            status: row.status,
            exit_code: row.exit_code,
            timing,
        });
    }
    let versions: HashMap<Uuid, i32> = versions.into_iter().collect();
    let mut last: HashMap<Uuid, NewestRow> = last.into_iter().map(|job| (job.event_id, job)).collect();
    let mut run = |job: NewestRow| Run {
        id: global(4, job.id),
        number: job.number,
        status: job.status,
        duration: between(job.started_at, job.finished_at),
        actor: job.actor_id.and_then(|id| actors.get(&id).cloned()),
        executions: of_jobs.remove(&job.id).unwrap_or_default(),
    };
    let node = |row: EventRow| {
        let number = *versions.get(&row.version_id)?;
        let last_job = last.remove(&row.id).map(|job| Last {
            id: global(4, job.id),
            status: job.status,
        });
        let nodes = of_events.remove(&row.id).unwrap_or_default();
        Some(EventNode {
            id: global(2, row.id),
            name: row.name,
            r#type: row.kind,
            status: row.status,
            owner: owners.get(&row.owner_id).cloned(),
            version: Numbered { number },
            last_job,
            jobs: Nodes {
                nodes: nodes.into_iter().map(&mut run).collect(),
            },
        })
    };
    let nodes = rows.into_iter().filter_map(node).collect();
    let data = Events {
        events: Nodes { nodes },
    };
    Ok(Json(Data { data }).into_response())
}
