//! What a version says of its request and its runs, as the contract has it, and how that becomes what is typed and
//! back. Knows no page.

use super::draft::http::{CheckedRequest, Request};
use super::draft::policy::{CheckedPolicy, Policy};
use super::draft::{Variable, span};
use crate::api::{IsoDuration, schema};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl HttpMethod {
    const ALL: [Self; 7] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];

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

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct HttpHeaderPart {
    pub name: String,
    pub value: String,
}

/// What a version sends.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct HttpRequestConfig {
    pub method: HttpMethod,
    pub url: String,
    pub headers: Vec<HttpHeaderPart>,
    pub body: Option<String>,
    pub expected_status: String,
    pub verify_tls: bool,
    pub max_redirects: i32,
}

impl HttpRequestConfig {
    /// The request as a form.
    pub fn typed(&self) -> Request {
        let header = |header: &HttpHeaderPart| Variable {
            name: header.name.clone(),
            value: header.value.clone(),
        };
        Request {
            method: self.method.name().to_owned(),
            url: self.url.clone(),
            headers: self.headers.iter().map(header).collect(),
            body: self.body.clone().unwrap_or_default(),
            expected_status: self.expected_status.clone(),
            verify_tls: self.verify_tls,
            max_redirects: self.max_redirects.to_string(),
        }
    }

    /// The request as it goes over the wire, for whoever compares two.
    pub fn as_text(&self) -> String {
        let mut text = format!("{} {}\n", self.method.name(), self.url);
        for header in &self.headers {
            text += &format!("{}: {}\n", header.name, header.value);
        }
        if let Some(body) = self.body.as_ref().filter(|body| !body.is_empty()) {
            text += &format!("\n{body}");
        }
        text
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct HttpHeaderInput {
    name: String,
    value: String,
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct HttpRequestInput {
    method: HttpMethod,
    url: String,
    headers: Vec<HttpHeaderInput>,
    body: Option<String>,
    expected_status: String,
    verify_tls: bool,
    max_redirects: i32,
}

impl From<CheckedRequest> for HttpRequestInput {
    fn from(request: CheckedRequest) -> Self {
        let method = HttpMethod::ALL
            .into_iter()
            .find(|one| one.name() == request.method);
        let header = |Variable { name, value }| HttpHeaderInput { name, value };
        Self {
            method: method.unwrap_or(HttpMethod::Get),
            url: request.url,
            headers: request.headers.into_iter().map(header).collect(),
            body: request.body,
            expected_status: request.expected_status,
            verify_tls: request.verify_tls,
            max_redirects: request.max_redirects,
        }
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlapPolicy {
    Allow,
    QueueOne,
    Skip,
    Replace,
}

impl OverlapPolicy {
    const ALL: [Self; 4] = [Self::Allow, Self::QueueOne, Self::Skip, Self::Replace];

    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::QueueOne => "QUEUE_ONE",
            Self::Skip => "SKIP",
            Self::Replace => "REPLACE",
        }
    }

    pub fn from_name(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.unwrap_or(Self::Allow)
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    Infrastructure,
    Timeout,
    ExitCode,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    pub attempts: i32,
    pub initial_delay: IsoDuration,
    pub max_delay: IsoDuration,
    pub factor: f64,
    pub jitter: bool,
    pub on: Vec<RetryOn>,
    pub exit_codes: Vec<i32>,
}

fn millis(time: &IsoDuration) -> u64 {
    time.get().map_or(0, |time| time.as_millis() as u64)
}

impl RetryPolicy {
    /// The waits as they are typed: the first and the longest.
    pub fn delays(&self) -> (String, String) {
        let text = |time| span::write(millis(time));
        (text(&self.initial_delay), text(&self.max_delay))
    }

    /// The policies as a form.
    pub fn typed(
        &self,
        overlap: OverlapPolicy,
        max_concurrent: Option<i32>,
        idempotent: bool,
        max_executions: i32,
    ) -> Policy {
        let (initial_delay, max_delay) = self.delays();
        let codes: Vec<String> = self.exit_codes.iter().map(ToString::to_string).collect();
        Policy {
            attempts: self.attempts.to_string(),
            initial_delay,
            max_delay,
            factor: self.factor.to_string(),
            jitter: self.jitter,
            on_infrastructure: self.on.contains(&RetryOn::Infrastructure),
            on_timeout: self.on.contains(&RetryOn::Timeout),
            on_exit_code: self.on.contains(&RetryOn::ExitCode),
            exit_codes: codes.join(", "),
            overlap: overlap.name().to_owned(),
            max_concurrent: max_concurrent.map(|most| most.to_string()).unwrap_or_default(),
            idempotent,
            max_executions: Some(max_executions)
                .filter(|most| *most > 0)
                .map(|most| most.to_string())
                .unwrap_or_default(),
        }
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct RetryPolicyInput {
    attempts: Option<i32>,
    initial_delay: Option<IsoDuration>,
    max_delay: Option<IsoDuration>,
    factor: Option<f64>,
    jitter: Option<bool>,
    on: Option<Vec<RetryOn>>,
    exit_codes: Vec<i32>,
}

impl From<&CheckedPolicy> for RetryPolicyInput {
    fn from(policy: &CheckedPolicy) -> Self {
        let on = [
            (policy.on_infrastructure, RetryOn::Infrastructure),
            (policy.on_timeout, RetryOn::Timeout),
            (policy.on_exit_code, RetryOn::ExitCode),
        ];
        Self {
            attempts: Some(policy.attempts),
            initial_delay: Some(IsoDuration(span::iso(policy.initial_delay))),
            max_delay: Some(IsoDuration(span::iso(policy.max_delay))),
            factor: Some(policy.factor),
            jitter: Some(policy.jitter),
            on: Some(on.into_iter().filter(|(on, _)| *on).map(|(_, on)| on).collect()),
            exit_codes: policy.exit_codes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> HttpRequestConfig {
        HttpRequestConfig {
            method: HttpMethod::Post,
            url: "https://example.test/{{ input.day }}".into(),
            headers: vec![HttpHeaderPart {
                name: "Accept".into(),
                value: "*/*".into(),
            }],
            body: Some("a\nb".into()),
            expected_status: "201".into(),
            verify_tls: false,
            max_redirects: 0,
        }
    }

    #[test]
    fn a_request_that_is_shown_and_sent_again_is_the_same() {
        let mut problems = Vec::new();
        let sent = HttpRequestInput::from(config().typed().check(&mut problems));
        assert_eq!(problems, []);
        let sent = serde_json::to_value(sent).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({
                "method": "POST", "url": "https://example.test/{{ input.day }}",
                "headers": [{"name": "Accept", "value": "*/*"}], "body": "a\nb",
                "expectedStatus": "201", "verifyTls": false, "maxRedirects": 0,
            })
        );
    }

    #[test]
    fn a_request_reads_as_it_goes_over_the_wire() {
        assert_eq!(
            config().as_text(),
            "POST https://example.test/{{ input.day }}\nAccept: */*\n\na\nb"
        );
    }

    #[test]
    fn policies_that_are_shown_and_sent_again_are_the_same() {
        let retry = RetryPolicy {
            attempts: 4,
            initial_delay: IsoDuration("PT1.5S".into()),
            max_delay: IsoDuration("PT1H".into()),
            factor: 1.5,
            jitter: false,
            on: vec![RetryOn::ExitCode],
            exit_codes: vec![75, 503],
        };
        let typed = retry.typed(OverlapPolicy::QueueOne, Some(3), true, 10);
        let mut problems = Vec::new();
        let checked = typed.check(&mut problems);
        assert_eq!(problems, []);
        assert_eq!(
            OverlapPolicy::from_name(&checked.overlap),
            OverlapPolicy::QueueOne
        );
        assert_eq!(
            (checked.max_concurrent, checked.idempotent, checked.max_executions),
            (Some(3), true, 10)
        );
        let sent = serde_json::to_value(RetryPolicyInput::from(&checked)).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({
                "attempts": 4, "initialDelay": "PT1.500S", "maxDelay": "PT3600S", "factor": 1.5,
                "jitter": false, "on": ["EXIT_CODE"], "exitCodes": [75, 503],
            })
        );
    }
}
