//! A log as a file: plain text or NDJSON, streamed in constant memory.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::ID;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use cronium_protocol::log::{Line, Stream as LineStream};
use serde::Serialize;

use crate::jobs::Jobs;
use crate::kernel::clock::from_micros;
use crate::kernel::ids::ExecutionId;
use crate::kernel::{Error, Kernel, Op};
use crate::transport::graphql::auth::{Authenticator, Credentials, actor};

use super::clean::clean;
use super::service::Logs;

/// What a download needs.
#[derive(Clone)]
struct Downloads {
    kernel: Kernel,
    logs: Logs,
    jobs: Jobs,
    auth: Arc<dyn Authenticator>,
    secure: bool,
}

/// `/api/executions/{id}/log.txt` and `log.ndjson`.
pub fn router(kernel: Kernel, logs: Logs, jobs: Jobs, auth: Arc<dyn Authenticator>, secure: bool) -> Router {
    Router::new()
        .route("/api/executions/{id}/{file}", get(download))
        .with_state(Downloads {
            kernel,
            logs,
            jobs,
            auth,
            secure,
        })
}

fn text_line(line: Line) -> String {
    let mut text = clean(&line.text).into_owned();
    text.push('\n');
    text
}

/// A line of NDJSON.
#[derive(Serialize)]
struct Row<'a> {
    seq: u64,
    at: String,
    stream: &'static str,
    text: Cow<'a, str>,
}

fn json_line(line: Line) -> String {
    let stream = match line.stream {
        LineStream::Stdout => "STDOUT",
        LineStream::Stderr => "STDERR",
        LineStream::System => "SYSTEM",
    };
    let row = Row {
        seq: line.seq,
        at: from_micros(line.at_us).to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        stream,
        text: clean(&line.text),
    };
    let mut text = serde_json::to_string(&row).unwrap_or_default();
    text.push('\n');
    text
}

async fn download(
    State(state): State<Downloads>,
    Path((id, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let (format, media): (fn(Line) -> String, _) = match file.as_str() {
        "log.txt" => (text_line, "text/plain; charset=utf-8"),
        "log.ndjson" => (json_line, "application/x-ndjson"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let execution = match open(&state, &id, &headers).await {
        Ok(execution) => execution,
        Err(Error::NotFound(_)) => return (StatusCode::NOT_FOUND, "There is no such log.\n").into_response(),
        Err(Error::Unauthenticated) => return (StatusCode::UNAUTHORIZED, "Sign in first.\n").into_response(),
        Err(Error::Forbidden) => return (StatusCode::FORBIDDEN, "You may not do this.\n").into_response(),
        Err(other) => {
            tracing::error!(problem = other.private_text(), "a download failed");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let logs = state.logs;
    let body = async_stream::try_stream! {
        let mut after = 0;
        loop {
            let lines = logs.read(execution, after).await.map_err(|e| std::io::Error::other(e.private_text()))?;
            let Some(last) = lines.last() else { return };
            after = last.seq;
            let text: String = lines.into_iter().map(format).collect();
            yield Bytes::from(text);
        }
    };
    let body: std::pin::Pin<Box<dyn futures::Stream<Item = std::io::Result<Bytes>> + Send>> = Box::pin(body);
    let disposition = format!("attachment; filename=\"{file}\"");
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Body::from_stream(body)).into_response()
}

async fn open(state: &Downloads, id: &str, headers: &HeaderMap) -> Result<ExecutionId, Error> {
    let credentials = Credentials::of(headers, state.secure);
    let op = Op {
        actor: actor(state.auth.as_ref(), &credentials).await?,
        request_id: state.kernel.entropy.uuid_v7(state.kernel.now()),
        bearer: credentials.bearer.is_some(),
        denials: state.kernel.denials.clone(),
        ..Op::default()
    };
    let execution = ExecutionId::parse(&ID(id.to_owned()))?;
    state.logs.authorised(&state.jobs, &op, execution).await?;
    Ok(execution)
}
