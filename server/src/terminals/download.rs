//! A recording as a file, streamed in constant memory.

use std::sync::Arc;

use async_graphql::ID;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};

use crate::kernel::ids::TerminalId;
use crate::kernel::{Error, Op, Result};
use crate::transport::graphql::auth::{Authenticator, Credentials, actor};

use super::limits::{PAGE, PAGE_BYTES};
use super::recording::Cast;
use super::service::Terminals;
use super::sight::Sight;
use super::store::TerminalRow;
use super::store::pieces::{self, Most, Piece};

/// What a download needs.
#[derive(Clone)]
struct Downloads {
    terminals: Terminals,
    auth: Arc<dyn Authenticator>,
    secure: bool,
}

/// Where the recording of a terminal is.
pub fn path(id: TerminalId) -> String {
    format!("/api/terminals/{}/recording.cast", id.global().as_str())
}

/// `/api/terminals/{id}/recording.cast`.
pub fn router(terminals: Terminals, auth: Arc<dyn Authenticator>, secure: bool) -> Router {
    Router::new()
        .route("/api/terminals/{id}/recording.cast", get(download))
        .with_state(Downloads {
            terminals,
            auth,
            secure,
        })
}

async fn download(State(state): State<Downloads>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (sight, row) = match open(&state, &id, &headers).await {
        Ok(found) => found,
        Err(Error::NotFound(_)) => {
            return (StatusCode::NOT_FOUND, "There is no such recording.\n").into_response();
        }
        Err(Error::Unauthenticated) => return (StatusCode::UNAUTHORIZED, "Sign in first.\n").into_response(),
        Err(Error::Forbidden) => return (StatusCode::FORBIDDEN, "You may not do this.\n").into_response(),
        Err(other) => {
            tracing::error!(problem = other.private_text(), "a download failed");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let lines = lines(state.terminals, sight, row).map_err(|e| std::io::Error::other(e.private_text()));
    let headers = [
        (header::CONTENT_TYPE, "application/x-asciicast"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"recording.cast\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

async fn open(state: &Downloads, id: &str, headers: &HeaderMap) -> Result<(Sight, TerminalRow)> {
    let credentials = Credentials::of(headers, state.secure);
    let kernel = &state.terminals.kernel;
    let op = Op {
        actor: actor(state.auth.as_ref(), &credentials).await?,
        request_id: kernel.entropy.uuid_v7(kernel.now()),
        bearer: credentials.bearer.is_some(),
        denials: kernel.denials.clone(),
        ..Op::default()
    };
    let id = TerminalId::parse(&ID(id.to_owned()))?;
    state.terminals.watch(&op, id).await
}

/// What is recorded so far, some pieces at a time.
fn lines(terminals: Terminals, sight: Sight, row: TerminalRow) -> impl Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut pieces = page(&terminals, &sight, &row, 0).await?;
        let (mut cast, mut text) = Cast::begin(&row, pieces.first());
        while let Some(last) = pieces.last() {
            let after = last.seq;
            text.extend(pieces.iter().filter_map(|piece| cast.line(piece)));
            yield Bytes::from(std::mem::take(&mut text));
            pieces = page(&terminals, &sight, &row, after).await?;
        }
        text.extend(cast.end());
        yield Bytes::from(text);
    }
}

async fn page(terminals: &Terminals, sight: &Sight, row: &TerminalRow, after: i64) -> Result<Vec<Piece>> {
    let most = Most {
        pieces: PAGE,
        bytes: PAGE_BYTES,
    };
    let (pool, id) = (&terminals.kernel.pool, TerminalId(row.id));
    let found = pieces::after(pool, sight, id, after, most, true).await?;
    Ok(found.map(|found| found.pieces).unwrap_or_default())
}
