//! `/graphql/stream`: graphql-sse in its distinct connections mode, one operation a request.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Response as GraphqlResponse;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};
use tokio::sync::broadcast::Receiver;

use crate::kernel::signals::Access;

use super::http::{Answer, Incoming, Media, rate_headers};
use super::request;
use super::{Gateway, json, ws};

const KEEP_ALIVE: Duration = Duration::from_secs(12);

fn next(response: &async_graphql::Response) -> Event {
    Event::default().event("next").data(json::response(response))
}

/// With data, because browsers drop an event that has none.
fn complete() -> Event {
    Event::default().event("complete").data("null")
}

/// Runs the operation until it ends, or the session does.
fn events(
    gateway: Gateway,
    incoming: Incoming,
    changes: Receiver<Access>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let Incoming {
        op,
        credentials,
        prepared,
        balance,
    } = incoming;
    let actor = op.actor;
    let request = prepared.request.data(op.clone()).data(gateway.cookies());
    let request = request::with_balance(request, balance);
    let responses = gateway.engine.execute_stream(request);
    let responses = request::guarded(gateway.clone(), responses, op, prepared.asked);
    let ended = ws::session_end(gateway, credentials, actor, changes);
    let responses = responses
        .map(|response| next(&response.unwrap_or_else(|error| GraphqlResponse::from_errors(vec![error]))));
    let responses = responses.take_until(ended);
    let last = futures::stream::once(async { complete() });
    responses.chain(last).map(Ok)
}

/// `GET` and `POST /graphql/stream`.
pub async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let op = gateway.asked(&parts);
    let id = op.request_id;
    let changes = gateway.kernel.signals.access();
    let incoming = gateway
        .incoming(Request::from_parts(parts, body), Media::Graphql, &op)
        .await;
    let balance = match &incoming {
        Ok(incoming) => incoming.balance,
        Err(refusal) => refusal.balance,
    };
    let mut response = match incoming {
        Ok(incoming) => Sse::new(events(gateway, incoming, changes))
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text(""))
            .into_response(),
        // The document is at fault, not the transport: the stream says so.
        Err(Answer { status, response, .. }) if status == StatusCode::BAD_REQUEST => {
            let only = [next(&response), complete()];
            Sse::new(futures::stream::iter(only.map(Ok::<_, Infallible>))).into_response()
        }
        Err(refusal) => refusal.into_response(),
    };
    if let Some(balance) = balance {
        rate_headers(response.headers_mut(), &balance);
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
