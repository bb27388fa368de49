//! One request with its redirects: each hop is looked at anew, nothing secret crosses to another host, and time and
//! size have limits. It must not know executions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cronium_protocol::http::{Header, HttpRequest};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::Serialize;
use url::Url;

use super::guard::{Guard, Refused, check_literal};
use crate::allow::AllowList;

/// What is kept of an answer's body.
pub const MAX_BODY: usize = 1 << 20;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const AGENT: &str = concat!("Cronium/", env!("CARGO_PKG_VERSION"));

/// What came back: the execution's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub status: u16,
    /// Where the answer came from, after redirects.
    pub url: String,
    /// Names in lower case; values of headers that came several times with a comma between them.
    pub headers: serde_json::Map<String, serde_json::Value>,
    /// As text; null when it is none.
    pub body: Option<String>,
    /// What is no text, in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The body as JSON, when its type says that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// The body was longer than what is kept of it.
    pub truncated: bool,
    pub duration_ms: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Unfilled(String),
    #[error("{0} is not an address that can be asked: it begins with http:// or https:// and names a host")]
    Url(String),
    #[error("the address holds a user name or a password: put them into an Authorization header")]
    Credentials,
    #[error("{0} is not a method")]
    Method(String),
    #[error("the header {0} can't be sent")]
    Header(String),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("no answer from {host}: {why}")]
    NoAnswer { host: String, why: String },
    #[error("the answer broke off: {0}")]
    Broken(String),
    #[error("it was redirected more than {0} times")]
    Redirects(u32),
    #[error("it was redirected to {0}, which is no address that can be asked")]
    Location(String),
    #[error("{0} asks for the body to be sent on to another host, which is not done")]
    BodyElsewhere(String),
}

/// How requests are made.
#[derive(Debug, Clone)]
pub struct Fetcher {
    pub allow: Arc<AllowList>,
    pub checked: Arc<ClientConfig>,
    pub unchecked: Arc<ClientConfig>,
}

/// One request on its way through redirects.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
}

impl Fetcher {
    /// Asks, follows redirects, and reads the answer. `note` hears what happens, line by line.
    pub async fn fetch(
        &self,
        request: &HttpRequest,
        mut note: impl FnMut(String),
    ) -> Result<Answer, Failure> {
        if let Some(problem) = &request.problem {
            return Err(Failure::Unfilled(problem.clone()));
        }
        let begun = Instant::now();
        let mut hop = Hop {
            method: Method::from_bytes(request.method.as_bytes())
                .map_err(|_| Failure::Method(request.method.clone()))?,
            url: address(&request.url)?,
            headers: headers(&request.headers)?,
            body: request.body.clone(),
        };
        let mut redirects = 0;
        loop {
            note(format!("{} {}", hop.method, shown(&hop.url)));
            let response = self.ask(&hop, request.verify_tls).await?;
            let Some(location) = redirect(&response) else {
                return read(&hop, response, begun, &mut note).await;
            };
            if request.max_redirects == 0 {
                return read(&hop, response, begun, &mut note).await;
            }
            redirects += 1;
            if redirects > request.max_redirects {
                return Err(Failure::Redirects(request.max_redirects));
            }
            hop = hop.follow(response.status(), &location)?;
            note(format!("{} → {}", response.status(), shown(&hop.url)));
        }
    }

    async fn ask(&self, hop: &Hop, verify: bool) -> Result<Response<Incoming>, Failure> {
        let host = hop.url.host().ok_or_else(|| Failure::Url(hop.url.to_string()))?;
        let port = hop.url.port_or_known_default().unwrap_or(0);
        check_literal(&host, port, &self.allow)?;
        let guard = Guard::new(self.allow.clone(), port);
        let mut connector = HttpConnector::new_with_resolver(guard.clone());
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_LIMIT));
        connector.set_nodelay(true);
        let tls = if verify { &self.checked } else { &self.unchecked };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.as_ref().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        // Made for each hop: a connection that is kept would pass by the guard.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(https);
        let mut request = Request::builder()
            .method(hop.method.clone())
            .uri(hop.url.as_str());
        if let Some(all) = request.headers_mut() {
            all.clone_from(&hop.headers);
            all.entry(header::USER_AGENT)
                .or_insert(HeaderValue::from_static(AGENT));
        }
        let body = Full::new(Bytes::from(hop.body.clone().unwrap_or_default()));
        let request = request.body(body).map_err(|_| Failure::Url(shown(&hop.url)))?;
        client
            .request(request)
            .await
            .map_err(|error| match guard.refused() {
                Some(refused) => refused.into(),
                None => Failure::NoAnswer {
                    host: host.to_string(),
                    why: causes(&error),
                },
            })
    }
}

/// The last words of an error are the ones that say what happened.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    let last = all.last().map(ToString::to_string).unwrap_or_default();
    last.replace(['\r', '\n'], " ")
}

fn address(text: &str) -> Result<Url, Failure> {
    let wrong = || Failure::Url(text.chars().take(200).collect());
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::Credentials);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Without its query, which may hold what is nobody's business.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.to_string().replace("%E2%80%A6", "…")
}

/// What this side decides itself.
const OURS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
];

fn headers(given: &[Header]) -> Result<HeaderMap, Failure> {
    let mut all = HeaderMap::new();
    for Header { name, value } in given {
        let wrong = || Failure::Header(name.clone());
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if OURS.contains(&known) {
            return Err(wrong());
        }
        all.append(known, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(all)
}

fn redirect(response: &Response<Incoming>) -> Option<String> {
    let follows = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?;
    follows.then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
}

impl Hop {
    /// RFC 9110, section 15.4: what a redirect does to the request.
    fn follow(mut self, status: StatusCode, location: &str) -> Result<Self, Failure> {
        let next = self
            .url
            .join(location)
            .ok()
            .and_then(|url| address(url.as_str()).ok());
        let next = next.ok_or_else(|| Failure::Location(location.chars().take(200).collect()))?;
        let becomes_get = status == StatusCode::SEE_OTHER && self.method != Method::HEAD
            || matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND)
                && self.method == Method::POST;
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            for name in [
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::CONTENT_LANGUAGE,
            ] {
                self.headers.remove(name);
            }
        }
        if next.origin() != self.url.origin() {
            if self.body.is_some() {
                return Err(Failure::BodyElsewhere(shown(&self.url)));
            }
            // Any other header may be a key to the first host.
            let harmless = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT];
            let kept = harmless
                .iter()
                .filter_map(|name| Some((name.clone(), self.headers.get(name)?.clone())));
            self.headers = kept.collect();
        }
        self.headers.remove(header::HOST);
        self.url = next;
        Ok(self)
    }
}

async fn read(
    hop: &Hop,
    response: Response<Incoming>,
    begun: Instant,
    note: &mut impl FnMut(String),
) -> Result<Answer, Failure> {
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut truncated) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Broken(causes(&error)))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = MAX_BODY - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    let duration = begun.elapsed();
    let size = bytes.len();
    let (body, body_base64) = match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => (Some(text), None),
        Ok(text) => (None, Some(STANDARD.encode(text))),
        Err(error) if truncated && error.utf8_error().error_len().is_none() => {
            let valid = error.utf8_error().valid_up_to();
            (
                Some(String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()),
                None,
            )
        }
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let json = kind
        .is_some_and(is_json)
        .then(|| body.as_deref().and_then(|text| serde_json::from_str(text).ok()))
        .flatten();
    let more = if truncated { ", cut off there" } else { "" };
    note(format!(
        "{}, {size} bytes{more}, {} ms",
        parts.status,
        duration.as_millis()
    ));
    Ok(Answer {
        status: parts.status.as_u16(),
        url: hop.url.to_string(),
        headers: told(&parts.headers),
        body,
        body_base64,
        json,
        truncated,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    })
}

fn is_json(kind: &str) -> bool {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn told(headers: &HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let value = |name: &HeaderName| {
        let all = headers.get_all(name).iter();
        let texts: Vec<_> = all
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        texts.join(", ").replace('\0', "")
    };
    let names = headers.keys();
    names
        .map(|name| (name.as_str().to_owned(), value(name).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(method: Method, body: Option<&str>) -> Hop {
        Hop {
            method,
            url: "https://one.example/a".parse().unwrap(),
            headers: [
                (header::AUTHORIZATION, HeaderValue::from_static("Bearer x")),
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
                (header::ACCEPT, HeaderValue::from_static("*/*")),
            ]
            .into_iter()
            .collect(),
            body: body.map(str::to_owned),
        }
    }

    #[test]
    fn a_redirect_keeps_or_drops_the_body_as_its_status_says() {
        let post = || hop(Method::POST, Some("b"));
        for (status, method, body) in [
            (301, "GET", false),
            (302, "GET", false),
            (303, "GET", false),
            (307, "POST", true),
            (308, "POST", true),
        ] {
            let next = post()
                .follow(StatusCode::from_u16(status).unwrap(), "/b")
                .unwrap();
            assert_eq!(
                (next.method.as_str(), next.body.is_some()),
                (method, body),
                "{status}"
            );
            assert_eq!(next.url.as_str(), "https://one.example/b");
            assert!(next.headers.contains_key(header::AUTHORIZATION));
            assert_eq!(next.headers.contains_key(header::CONTENT_TYPE), body);
        }
        let put = hop(Method::PUT, Some("b"))
            .follow(StatusCode::FOUND, "/b")
            .unwrap();
        assert_eq!((put.method, put.body.as_deref()), (Method::PUT, Some("b")));
    }

    #[test]
    fn to_another_host_go_no_credentials_and_no_body() {
        for elsewhere in [
            "https://two.example/",
            "http://one.example/",
            "https://one.example:8443/",
            "//two.example/",
        ] {
            let next = hop(Method::GET, None)
                .follow(StatusCode::FOUND, elsewhere)
                .unwrap();
            let names: Vec<_> = next.headers.keys().map(HeaderName::as_str).collect();
            assert_eq!(names, ["accept"], "{elsewhere}");
            let refused = hop(Method::POST, Some("b")).follow(StatusCode::TEMPORARY_REDIRECT, elsewhere);
            assert!(matches!(refused, Err(Failure::BodyElsewhere(_))), "{elsewhere}");
        }
        for nowhere in [
            "ftp://two.example/",
            "file:///etc/passwd",
            "https://user:secret@two.example/",
            "http://",
        ] {
            let refused = hop(Method::GET, None).follow(StatusCode::FOUND, nowhere);
            assert!(matches!(refused, Err(Failure::Location(_))), "{nowhere}");
        }
    }

    #[test]
    fn addresses_and_headers_that_cannot_be_sent_are_named() {
        assert_eq!(address("nonsense"), Err(Failure::Url("nonsense".into())));
        assert_eq!(address("http://a:b@c/"), Err(Failure::Credentials));
        assert_eq!(
            shown(&address("https://a.example/b?key=1#x").unwrap()),
            "https://a.example/b?…"
        );
        for (name, value) in [
            ("a b", "c"),
            ("x", "a\nb"),
            ("Content-Length", "3"),
            ("connection", "upgrade"),
        ] {
            let given = [Header {
                name: name.into(),
                value: value.into(),
            }];
            assert_eq!(headers(&given).unwrap_err(), Failure::Header(name.into()));
        }
    }
}
