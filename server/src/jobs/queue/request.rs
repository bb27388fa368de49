//! A request with its places filled in: what an event of the type HTTP_REQUEST sends this time.

use std::collections::BTreeMap;

use cronium_protocol::http::{Header, HttpRequest, StatusRange};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::events::http::{HttpConfig, status_ranges};
use crate::kernel::ids::UserId;
use crate::kernel::template;
use crate::kernel::{Error, Result};
use crate::variables::Variables;

/// What templates may use.
#[derive(Debug, Serialize)]
pub struct Values<'a> {
    pub input: &'a Value,
    pub event: EventValues<'a>,
    pub job: JobValues,
    variables: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    /// The first that is there and can't be read.
    #[serde(skip)]
    unreadable: Option<String>,
}

/// The event as templates see it.
#[derive(Debug, Serialize)]
pub struct EventValues<'a> {
    pub id: Option<Uuid>,
    pub name: &'a str,
}

/// The job as templates see it.
#[derive(Debug, Serialize)]
pub struct JobValues {
    pub id: Uuid,
    pub number: i64,
    pub attempt: u32,
}

impl<'a> Values<'a> {
    pub fn new(input: &'a Value, event: EventValues<'a>, job: JobValues) -> Self {
        Self {
            input,
            event,
            job,
            variables: BTreeMap::new(),
            secrets: BTreeMap::new(),
            unreadable: None,
        }
    }

    /// Fetches the variables that the templates name, with the rights of the job's owner. What is not there, or is a
    /// secret and named as none, is told when the template is filled in.
    pub async fn fetch(&mut self, config: &HttpConfig, variables: &Variables, owner: UserId) -> Result<()> {
        let names = config.templates().flat_map(|(_, text)| template::names(text));
        for name in names {
            let (secret, key) = match (name.strip_prefix("variables."), name.strip_prefix("secrets.")) {
                (Some(key), _) => (false, key),
                (_, Some(key)) => (true, key),
                _ => continue,
            };
            let found = match variables.read_for(owner, key).await {
                Ok(found) => found,
                // No such key can be: the template tells.
                Err(Error::Invalid(_) | Error::Forbidden) => None,
                // This request's matter alone: others were claimed with it.
                Err(broken @ Error::Internal(_)) => {
                    tracing::error!(problem = broken.private_text(), key, "a variable can't be read");
                    self.unreadable.get_or_insert_with(|| key.to_owned());
                    continue;
                }
                Err(other) => return Err(other),
            };
            let Some(value) = found else { continue };
            let text = value.text.to_string();
            if secret {
                self.secrets.insert(key.to_owned(), text);
            } else if !value.secret {
                self.variables.insert(key.to_owned(), text);
            }
        }
        Ok(())
    }
}

/// Whether a segment of a URL's path is `.` or `..`, in any spelling that its parsers take for them
/// ([URL standard](https://url.spec.whatwg.org/#double-dot-path-segment)).
fn has_dot_segments(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path: String = path
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .collect();
    let path = path
        .trim_matches(|c| c <= ' ')
        .to_ascii_lowercase()
        .replace("%2e", ".");
    path.split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// The request to make; with what is wrong instead, where a template can't be filled in.
pub fn filled(config: &HttpConfig, values: &Values<'_>) -> HttpRequest {
    let mut problem = values.unreadable.as_ref().map(|key| {
        format!("the variable {key} can't be read; the server's log says why. Set its value again, or give the server the key that it was sealed with")
    });
    let mut fill = |field: &str, text: &str| {
        template::render(text, values).unwrap_or_else(|error| {
            problem.get_or_insert_with(|| format!("the template of {field} can't be filled in: {error}"));
            String::new()
        })
    };
    let url = fill("the address", &config.url);
    let headers = config.headers.iter().map(|header| Header {
        name: header.name.clone(),
        value: fill(&format!("the header {}", header.name), &header.value),
    });
    let headers = headers.collect();
    let body = config.body.as_deref().map(|body| fill("the body", body));
    if has_dot_segments(&url) {
        problem.get_or_insert_with(|| {
            "the address has . or .. in its path, and would lead to another one".into()
        });
    }
    let ranges = status_ranges(&config.expected_status).unwrap_or_default();
    HttpRequest {
        method: config.method.name().to_owned(),
        url,
        headers,
        body,
        expected: ranges
            .into_iter()
            .map(|(first, last)| StatusRange { first, last })
            .collect(),
        verify_tls: config.verify_tls,
        max_redirects: config.max_redirects.unsigned_abs(),
        secrets: values.secrets.values().cloned().collect(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::has_dot_segments;

    #[test]
    fn dots_are_known_however_they_are_written() {
        for url in [
            "https://x.example/a/../b",
            "https://x.example/.\t./b",
            "https://x.example/a/%2E%2e",
            "https://x.example/a\\.%2e\\b",
            "https://x.example/a/./b",
            "  https://x.example/..\u{1f} ",
        ] {
            assert!(has_dot_segments(url), "{url}");
        }
        assert!(!has_dot_segments("https://x.example/a/b.c/..d/...?q=/../#/.."));
    }
}
