//! A request over HTTP as an execution. It is the only file of its payload, `request.json`, and signed like a script.

use serde::{Deserialize, Serialize};

/// Name of the request among a payload's files.
pub const REQUEST_FILE: &str = "request.json";

/// What is sent, and what a good answer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    /// `http` or `https`, without a user or a password in it.
    pub url: String,
    pub headers: Vec<Header>,
    pub body: Option<String>,
    /// A good answer's status is in one of these.
    pub expected: Vec<StatusRange>,
    /// False: any certificate is good enough.
    pub verify_tls: bool,
    /// How many redirects are followed.
    pub max_redirects: u32,
    /// Values that are masked in what is told of it.
    pub secrets: Vec<String>,
    /// It could not be filled in, and is not sent.
    pub problem: Option<String>,
}

/// One header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// Status codes from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}

impl StatusRange {
    pub fn holds(&self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}
