//! A request as it is being typed. Pure.

use serde::{Deserialize, Serialize};

use super::{Fault, Problem, Variable};

/// What can be asked, in the order of the menu.
pub const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The request as typed. URL, values of headers and body are templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<Variable>,
    pub body: String,
    pub expected_status: String,
    pub verify_tls: bool,
    pub max_redirects: String,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            url: String::new(),
            headers: Vec::new(),
            body: String::new(),
            expected_status: "200-299".to_owned(),
            verify_tls: true,
            max_redirects: "5".to_owned(),
        }
    }
}

/// The request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<Variable>,
    pub body: Option<String>,
    pub expected_status: String,
    pub verify_tls: bool,
    pub max_redirects: i32,
}

const CONTENT_TYPE: &str = "Content-Type";

/// Kinds of a body that have a choice of their own, and the type that each is sent as.
pub const BODIES: [(&str, &str); 3] = [
    ("json", "application/json"),
    ("form", "application/x-www-form-urlencoded"),
    ("text", "text/plain; charset=utf-8"),
];
/// A type that has no choice of its own.
pub const OTHER_BODY: &str = "other";

fn is_content_type(header: &Variable) -> bool {
    header.name.trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

impl Request {
    /// GET and HEAD send none.
    pub fn has_body(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// What the body is sent as, by the header that says so; empty where none does.
    pub fn body_kind(&self) -> &'static str {
        let Some(header) = self.headers.iter().find(|header| is_content_type(header)) else {
            return "";
        };
        let value = header.value.trim().to_ascii_lowercase();
        let essence = value.split(';').next().unwrap_or_default().trim();
        let same = |of: &str| of.split(';').next() == Some(essence);
        BODIES
            .iter()
            .find(|(_, of)| same(of))
            .map_or(OTHER_BODY, |(kind, _)| *kind)
    }

    /// Says what the body is sent as, in its header; nothing takes the header away.
    pub fn set_body_kind(&mut self, kind: &str) {
        let of = BODIES.iter().find(|(name, _)| *name == kind).map(|(_, of)| *of);
        match (of, self.headers.iter_mut().find(|header| is_content_type(header))) {
            (Some(of), Some(header)) => of.clone_into(&mut header.value),
            (Some(of), None) => self.headers.push(Variable {
                name: CONTENT_TYPE.to_owned(),
                value: of.to_owned(),
            }),
            (None, Some(_)) if kind.is_empty() => self.headers.retain(|header| !is_content_type(header)),
            (None, _) => {}
        }
    }

    /// Reads it; what is wrong is noted at the path of its field.
    pub fn check(&self, problems: &mut Vec<Problem>) -> CheckedRequest {
        let mut wrong = |path: String, fault| problems.push((path, fault));
        if self.url.trim().is_empty() {
            wrong("http.url".to_owned(), Fault::Required);
        }
        let mut headers = Vec::new();
        for (row, header) in self.headers.iter().enumerate() {
            let name = header.name.trim();
            if header.is_blank() {
                continue;
            }
            if name.is_empty() {
                wrong(format!("http.headers.{row}.name"), Fault::Required);
            }
            headers.push(Variable {
                name: name.to_owned(),
                value: header.value.clone(),
            });
        }
        if self.expected_status.trim().is_empty() {
            wrong("http.expectedStatus".to_owned(), Fault::Required);
        }
        let redirects = self.max_redirects.trim().parse::<i32>();
        if redirects.is_err() {
            wrong("http.maxRedirects".to_owned(), Fault::NotWhole);
        }
        CheckedRequest {
            method: self.method.clone(),
            url: self.url.trim().to_owned(),
            headers,
            body: Some(self.body.clone()).filter(|body| self.has_body() && !body.is_empty()),
            expected_status: self.expected_status.trim().to_owned(),
            verify_tls: self.verify_tls,
            max_redirects: redirects.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Variable {
        Variable {
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn a_request_needs_an_address_and_whole_numbers() {
        let mut problems = Vec::new();
        let request = Request {
            headers: vec![header("", ""), header(" ", "x"), header("A", "")],
            expected_status: " ".into(),
            max_redirects: "some".into(),
            ..Request::default()
        };
        request.check(&mut problems);
        let wanted = [
            ("http.url", Fault::Required),
            ("http.headers.1.name", Fault::Required),
            ("http.expectedStatus", Fault::Required),
            ("http.maxRedirects", Fault::NotWhole),
        ];
        assert_eq!(problems, wanted.map(|(path, fault)| (path.to_owned(), fault)));
    }

    #[test]
    fn a_body_goes_only_where_one_is_sent() {
        let mut problems = Vec::new();
        let mut request = Request {
            url: " https://example.test ".into(),
            body: "{}".into(),
            ..Request::default()
        };
        assert_eq!(request.check(&mut problems).body, None);
        request.method = "POST".into();
        let checked = request.check(&mut problems);
        assert_eq!(
            (checked.url.as_str(), checked.body.as_deref()),
            ("https://example.test", Some("{}"))
        );
        request.body.clear();
        assert_eq!(request.check(&mut problems).body, None);
        assert_eq!(problems, []);
    }

    #[test]
    fn the_kind_of_a_body_is_its_header() {
        let mut request = Request::default();
        assert_eq!(request.body_kind(), "");
        request.set_body_kind("json");
        assert_eq!(request.headers, [header("Content-Type", "application/json")]);
        request.headers[0] = header("content-type ", "Application/JSON; charset=utf-8");
        assert_eq!(request.body_kind(), "json");
        request.set_body_kind("form");
        assert_eq!((request.headers.len(), request.body_kind()), (1, "form"));
        request.headers[0].value = "application/xml".into();
        assert_eq!(request.body_kind(), OTHER_BODY);
        request.set_body_kind(OTHER_BODY);
        assert_eq!(request.headers[0].value, "application/xml");
        request.set_body_kind("");
        assert_eq!(request.headers, []);
    }
}
