//! `GET` and `POST` of `/graphql`, by the GraphQL-over-HTTP specification.

use std::net::{IpAddr, SocketAddr};
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
use crate::kernel::{Error, Op};

use super::auth::{self, Credentials};
use super::request::{self, Parameters, Prepared, request_error};
use super::{Gateway, json};

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
}

impl Answer {
    pub fn refusal(status: StatusCode, media: Media, error: ServerError) -> Self {
        Self {
            status,
            media,
            response: GraphqlResponse::from_errors(vec![error]),
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
        response
    }
}

/// What both HTTP transports know of a request before they run it.
pub struct Incoming {
    pub op: Op,
    pub credentials: Credentials,
    pub prepared: Prepared,
}

/// The address of the peer, when the server knows it.
pub fn client(parts: &Parts) -> Option<IpAddr> {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| address.ip())
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
    /// Everything up to running it: media type, size, parameters, caller, forged requests, limits.
    pub async fn incoming(&self, request: Request, media: Media, op: &Op) -> Result<Incoming, Answer> {
        let (mut parts, body) = request.into_parts();
        let bad = |message: String| {
            Answer::refusal(
                StatusCode::BAD_REQUEST,
                media,
                request_error("BAD_REQUEST", message),
            )
        };
        let credentials = Credentials::of(&parts.headers, self.origins.secure);
        let post = parts.method == Method::POST;
        if post && credentials.ambient() && !self.origins.post_is_ours(&parts.headers) {
            let message = "This page may not use the session: send a token, or call from our own origin.";
            let error = request_error("FORBIDDEN", message);
            return Err(Answer::refusal(StatusCode::FORBIDDEN, media, error));
        }
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
        let actor = auth::actor(&*self.auth, &credentials).await.map_err(|error| {
            let status = match &error {
                Error::Unauthenticated => StatusCode::UNAUTHORIZED,
                Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Answer::refusal(status, media, request::refused(op, error))
        })?;
        let prepared = self.prepare(parameters, &actor).map_err(|error| {
            let status = match media {
                Media::Json => StatusCode::OK,
                Media::Graphql => StatusCode::BAD_REQUEST,
            };
            Answer::refusal(status, media, error)
        })?;
        if !post && prepared.kind == OperationType::Mutation {
            let error = request_error("BAD_REQUEST", "GET only reads: send a mutation by POST.");
            return Err(Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, media, error));
        }
        let op = Op {
            actor,
            bearer: credentials.bearer.is_some(),
            ..op.clone()
        };
        Ok(Incoming {
            op,
            credentials,
            prepared,
        })
    }

    async fn answer(&self, incoming: Incoming, media: Media, cookies: ResponseCookies) -> Answer {
        if incoming.prepared.kind == OperationType::Subscription {
            let message = "Subscribe at /graphql/ws (WebSocket) or at /graphql/stream (server-sent events).";
            let error = request_error("BAD_REQUEST", message);
            return Answer::refusal(StatusCode::BAD_REQUEST, media, error);
        }
        let id = incoming.op.request_id;
        let op = incoming.op.clone();
        let request = incoming.prepared.request.data(incoming.op).data(cookies);
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
        request::coded(&mut response, id);
        let status = if media == Media::Graphql && request::ran_nothing(&response) {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        Answer {
            status,
            media,
            response,
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
    let op = Op {
        user_agent: user_agent(&parts),
        ..gateway.op(crate::kernel::Actor::Anonymous, client(&parts), false)
    };
    let request = Request::from_parts(parts, body);
    let id = op.request_id;
    let span = tracing::info_span!("graphql", request_id = %id);
    let cookies = gateway.cookies();
    let answer = async {
        let Some(media) = Media::negotiate(request.headers()) else {
            let error = request_error("BAD_REQUEST", "The answer is JSON: accept it.");
            return Answer::refusal(StatusCode::NOT_ACCEPTABLE, Media::Json, error);
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
