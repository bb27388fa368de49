//! GraphQL over HTTP, WebSocket and server-sent events, with its limits and its explorer. Knows how to
//! carry a request, not what it means.

pub mod auth;
pub mod batches;
mod completion;
pub mod documents;
pub mod engine;
mod explorer;
pub mod http;
pub mod introspection;
mod json;
mod lexer;
pub mod limits;
mod parameters;
mod parsed;
pub mod proxies;
mod request;
mod shapes;
mod sse;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::get;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::kernel::{Kernel, Result};

use crate::rate::{Allowances, Buckets, LocalBuckets, Rates};
use auth::{Authenticator, Origins};
use documents::Documents;
use engine::Engine;
use introspection::Introspection;
use limits::Limits;
use parsed::Parsed;
use proxies::Proxies;
use shapes::Shapes;

/// How a gateway is set up.
#[derive(Debug, Default)]
pub struct Settings {
    pub origins: Origins,
    pub limits: Limits,
    pub introspection: Introspection,
    pub documents: Documents,
    pub rates: Rates,
    /// Whose rate is their own; None: nobody's.
    pub allowances: Option<Arc<dyn Allowances>>,
    pub proxies: Proxies,
    /// Where buckets are; None: in this process.
    pub buckets: Option<Arc<dyn Buckets>>,
}

/// What carries requests to the schema.
#[derive(Clone)]
pub struct Gateway {
    kernel: Kernel,
    engine: Arc<dyn Engine>,
    shapes: Arc<Shapes>,
    auth: Arc<dyn Authenticator>,
    origins: Arc<Origins>,
    limits: Arc<Limits>,
    introspection: Introspection,
    documents: Arc<Documents>,
    parsed: Arc<Parsed>,
    rates: Rates,
    allowances: Option<Arc<dyn Allowances>>,
    proxies: Arc<Proxies>,
    buckets: Arc<dyn Buckets>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Fails when the schema's text can't be read.
    pub fn new(
        kernel: Kernel,
        engine: Arc<dyn Engine>,
        auth: Arc<dyn Authenticator>,
        settings: Settings,
    ) -> Result<Self> {
        let clock = Arc::clone(&kernel.clock);
        let buckets = settings.buckets;
        Ok(Self {
            buckets: buckets.unwrap_or_else(|| Arc::new(LocalBuckets::new(clock))),
            kernel,
            shapes: Arc::new(Shapes::of(&engine.sdl())?),
            engine,
            auth,
            origins: Arc::new(settings.origins),
            limits: Arc::new(settings.limits),
            introspection: settings.introspection,
            documents: Arc::new(settings.documents),
            parsed: Arc::default(),
            rates: settings.rates,
            allowances: settings.allowances,
            proxies: Arc::new(settings.proxies),
        })
    }
}

/// Headers of answers that pages of other origins may read.
const EXPOSED: [&str; 6] = [
    "x-request-id",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-used",
    "x-ratelimit-reset",
    "retry-after",
];

/// `/graphql`, `/graphql/ws`, `/graphql/stream` and `/graphiql`.
pub fn router(gateway: Gateway) -> Router {
    let allowed = gateway.origins.allowed.iter();
    let allowed: Vec<_> = allowed.filter_map(|o| HeaderValue::from_str(o).ok()).collect();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT])
        .expose_headers(EXPOSED.map(HeaderName::from_static));
    // The explorer sends whatever is typed.
    let explorer = if gateway.documents.closed() {
        Router::new()
    } else {
        explorer::router()
    };
    Router::new()
        .route("/graphql", get(http::handle).post(http::handle))
        .route("/graphql/stream", get(sse::handle).post(sse::handle))
        .layer(cors)
        .route("/graphql/ws", get(ws::handle))
        .with_state(gateway)
        .merge(explorer)
}
