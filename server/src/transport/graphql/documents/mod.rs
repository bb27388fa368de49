//! Documents that are known by their hash: those that clients registered (automatic persisted queries), or
//! those that the operator listed, and then no others run. Knows texts and hashes, not what they mean.

mod cache;
mod listed;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::kernel::Result;

use super::limits::Refusal;

use cache::Cache;
use listed::Listed;

/// SHA-256 of a document's text.
type Hash = [u8; 32];

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = Hash::default();
    for (byte, digits) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

fn refusal(code: &'static str, message: &str) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

/// Code of what an allow-list does not have.
pub const NOT_LISTED: &str = "DOCUMENT_NOT_LISTED";

/// Room for what clients register.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Zero: nothing is registered.
    pub documents: usize,
    pub bytes: usize,
}

impl Room {
    pub const DEFAULT: Self = Self {
        documents: 10_000,
        bytes: 16 << 20,
    };
}

impl Default for Room {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The documents of one server.
#[derive(Debug)]
pub enum Documents {
    /// Any document runs. Clients may register it, and send its hash the next time.
    Registered(Cache),
    /// Only these run.
    Listed(Listed),
}

impl Default for Documents {
    fn default() -> Self {
        Self::registered(Room::DEFAULT)
    }
}

/// A document that was found, and the hash to register it under once it is known to be sound.
#[derive(Debug)]
pub struct Found {
    pub text: Arc<str>,
    register: Option<Hash>,
}

impl Documents {
    pub fn registered(room: Room) -> Self {
        Self::Registered(Cache::new(room))
    }

    /// Reads an allow-list, and with it that of the dashboard where there is one; the error names everything that
    /// is wrong with them.
    pub fn listed(path: &Path, dashboard: Option<&Path>) -> Result<Self> {
        let mut listed = Listed::read(path)?;
        if let Some(dashboard) = dashboard {
            listed.also(Listed::read(dashboard)?);
        }
        Ok(Self::Listed(listed))
    }

    /// Whether nothing but what is listed runs.
    pub fn closed(&self) -> bool {
        matches!(self, Self::Listed(_))
    }

    /// The document of a request, from its text, its hash, or both.
    pub fn find(&self, text: Option<String>, id: Option<&str>) -> Result<Found, Refusal> {
        if let (Some(text), Some(id)) = (&text, id)
            && hex(id) != Some(hash(text))
        {
            return Err(refusal("BAD_REQUEST", "provided sha does not match query"));
        }
        match self {
            Self::Registered(cache) => cache.find(text, id),
            Self::Listed(listed) => listed.find(text, id),
        }
    }

    /// Keeps a sound document for the next time.
    pub fn register(&self, found: &Found) {
        if let (Self::Registered(cache), Some(hash)) = (self, found.register) {
            cache.put(hash, Arc::clone(&found.text));
        }
    }
}
