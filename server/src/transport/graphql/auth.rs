//! Who calls, and from which page: credentials, origins, and the rules against forged requests. Knows
//! no session store: it is given an `Authenticator`.

use axum::http::{HeaderMap, header};
use futures::future::BoxFuture;

use crate::identity::Identity;
use crate::kernel::api::session_cookie;
use crate::kernel::{Actor, Error, Result};

/// What a request brought to prove who sends it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub bearer: Option<String>,
    pub cookie: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("bearer", &self.bearer.is_some())
            .field("cookie", &self.cookie.is_some())
            .finish()
    }
}

/// Turns credentials into an actor.
pub trait Authenticator: Send + Sync {
    /// No credentials: anonymous. Wrong ones: `Unauthenticated`.
    fn authenticate(&self, credentials: &Credentials) -> BoxFuture<'_, Result<Actor>>;
}

impl Authenticator for Identity {
    fn authenticate(&self, credentials: &Credentials) -> BoxFuture<'_, Result<Actor>> {
        let Credentials { bearer, cookie } = credentials.clone();
        Box::pin(async move {
            match (bearer, cookie) {
                (Some(secret), _) => Identity::authenticate(self, &secret).await,
                // A browser adds its cookies by itself: they hold sessions, never API tokens.
                (None, Some(secret)) => self.by_session(&secret).await,
                (None, None) => Ok(Actor::Anonymous),
            }
        })
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter.
pub fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().to_owned())
}

impl Credentials {
    pub fn of(headers: &HeaderMap, secure: bool) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &axum::http::HeaderValue| v.to_str().ok())
        };
        let name = session_cookie(secure);
        let cookie = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value.to_owned());
        Self {
            bearer: text(header::AUTHORIZATION).and_then(bearer),
            cookie,
        }
    }

    /// Whether the browser adds what identifies the caller, so that a foreign page could make it do so.
    pub fn ambient(&self) -> bool {
        self.bearer.is_none() && self.cookie.is_some()
    }
}

/// Which pages are ours, and which others may call.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Scheme, host and port that people use, when it is not what `Host` says.
    pub public: Option<String>,
    /// Other origins that may call with a bearer token.
    pub allowed: Vec<String>,
    /// Whether people come by https.
    pub secure: bool,
}

/// `https://host:port` of an address, without path.
pub fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest
        .split(['/', '?', '#'])
        .next()
        .filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}

impl Origins {
    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.public.as_deref() == Some(origin.as_str()) {
            return true;
        }
        let scheme = if self.secure { "https" } else { "http" };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| origin == format!("{scheme}://{host}").to_ascii_lowercase())
    }

    /// Whether a request that changes things may use the cookie it came with.
    pub fn post_is_ours(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match headers.get(header::ORIGIN) {
            Some(origin) => origin.to_str().is_ok_and(|origin| self.is_own(origin, headers)),
            None => matches!(text("sec-fetch-site"), Some("same-origin" | "none")),
        }
    }

    /// Whether a WebSocket may use the cookie it came with: browsers always send its origin.
    pub fn socket_is_ours(&self, headers: &HeaderMap) -> bool {
        let origin = headers
            .get(header::ORIGIN)
            .and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| self.is_own(origin, headers))
    }
}

/// An expired cookie must not lock anybody out of signing in: it is nobody's. A wrong token is refused.
pub async fn actor(auth: &dyn Authenticator, credentials: &Credentials) -> Result<Actor> {
    match auth.authenticate(credentials).await {
        Err(Error::Unauthenticated) if credentials.ambient() => Ok(Actor::Anonymous),
        other => other,
    }
}
