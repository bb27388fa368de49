//! The runtime API as HTTP, for scripts with a network: the same calls as over the local socket, with a token.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use cronium_protocol::runtime::{MAX_BODY, PREFIX, Request};

use crate::runtime::{Caller, Failure, Runtime, document};

use super::graphql::auth::bearer;

/// `/runtime/v1/…`.
pub fn router(runtime: Runtime) -> Router {
    Router::new()
        .route(&format!("{PREFIX}/openapi.json"), get(describe))
        .route(&format!("{PREFIX}/{{*call}}"), any(call))
        .layer(DefaultBodyLimit::disable())
        .with_state(runtime)
}

async fn describe() -> axum::Json<serde_json::Value> {
    axum::Json(document())
}

async fn call(
    State(runtime): State<Runtime>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer);
    let Some(token) = token else {
        return failed(&Failure::NotRunning);
    };
    // Who it is comes before how much is read.
    let body = match runtime.may_call(&token) {
        Ok(()) => axum::body::to_bytes(body, MAX_BODY).await,
        Err(failure) => return failed(&failure),
    };
    let Ok(body) = body else {
        return failed(&Failure::TooLarge(format!(
            "A body has at most {MAX_BODY} bytes."
        )));
    };
    let request = Request {
        number: 0,
        settled: 0,
        method: method.as_str().into(),
        path: uri.path().into(),
        body: body.into(),
    };
    let reply = runtime.answer(Caller::Bearer(&token), &request).await;
    respond(reply.status, reply.body)
}

fn failed(failure: &Failure) -> Response {
    respond(failure.status(), failure.body().to_string().into_bytes())
}

fn respond(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Bytes::from(body)).into_response()
}
