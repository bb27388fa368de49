//! What an event of the type HTTP_REQUEST sends, and what a good answer is. Pure.

use serde::{Deserialize, Serialize};

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::template;

/// Largest URL, in bytes.
const MAX_URL: usize = 8 << 10;
/// Largest body template, in bytes.
const MAX_BODY: usize = 1 << 20;
const MAX_HEADERS: usize = 50;
const MAX_HEADER: usize = 8 << 10;
const MAX_REDIRECTS: i32 = 20;

/// A request as a person writes it: URL, values of headers and body are templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpConfig {
    pub method: Method,
    pub url: String,
    pub headers: Vec<HttpHeader>,
    pub body: Option<String>,
    /// `200`, `200-299`, with commas between them.
    pub expected_status: String,
    pub verify_tls: bool,
    pub max_redirects: i32,
}

/// One header; its value is a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
}

/// What is asked of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "HttpMethod")]
pub enum Method {
    /// Fetch it.
    Get,
    /// Only its headers.
    Head,
    /// Take this.
    Post,
    /// Put this there.
    Put,
    /// Change it so.
    Patch,
    /// Remove it.
    Delete,
    /// What it can do.
    Options,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// The ranges of status codes that a text names; None when it is none.
pub fn status_ranges(text: &str) -> Option<Vec<(u16, u16)>> {
    let code = |text: &str| -> Option<u16> {
        let text = text.trim();
        let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain
            .then(|| text.parse().ok())
            .flatten()
            .filter(|code| (100..=599).contains(code))
    };
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some((code(first)?, code(last)?)).filter(|(first, last)| first <= last),
        None => code(part).map(|code| (code, code)),
    };
    let parts: Option<Vec<_>> = text.split(',').map(range).collect();
    parts.filter(|parts| parts.len() <= 20)
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Headers that follow from the request and the connection.
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl HttpConfig {
    /// Notes what is wrong, each at its field.
    pub fn check(&self, checks: &mut Checks) {
        use UserErrorCode::{Invalid, Required, TooLong};
        checks.require(
            !self.url.trim().is_empty(),
            Required,
            "http.url",
            "Write the address to ask.",
        );
        checks.require(
            self.url.len() <= MAX_URL,
            TooLong,
            "http.url",
            "An address has at most 8 KiB.",
        );
        check_template(&self.url, "http.url", checks);
        // An address that begins with a template is looked at when it is filled in.
        if !self.url.trim().is_empty() && !self.url.trim_start().starts_with("{{") {
            self.check_url(checks);
        }
        checks.require(
            self.headers.len() <= MAX_HEADERS,
            TooLong,
            "http.headers",
            "At most 50 headers.",
        );
        for (index, header) in self.headers.iter().enumerate().take(MAX_HEADERS) {
            let name = format!("http.headers.{index}.name");
            checks.require(
                is_token(&header.name),
                Invalid,
                &name,
                "This is not a header's name.",
            );
            let ours = OURS.contains(&header.name.to_ascii_lowercase().as_str());
            checks.require(
                !ours,
                Invalid,
                &name,
                "This header follows from the request by itself.",
            );
            let value = format!("http.headers.{index}.value");
            checks.require(
                header.value.len() <= MAX_HEADER,
                TooLong,
                &value,
                "A value has at most 8 KiB.",
            );
            let plain = !header.value.chars().any(|c| c.is_control() && c != '\t');
            checks.require(
                plain,
                Invalid,
                &value,
                "A value is one line without control characters.",
            );
            check_template(&header.value, &value, checks);
        }
        if let Some(body) = &self.body {
            checks.require(
                body.len() <= MAX_BODY,
                TooLong,
                "http.body",
                "A body has at most 1 MiB.",
            );
            checks.require(
                !body.contains('\0'),
                Invalid,
                "http.body",
                "A body has no NUL characters.",
            );
            let none = matches!(self.method, Method::Get | Method::Head) && !body.is_empty();
            checks.require(!none, Invalid, "http.body", "A GET or HEAD request has no body.");
            check_template(body, "http.body", checks);
        }
        let statuses = status_ranges(&self.expected_status).is_some();
        let message = "Write status codes and ranges with commas between them, such as 200-299,304.";
        checks.require(statuses, Invalid, "http.expectedStatus", message);
        let redirects = (0..=MAX_REDIRECTS).contains(&self.max_redirects);
        checks.require(
            redirects,
            Invalid,
            "http.maxRedirects",
            "Between 0 and 20 redirects.",
        );
    }

    fn check_url(&self, checks: &mut Checks) {
        let rest = self.url.trim_start();
        let lower = rest.to_ascii_lowercase();
        let host = lower
            .strip_prefix("https://")
            .or_else(|| lower.strip_prefix("http://"));
        let message = "An address begins with http:// or https:// and names a host.";
        let Some(host) = host else {
            checks.add(UserErrorCode::Invalid, "http.url", message);
            return;
        };
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        checks.require(!host.is_empty(), UserErrorCode::Invalid, "http.url", message);
        let message = "Put a user name or a password into an Authorization header, not into the address.";
        checks.require(!host.contains('@'), UserErrorCode::Invalid, "http.url", message);
    }

    /// All templates, with the field of each.
    pub fn templates(&self) -> impl Iterator<Item = (String, &str)> {
        let headers = self.headers.iter().enumerate();
        let headers = headers.map(|(n, header)| (format!("headers.{n}.value"), header.value.as_str()));
        let body = self.body.as_deref().map(|body| ("body".to_owned(), body));
        [("url".to_owned(), self.url.as_str())]
            .into_iter()
            .chain(headers)
            .chain(body)
    }
}

fn check_template(text: &str, field: &str, checks: &mut Checks) {
    if let Err(problem) = template::check(text) {
        checks.add(
            UserErrorCode::Invalid,
            field,
            format!("This template can't be read: {problem}."),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Error;

    fn config() -> HttpConfig {
        HttpConfig {
            method: Method::Post,
            url: "https://example.test/{{ input.path }}".into(),
            headers: vec![HttpHeader {
                name: "Authorization".into(),
                value: "Bearer {{ secrets.TOKEN }}".into(),
            }],
            body: Some("{{ input | tojson }}".into()),
            expected_status: "200-299".into(),
            verify_tls: true,
            max_redirects: 5,
        }
    }

    fn fields(config: &HttpConfig) -> Vec<String> {
        let mut checks = Checks::default();
        config.check(&mut checks);
        match checks.done() {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.field.join(".")).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        assert_eq!(fields(&config()), Vec::<String>::new());
        let header = |name: &str, value: &str| HttpHeader {
            name: name.into(),
            value: value.into(),
        };
        let broken = HttpConfig {
            method: Method::Get,
            url: "ftp://example.test/".into(),
            headers: vec![
                header("a b", "x"),
                header("Content-Length", "3"),
                header("X", "a\nb"),
                header("Y", "{{ a"),
            ],
            body: Some("x".into()),
            expected_status: "20x".into(),
            max_redirects: 21,
            ..config()
        };
        let expected = [
            "http.url",
            "http.headers.0.name",
            "http.headers.1.name",
            "http.headers.2.value",
            "http.headers.3.value",
            "http.body",
            "http.expectedStatus",
            "http.maxRedirects",
        ];
        assert_eq!(fields(&broken), expected);
        for url in [
            "",
            "https://",
            "https:///x",
            "https://a:b@c/",
            "example.test",
            "https://x/{{",
        ] {
            let config = HttpConfig {
                url: url.into(),
                ..config()
            };
            assert_eq!(fields(&config), ["http.url"], "{url}");
        }
        let whole = HttpConfig {
            url: "{{ variables.HOOK }}".into(),
            ..config()
        };
        assert_eq!(fields(&whole), Vec::<String>::new());
    }

    #[test]
    fn status_codes_are_read_as_ranges() {
        assert_eq!(status_ranges("200"), Some(vec![(200, 200)]));
        assert_eq!(status_ranges("200-299, 304"), Some(vec![(200, 299), (304, 304)]));
        for wrong in ["", "99", "600", "299-200", "2xx", "200,", "+200"] {
            assert_eq!(status_ranges(wrong), None, "{wrong}");
        }
    }
}
