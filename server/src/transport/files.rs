//! The built dashboard: static files, compressed beforehand, and the one page for all of its routes.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

/// What pages of ours may load: only from us.
pub const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cronium</title>\
<h1>The dashboard has not been built</h1>\
<p>The server runs, and the API answers at <code>/graphql</code>. Build the dashboard with \
<code>scripts/web-build.sh</code> and load this page again, or explore the API at \
<a href=\"/graphiql\">/graphiql</a>.</p></html>";

/// Everything that no other route takes.
pub fn router(directory: &Path) -> Router {
    Router::new().fallback_service(get(handle).with_state(directory.to_owned()))
}

/// A name made of its content: one part of it is eight or more hex digits.
fn hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(['-', '.', '_'])
        .any(|part| part.len() >= 8 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Routes of the dashboard, which are all the same page.
fn is_page(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "" | "en" | "es")
}

async fn file(directory: &Path, mut request: Request, path: &str) -> Response {
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    let files = ServeDir::new(directory)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    match files.oneshot(request).await {
        Ok(response) => response.map(axum::body::Body::new),
        Err(never) => match never {},
    }
}

async fn handle(State(directory): State<PathBuf>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let page = is_page(&path);
    let wanted = if page { "/index.html" } else { path.as_str() };
    let mut response = file(&directory, request, wanted).await;
    if page && response.status() == StatusCode::NOT_FOUND {
        let media = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        response = (StatusCode::SERVICE_UNAVAILABLE, media, NOT_BUILT).into_response();
    }
    let immutable = !page && response.status().is_success() && hashed(&path);
    guard(response.headers_mut(), immutable);
    response
}

fn guard(headers: &mut HeaderMap, immutable: bool) {
    let caching = if immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    for (name, value) in [
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::{hashed, is_page};

    #[test]
    fn only_names_made_of_content_are_kept_for_ever() {
        assert!(hashed("/assets/app-0f1e2d3c4b5a.js"));
        assert!(hashed("/app_bg-0123456789ab.wasm"));
        assert!(!hashed("/favicon.svg"));
        assert!(!hashed("/index.html"));
    }

    #[test]
    fn pages_are_the_root_and_the_languages() {
        assert!(is_page("/") && is_page("/en") && is_page("/es/jobs/1"));
        assert!(!is_page("/english") && !is_page("/assets/app.js"));
    }
}
