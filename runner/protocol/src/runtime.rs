//! Runtime calls: what a script asks while it runs. Runner and server say it to each other in these forms; what is
//! between them carries the bytes unread.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What every path of the runtime API begins with.
pub const PREFIX: &str = "/runtime/v1";
/// Largest body of a call, and largest output of a script.
pub const MAX_BODY: usize = 5 << 20;

/// One call. Prints nothing of its body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// 1, 2, 3 … in one run.
    pub number: u64,
    /// Calls up to and with this number were answered and are never repeated.
    pub settled: u64,
    pub method: String,
    /// With [`PREFIX`].
    pub path: String,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {} {})", self.number, self.method, self.path)
    }
}

/// Its answer. Prints nothing of its body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// As of HTTP.
    pub status: u16,
    /// JSON.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Values that the script may know from now on, and nobody else: to be masked before it hears of them.
    pub secrets: Vec<String>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.status)
    }
}

/// Why bytes are not a call or an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a runtime call can't be read or written: {0}")]
pub struct CallError(String);

/// The bytes that are carried.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CallError> {
    rmp_serde::to_vec_named(message).map_err(|e| CallError(e.to_string()))
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CallError> {
    rmp_serde::from_slice(bytes).map_err(|e| CallError(e.to_string()))
}
