//! What can go wrong with a request, told apart by what the person can do about it. Knows no text
//! to show; pages choose the words.

use cynic::GraphQlError;
use serde::Deserialize;

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure it is.
    pub kind: ApiErrorKind,
    /// The server's words, or the transport's.
    pub message: String,
    /// By which the operator finds the failure in the server's log.
    pub request_id: Option<String>,
}

/// What a person can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// The server was not reached: wait, or check the network.
    Offline,
    /// Nobody is signed in any more.
    Unauthenticated,
    /// The thing does not exist, or is not for this person.
    NotFound,
    /// Too many requests: wait.
    RateLimited,
    /// It is not for this person, or was asked for wrongly: asking again changes nothing.
    Refused,
    /// Anything else.
    Other,
}

/// The part of a GraphQL error that machines read.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Extensions {
    code: Option<String>,
    #[serde(rename = "requestId", alias = "request_id")]
    request_id: Option<String>,
}

impl ApiError {
    pub(super) fn offline(message: impl Into<String>) -> Self {
        Self {
            kind: ApiErrorKind::Offline,
            message: message.into(),
            request_id: None,
        }
    }

    pub(super) fn other(message: impl Into<String>) -> Self {
        Self {
            kind: ApiErrorKind::Other,
            message: message.into(),
            request_id: None,
        }
    }

    /// The first error of an answer decides: the server puts the cause first.
    pub(super) fn from_errors(errors: Vec<GraphQlError<Extensions>>) -> Option<Self> {
        let first = errors.into_iter().next()?;
        let extensions = first.extensions.unwrap_or_default();
        let kind = match extensions.code.as_deref() {
            Some("UNAUTHENTICATED") => ApiErrorKind::Unauthenticated,
            Some("NOT_FOUND") => ApiErrorKind::NotFound,
            Some("RATE_LIMITED") => ApiErrorKind::RateLimited,
            Some("FORBIDDEN" | "BAD_REQUEST") => ApiErrorKind::Refused,
            Some("UNAVAILABLE") => ApiErrorKind::Offline,
            _ => ApiErrorKind::Other,
        };
        Some(Self {
            kind,
            message: first.message,
            request_id: extensions.request_id,
        })
    }

    /// Whether the server can't be reached at present.
    pub fn is_offline(&self) -> bool {
        self.kind == ApiErrorKind::Offline
    }
}
