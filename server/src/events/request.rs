//! Requests in the API: what an event of the type HTTP_REQUEST sends.

use async_graphql::{InputObject, SimpleObject};

use super::http::{HttpConfig, HttpHeader, Method};

/// One header of a request.
#[derive(Debug, Clone, InputObject, SimpleObject)]
#[graphql(input_name = "HttpHeaderInput")]
pub struct HttpHeaderPart {
    /// Its name.
    pub name: String,
    /// A template.
    pub value: String,
}

/// A request to send. URL, body and the values of headers are templates over `input`, `event`, `job`, `variables` and
/// `secrets`.
#[derive(Debug, Clone, InputObject)]
pub struct HttpRequestInput {
    /// GET by default.
    #[graphql(default_with = "Method::Get")]
    pub method: Method,
    /// Begins with http:// or https://, or with a template; at most 8 KiB.
    pub url: String,
    /// At most 50.
    #[graphql(default)]
    pub headers: Vec<HttpHeaderPart>,
    /// At most 1 MiB; none for GET and HEAD.
    pub body: Option<String>,
    /// Status codes and ranges of a good answer, such as 200-299,304; 200-299 by default.
    #[graphql(default_with = "\"200-299\".into()")]
    pub expected_status: String,
    /// Whether the server's certificate is checked; true by default.
    #[graphql(default = true)]
    pub verify_tls: bool,
    /// How many redirects are followed, 0 to 20; 5 by default.
    #[graphql(default = 5)]
    pub max_redirects: i32,
}

impl From<HttpRequestInput> for HttpConfig {
    fn from(i: HttpRequestInput) -> Self {
        let header = |HttpHeaderPart { name, value }| HttpHeader { name, value };
        Self {
            method: i.method,
            url: i.url.trim().to_owned(),
            headers: i.headers.into_iter().map(header).collect(),
            body: i.body.filter(|body| !body.is_empty()),
            expected_status: i.expected_status.trim().to_owned(),
            verify_tls: i.verify_tls,
            max_redirects: i.max_redirects,
        }
    }
}

/// What an event of the type HTTP_REQUEST sends.
#[derive(Debug, Clone, SimpleObject)]
pub struct HttpRequestConfig {
    /// What is asked.
    method: Method,
    /// A template.
    url: String,
    /// Their values are templates.
    headers: Vec<HttpHeaderPart>,
    /// A template; null: there is none.
    body: Option<String>,
    /// Status codes and ranges of a good answer.
    expected_status: String,
    /// Whether the server's certificate is checked.
    verify_tls: bool,
    /// How many redirects are followed.
    max_redirects: i32,
}

impl From<HttpConfig> for HttpRequestConfig {
    fn from(config: HttpConfig) -> Self {
        let header = |HttpHeader { name, value }| HttpHeaderPart { name, value };
        Self {
            method: config.method,
            url: config.url,
            headers: config.headers.into_iter().map(header).collect(),
            body: config.body,
            expected_status: config.expected_status,
            verify_tls: config.verify_tls,
            max_redirects: config.max_redirects,
        }
    }
}
