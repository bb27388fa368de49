//! The log as a file of NDJSON, streamed in constant memory.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::TryStreamExt as _;
use serde::Deserialize;

use crate::kernel::{Error, Kernel, Op};
use crate::transport::graphql::auth::{Authenticator, Credentials, actor};

use super::service::Audit;

/// What a download needs.
#[derive(Clone)]
struct Downloads {
    kernel: Kernel,
    audit: Audit,
    auth: Arc<dyn Authenticator>,
    secure: bool,
}

/// Where to begin.
#[derive(Debug, Deserialize)]
struct From {
    #[serde(default)]
    after: i64,
}

/// `/api/audit.ndjson`, from the entry after `?after=`.
pub fn router(kernel: Kernel, audit: Audit, auth: Arc<dyn Authenticator>, secure: bool) -> Router {
    Router::new()
        .route("/api/audit.ndjson", get(download))
        .with_state(Downloads {
            kernel,
            audit,
            auth,
            secure,
        })
}

async fn download(State(state): State<Downloads>, Query(from): Query<From>, headers: HeaderMap) -> Response {
    let credentials = Credentials::of(&headers, state.secure);
    let allowed = async {
        let op = Op {
            actor: actor(state.auth.as_ref(), &credentials).await?,
            request_id: state.kernel.entropy.uuid_v7(state.kernel.now()),
            bearer: credentials.bearer.is_some(),
            denials: state.kernel.denials.clone(),
            ..Op::default()
        };
        state.audit.may_export(&op)
    };
    match allowed.await {
        Ok(()) => {}
        Err(Error::Unauthenticated) => return (StatusCode::UNAUTHORIZED, "Sign in first.\n").into_response(),
        Err(Error::Forbidden) => return (StatusCode::FORBIDDEN, "You may not do this.\n").into_response(),
        Err(other) => {
            tracing::error!(problem = other.private_text(), "an export failed");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let lines = state.audit.export(from.after);
    let body = lines.map_err(|e| std::io::Error::other(e.private_text()));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.ndjson\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Body::from_stream(body)).into_response()
}
