//! The doors that browsers come through: one to the provider, one back. They answer with redirects only.

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::kernel::Error;
use crate::kernel::api::ResponseCookies;
use crate::transport::graphql::Gateway;

use super::flow::{AWAY, language};
use super::service::{Answer, Arrived, CALLBACK, Oidc, START, Unsigned};

/// What passing a door costs of the caller's bucket: a provider is asked for each.
const COST: u64 = 300;

/// `/auth/oidc/start` and `/auth/oidc/callback`.
pub fn router(oidc: Oidc, gateway: Gateway) -> Router {
    Router::new()
        .route(START, get(start))
        .route(CALLBACK, get(come_back))
        .with_state(Doors { oidc, gateway })
}

#[derive(Clone)]
struct Doors {
    oidc: Oidc,
    gateway: Gateway,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartQuery {
    return_to: Option<String>,
    locale: Option<String>,
}

#[derive(Deserialize)]
struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Name of the cookie; `__Host-` binds it to the host and to https.
fn cookie_name(secure: bool) -> &'static str {
    if secure {
        "__Host-cronium-oidc"
    } else {
        "cronium-oidc"
    }
}

/// Lax: the browser comes back from another site.
fn cookie(value: &str, seconds: i64, secure: bool) -> String {
    let name = cookie_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

fn carried(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == cookie_name(secure))
        .map(|(_, value)| value)
}

/// On to another page; nothing of this answer is kept, and no page learns the address it came from.
fn onward(to: &str, cookies: Vec<String>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let Ok(to) = HeaderValue::from_str(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    headers.insert(header::LOCATION, to);
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    response
}

fn sign_in_page(locale: &str, why: &str) -> String {
    format!("/{locale}/sign-in?error={why}")
}

/// For what is no refusal but ours to mend.
fn broken(error: &Error) -> &'static str {
    tracing::error!(problem = error.private_text(), "a sign-in by the provider failed");
    "FAILED"
}

async fn start(State(doors): State<Doors>, Query(query): Query<StartQuery>, request: Request) -> Response {
    let locale = language(query.locale.as_deref());
    let (parts, _) = request.into_parts();
    if let Err(busy) = doors.gateway.admit(&parts, COST).await {
        return busy;
    }
    match doors.oidc.begin(query.return_to.as_deref(), locale).await {
        Ok(Ok((url, away))) => onward(&url, vec![cookie(&away, AWAY, doors.gateway.secure())]),
        Ok(Err(why)) => onward(&sign_in_page(locale, why.name()), Vec::new()),
        Err(error) => onward(&sign_in_page(locale, broken(&error)), Vec::new()),
    }
}

async fn come_back(
    State(doors): State<Doors>,
    Query(query): Query<CallbackQuery>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let op = match doors.gateway.admit(&parts, COST).await {
        Ok(op) => op,
        Err(busy) => return busy,
    };
    let secure = doors.gateway.secure();
    let away = doors.oidc.away(carried(&parts.headers, secure));
    let locale = language(away.as_ref().map(|away| away.locale.as_str()));
    let answer = Answer {
        state: query.state,
        code: query.code,
        error: query.error,
        issuer: query.iss,
    };
    let gone = cookie("", 0, secure);
    match doors.oidc.finish(&op, away.as_ref(), answer).await {
        Ok(Ok(Arrived::SignedIn(signed_in))) => {
            let cookies = ResponseCookies::new(secure);
            cookies.session(Some(&signed_in.token), signed_in.expires_at);
            let back = away.map_or_else(|| format!("/{locale}"), |away| away.back);
            onward(&back, [vec![gone], cookies.take()].concat())
        }
        Ok(Ok(Arrived::OwesCode(proof))) => {
            let back = away.map(|away| away.back).unwrap_or_default();
            // Behind `#`, so that it is in no log and goes to nobody else.
            let page = format!("/{locale}/sign-in?back={}#proof={proof}", encoded(&back));
            onward(&page, vec![gone])
        }
        // Another tab's answer, or none of ours: the sign-in that this browser began may still come back.
        Ok(Err(why @ Unsigned::Stale)) => onward(&sign_in_page(locale, why.name()), Vec::new()),
        Ok(Err(why)) => onward(&sign_in_page(locale, why.name()), vec![gone]),
        Err(error) => onward(&sign_in_page(locale, broken(&error)), vec![gone]),
    }
}

fn encoded(text: &str) -> String {
    openidconnect::url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
