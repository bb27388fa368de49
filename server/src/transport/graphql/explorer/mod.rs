//! `/graphiql`: a small explorer of the API that needs no other host. Runs as the session's user.

use axum::Router;
use axum::http::header;
use axum::routing::get;

use crate::transport::files::POLICY;

const PAGE: &str = include_str!("index.html");
const SCRIPT: &str = include_str!("explorer.js");

/// The page and its script.
pub fn router() -> Router {
    let with = |media: &'static str| {
        [
            (header::CONTENT_TYPE, media),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-cache"),
        ]
    };
    Router::new()
        .route(
            "/graphiql",
            get(move || async move { (with("text/html; charset=utf-8"), PAGE) }),
        )
        .route(
            "/graphiql/explorer.js",
            get(move || async move { (with("text/javascript; charset=utf-8"), SCRIPT) }),
        )
}
