//! `GET` and `POST` of `/graphql`, by the GraphQL-over-HTTP specification.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts as _, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::kernel::api::ResponseCookies;
use crate::kernel::{Actor, Error, Op};

use super::auth::{self, Credentials};
use super::documents::NOT_LISTED;
use super::parameters::Parameters;
use super::request::{self, Prepared, request_error};
use super::{Gateway, json};
use crate::rate::Balance;

/// How long a query or mutation may take; `runEvent` may wait for a minute of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// The media type of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    Graphql,
}

impl Media {
    fn text(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Graphql => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// The best of what the client accepts; None when it accepts neither.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::ACCEPT).iter();
        let accept: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
        if accept.is_empty() {
            return Some(Self::Json);
        }
        let mut best: Option<(f32, Self)> = None;
        for range in accept.iter().flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => Self::Graphql,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = parts
                .find_map(|p| p.strip_prefix("q=")?.parse().ok())
                .unwrap_or(1.0_f32);
            let better = best.is_none_or(|(q, m)| quality > q || (quality >= q && m == Self::Json));
            if quality > 0.0 && better {
                best = Some((quality, media));
            }
        }
        best.map(|(_, media)| media)
    }
}

/// A refusal of the transport, or an answer of the engine.
pub struct Answer {
    pub status: StatusCode,
    pub media: Media,
    pub response: GraphqlResponse,
    /// The caller's bucket, where there is one.
    pub balance: Option<Balance>,
}

impl Answer {
    pub fn refusal(status: StatusCode, media: Media, error: ServerError) -> Self {
        Self {
            status,
            media,
            response: GraphqlResponse::from_errors(vec![error]),
            balance: None,
        }
    }

    pub fn into_response(self) -> Response {
        let body = json::response(&self.response);
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media.text()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if let Some(balance) = self.balance {
            rate_headers(headers, &balance);
        }
        response
    }
}

/// What every answer says of the caller's bucket.
pub fn rate_headers(headers: &mut HeaderMap, balance: &Balance) {
    let reset = balance.reset_at.timestamp_micros().max(0).unsigned_abs();
    for (name, value) in [
        ("x-ratelimit-limit", balance.limit),
        ("x-ratelimit-remaining", balance.remaining),
        ("x-ratelimit-used", balance.used()),
        ("x-ratelimit-reset", reset.div_ceil(1_000_000)),
    ] {
        headers.insert(name, HeaderValue::from(value));
    }
    if let Some(seconds) = balance.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// What both HTTP transports know of a request before they run it.
pub struct Incoming {
    pub op: Op,
    pub credentials: Credentials,
    pub prepared: Prepared,
    pub balance: Option<Balance>,
}

/// What the client says it is.
fn user_agent(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(header::USER_AGENT)?;
    value.to_str().ok().map(str::to_owned)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let Some(value) = value else { return false };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let json = parts.next().as_deref() == Some("application/json");
    json && parts.all(|p| {
        p.strip_prefix("charset=")
            .is_none_or(|c| c.trim_matches('"') == "utf-8")
    })
}

impl Gateway {
    /// A new operation of somebody who is not known yet.
    pub fn asked(&self, parts: &Parts) -> Op {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = info.map(|ConnectInfo(address)| address.ip());
        let client = self.proxies.client(peer, &parts.headers);
        Op {
            user_agent: user_agent(parts),
            ..self.op(Actor::Anonymous, client, false)
        }
    }

    /// Lets a browser through a door that is not GraphQL, for a cost; or answers that it comes too often.
    pub async fn admit(&self, parts: &Parts, cost: u64) -> Result<Op, Response> {
        let op = self.asked(parts);
        let balance = self.charge(&op, cost).await;
        let Some(balance) = balance.filter(|balance| balance.wait.is_some()) else {
            return Ok(op);
        };
        let message = "Too many attempts: try again shortly.\n";
        let mut response = (StatusCode::TOO_MANY_REQUESTS, message).into_response();
        rate_headers(response.headers_mut(), &balance);
        Err(response)
    }

    /// Whether people come by https.
    pub fn secure(&self) -> bool {
        self.origins.secure
    }

    /// Everything up to running it: caller, forged requests, media type, size, parameters, limits, rate. What
    /// is refused costs the caller as much as the cheapest operation.
    pub async fn incoming(&self, request: Request, media: Media, op: &Op) -> Result<Incoming, Answer> {
        let (parts, body) = request.into_parts();
        let credentials = Credentials::of(&parts.headers, self.origins.secure);
        let mut op = Op {
            bearer: credentials.bearer.is_some(),
            ..op.clone()
        };
        let prepared = match self.caller(&parts, &credentials, media, &op).await {
            Ok(actor) => {
                op.actor = actor;
                self.document(parts, body, media, &op).await
            }
            Err(refusal) => Err(refusal),
        };
        let cost = prepared.as_ref().map_or(1, |prepared| prepared.cost);
        let balance = self.charge(&op, cost).await;
        if let Some(balance) = balance.filter(|balance| balance.wait.is_some()) {
            let error = request::limited(&balance);
            let refusal = Answer::refusal(StatusCode::TOO_MANY_REQUESTS, media, error);
            return Err(Answer {
                balance: Some(balance),
                ..refusal
            });
        }
        match prepared {
            Ok(prepared) => Ok(Incoming {
                op,
                credentials,
                prepared,
                balance,
            }),
            Err(refusal) => Err(Answer { balance, ..refusal }),
        }
    }

    /// Who asks, unless another page makes them.
    async fn caller(
        &self,
        parts: &Parts,
        credentials: &Credentials,
        media: Media,
        op: &Op,
    ) -> Result<Actor, Answer> {
        let post = parts.method == Method::POST;
        if post && credentials.ambient() && !self.origins.post_is_ours(&parts.headers) {
            let message = "This page may not use the session: send a token, or call from our own origin.";
            let error = request_error("FORBIDDEN", message);
            return Err(Answer::refusal(StatusCode::FORBIDDEN, media, error));
        }
        auth::actor(&*self.auth, credentials).await.map_err(|error| {
            let status = match &error {
                Error::Unauthenticated => StatusCode::UNAUTHORIZED,
                Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Answer::refusal(status, media, request::refused(op, error))
        })
    }

    async fn document(
        &self,
        mut parts: Parts,
        body: Body,
        media: Media,
        op: &Op,
    ) -> Result<Prepared, Answer> {
        let bad = |message: String| {
            Answer::refusal(
                StatusCode::BAD_REQUEST,
                media,
                request_error("BAD_REQUEST", message),
            )
        };
        let post = parts.method == Method::POST;
        let parameters = if post {
            if !is_json(&parts.headers) {
                let error = request_error("BAD_REQUEST", "Send `content-type: application/json`.");
                return Err(Answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, error));
            }
            let most = self.limits.body;
            let bytes = read(body, most).await.map_err(|status| {
                let message = format!("The body can't be read, or is larger than {most} bytes.");
                Answer::refusal(status, media, request_error("BAD_REQUEST", message))
            })?;
            let json = serde_json::from_slice(&bytes).map_err(|_| bad("The body must be JSON.".into()))?;
            Parameters::from_json(json)
        } else {
            let pairs = Query::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
            let Query(pairs) = pairs.map_err(|_| bad("The query string can't be read.".into()))?;
            Parameters::from_pairs(pairs)
        }
        .map_err(bad)?;
        let prepared = self.prepare(parameters, &op.actor).map_err(|error| {
            let status = match media {
                Media::Json if !request::has_code(&error, NOT_LISTED) => StatusCode::OK,
                _ => StatusCode::BAD_REQUEST,
            };
            Answer::refusal(status, media, error)
        })?;
        if !post && prepared.kind == OperationType::Mutation {
            let error = request_error("BAD_REQUEST", "GET only reads: send a mutation by POST.");
            return Err(Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, media, error));
        }
        Ok(prepared)
    }

    async fn answer(&self, incoming: Incoming, media: Media, cookies: ResponseCookies) -> Answer {
        let balance = incoming.balance;
        let answer = self.run(incoming, media, cookies).await;
        Answer { balance, ..answer }
    }

    async fn run(&self, incoming: Incoming, media: Media, cookies: ResponseCookies) -> Answer {
        if incoming.prepared.kind == OperationType::Subscription {
            let message = "Subscribe at /graphql/ws (WebSocket) or at /graphql/stream (server-sent events).";
            let error = request_error("BAD_REQUEST", message);
            return Answer::refusal(StatusCode::BAD_REQUEST, media, error);
        }
        let op = incoming.op.clone();
        let asked = incoming.prepared.asked;
        let request = incoming.prepared.request.data(incoming.op).data(cookies);
        let request = request::with_balance(request, incoming.balance);
        let run = AssertUnwindSafe(self.engine.execute(request)).catch_unwind();
        let mut response = match tokio::time::timeout(PATIENCE, run).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => {
                let error = request::panicked(&op, &*panic);
                return Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, media, error);
            }
            Err(_) => {
                let error = request::refused(&op, Error::Unavailable("the request took too long".into()));
                return Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, media, error);
            }
        };
        self.finish(&mut response, &op, &asked);
        let status = if media == Media::Graphql && request::ran_nothing(&response) {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        Answer {
            status,
            media,
            response,
            balance: None,
        }
    }
}

async fn read(body: Body, most: usize) -> Result<axum::body::Bytes, StatusCode> {
    axum::body::to_bytes(body, most).await.map_err(|error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            if cause.is::<http_body_util::LengthLimitError>() {
                return StatusCode::PAYLOAD_TOO_LARGE;
            }
            source = cause.source();
        }
        StatusCode::BAD_REQUEST
    })
}

/// `GET` and `POST /graphql`.
pub async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let op = gateway.asked(&parts);
    let request = Request::from_parts(parts, body);
    let id = op.request_id;
    let span = tracing::info_span!("graphql", request_id = %id);
    let cookies = gateway.cookies();
    let answer = async {
        let Some(media) = Media::negotiate(request.headers()) else {
            let error = request_error("BAD_REQUEST", "The answer is JSON: accept it.");
            let refusal = Answer::refusal(StatusCode::NOT_ACCEPTABLE, Media::Json, error);
            let balance = gateway.charge(&op, 1).await;
            return Answer { balance, ..refusal };
        };
        match gateway.incoming(request, media, &op).await {
            Ok(incoming) => gateway.answer(incoming, media, cookies.clone()).await,
            Err(refusal) => refusal,
        }
    };
    let mut response = answer.instrument(span).await.into_response();
    for cookie in cookies.take() {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
