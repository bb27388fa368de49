//! The floor of case 9: handlers that ask the same statements, written by hand, for just the columns that they
//! need, and answer the same JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use cronium_server::transport::prompt;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::{Outcome, queries_nested};

pub type At = DateTime<Utc>;
pub type Answer = Result<Response, Refused>;

/// Serves until this program ends.
pub async fn serve(pool: PgPool) -> Outcome<SocketAddr> {
    let router = Router::new()
        .route("/list", post(list))
        .route("/detail", post(queries_nested::detail))
        .route("/nested", post(queries_nested::nested))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(prompt(listener), router).await });
    Ok(address)
}

pub struct Refused(pub StatusCode);

impl From<sqlx::Error> for Refused {
    fn from(_: sqlx::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// The session that a request came with; an administrator's, as all are here.
pub async fn caller(pool: &PgPool, headers: &HeaderMap) -> Result<Uuid, Refused> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or(Refused(StatusCode::UNAUTHORIZED))?;
    let found: Option<(Uuid, Option<At>, String)> = sqlx::query_as(
        "SELECT u.id, s.last_seen_at, u.role
         FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN roles r ON r.id = u.role_id
         WHERE s.token_hash = $1 AND s.expires_at > now() AND u.status = 'ACTIVE'",
    )
    .bind(Sha256::digest(token.as_bytes()).to_vec())
    .fetch_optional(pool)
    .await?;
    match found {
        Some((user, _, role)) if role == "ADMIN" => Ok(user),
        _ => Err(Refused(StatusCode::UNAUTHORIZED)),
    }
}

pub fn global(kind: u8, id: Uuid) -> String {
    let mut bytes = [kind; 17];
    bytes[1..].copy_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn cursor(at: At, id: Uuid) -> String {
    let mut bytes = id.as_bytes().to_vec();
    // Memory takes all that is written to it.
    bytes.extend_from_slice(at.timestamp_micros().to_string().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn time(at: At) -> String {
    at.to_rfc3339()
}

/// ISO 8601, to the millisecond.
pub fn between(from: Option<At>, to: Option<At>) -> Option<String> {
    let millis = (to? - from?).num_milliseconds().max(0);
    let (hours, minutes, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let mut out = String::from("PT");
    // Writing to a String can't fail.
    if hours != 0 {
        let _ = write!(out, "{hours}H");
    }
    if minutes != 0 {
        let _ = write!(out, "{minutes}M");
    }
    if rest % 1000 != 0 {
        let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
        let _ = write!(out, "{}S", seconds.trim_end_matches('0'));
    } else if rest != 0 || out == "PT" {
        let _ = write!(out, "{}S", rest / 1000);
    }
    Some(out)
}

pub fn viewer_can(finished_at: Option<At>) -> [&'static str; 2] {
    ["READ", if finished_at.is_some() { "RETRY" } else { "CANCEL" }]
}

#[derive(Deserialize)]
pub struct Page {
    pub first: i64,
}

#[derive(Serialize, Clone)]
pub struct Named {
    name: String,
}

#[derive(Serialize, Clone)]
pub struct Titled {
    id: String,
    name: String,
}

pub async fn users(
    pool: &PgPool,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Named>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, name FROM users WHERE id = ANY($1)")
        .bind(distinct(ids))
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|(id, name)| (id, Named { name })).collect())
}

pub async fn events(
    pool: &PgPool,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Titled>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, name FROM events WHERE id = ANY($1)")
        .bind(distinct(ids))
        .fetch_all(pool)
        .await?;
    let titled = |(uuid, name)| {
        let id = global(2, uuid);
        (uuid, Titled { id, name })
    };
    Ok(rows.into_iter().map(titled).collect())
}

pub fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[derive(FromRow)]
pub struct JobRow {
    pub id: Uuid,
    pub number: i64,
    pub status: String,
    pub status_reason: Option<String>,
    pub title: String,
    pub trigger: String,
    pub actor_id: Option<Uuid>,
    pub event_id: Option<Uuid>,
    pub event_version_id: Uuid,
    pub created_at: At,
    pub started_at: Option<At>,
    pub finished_at: Option<At>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobNode {
    id: String,
    number: i64,
    status: String,
    status_reason: Option<String>,
    title: String,
    trigger: String,
    actor: Option<Named>,
    event: Option<Titled>,
    event_version: Version,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    duration: Option<String>,
    viewer_can: [&'static str; 2],
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Version {
    number: i32,
    ad_hoc: bool,
    r#type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
    has_next_page: bool,
    start_cursor: Option<String>,
    end_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    nodes: Vec<JobNode>,
    page_info: PageInfo,
}

#[derive(Serialize)]
pub struct Data<T> {
    pub data: T,
}

#[derive(Serialize)]
struct List {
    jobs: Jobs,
}

async fn list(State(pool): State<PgPool>, headers: HeaderMap, Json(page): Json<Page>) -> Answer {
    caller(&pool, &headers).await?;
    let mut rows: Vec<JobRow> = sqlx::query_as(
        "SELECT id, number, status, status_reason, title, trigger, actor_id, event_id, event_version_id, created_at,
             started_at, finished_at
         FROM jobs ORDER BY created_at DESC, id DESC LIMIT $1",
    )
    .bind(page.first + 1)
    .fetch_all(&pool)
    .await?;
    let has_next_page = rows.len() as i64 > page.first;
    rows.truncate(page.first as usize);
    let (actors, events, versions) = tokio::try_join!(
        users(&pool, rows.iter().filter_map(|row| row.actor_id)),
        events(&pool, rows.iter().filter_map(|row| row.event_id)),
        versions(&pool, rows.iter().map(|row| row.event_version_id)),
    )?;
    let position = |row: Option<&JobRow>| row.map(|row| cursor(row.created_at, row.id));
    let page_info = PageInfo {
        has_previous_page: false,
        has_next_page,
        start_cursor: position(rows.first()),
        end_cursor: position(rows.last()),
    };
    let node = |row: JobRow| {
        Some(JobNode {
            id: global(4, row.id),
            number: row.number,
            status: row.status,
            status_reason: row.status_reason,
            title: row.title,
            trigger: row.trigger,
            actor: row.actor_id.and_then(|id| actors.get(&id).cloned()),
            event: row.event_id.and_then(|id| events.get(&id).cloned()),
            event_version: versions.get(&row.event_version_id)?.clone(),
            created_at: time(row.created_at),
            started_at: row.started_at.map(time),
            finished_at: row.finished_at.map(time),
            duration: between(row.started_at, row.finished_at),
            viewer_can: viewer_can(row.finished_at),
        })
    };
    let nodes = rows.into_iter().filter_map(node).collect();
    let jobs = Jobs { nodes, page_info };
    Ok(Json(Data { data: List { jobs } }).into_response())
}

async fn versions(
    pool: &PgPool,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Version>, sqlx::Error> {
    let rows: Vec<(Uuid, i32, bool, String)> =
        sqlx::query_as("SELECT id, number, ad_hoc, kind FROM event_versions WHERE id = ANY($1)")
            .bind(distinct(ids))
            .fetch_all(pool)
            .await?;
    let version = |(id, number, ad_hoc, r#type)| {
        (
            id,
            Version {
                number,
                ad_hoc,
                r#type,
            },
        )
    };
    Ok(rows.into_iter().map(version).collect())
}
