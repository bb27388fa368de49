//! What clients registered: bounded in number and in bytes, the least recently used goes first.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::transport::graphql::limits::Refusal;

use super::{Found, Hash, Room, hex, refusal};

/// Registered documents.
#[derive(Debug)]
pub struct Cache {
    room: Room,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    documents: LruCache<Hash, Arc<str>>,
    bytes: usize,
}

/// What an entry takes besides its text, about.
const ENTRY: usize = 128;

impl Cache {
    pub fn new(room: Room) -> Self {
        Self {
            room,
            kept: Mutex::new(Kept {
                documents: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    pub fn find(&self, text: Option<String>, id: Option<&str>) -> Result<Found, Refusal> {
        let Some(id) = id else {
            let text = text.unwrap_or_default().into();
            return Ok(Found { text, register: None });
        };
        if self.room.documents == 0 {
            return Err(refusal(
                "PERSISTED_QUERY_NOT_SUPPORTED",
                "PersistedQueryNotSupported",
            ));
        }
        let Some(hash) = hex(id) else {
            return Err(refusal("BAD_REQUEST", "`sha256Hash` must have 64 hex digits."));
        };
        match text {
            Some(text) => Ok(Found {
                text: text.into(),
                register: Some(hash),
            }),
            None => {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let text = kept.documents.get(&hash).cloned();
                // The text that clients of this protocol look for.
                let text =
                    text.ok_or_else(|| refusal("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))?;
                Ok(Found { text, register: None })
            }
        }
    }

    /// One that would take more than an eighth of the room is not kept: it would push out too many.
    pub fn put(&self, hash: Hash, text: Arc<str>) {
        let size = text.len() + ENTRY;
        if size > self.room.bytes / 8 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.documents.put(hash, text).is_none() {
            kept.bytes += size;
        }
        while kept.bytes > self.room.bytes || kept.documents.len() > self.room.documents {
            let Some((_, old)) = kept.documents.pop_lru() else {
                return;
            };
            kept.bytes -= old.len() + ENTRY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    fn put(cache: &Cache, n: u8, bytes: usize) {
        cache.put([n; 32], "x".repeat(bytes).into());
    }

    fn has(cache: &Cache, n: u8) -> bool {
        cache.find(None, Some(&id(n))).is_ok()
    }

    #[test]
    fn the_least_recently_used_goes_when_there_are_too_many() {
        let cache = Cache::new(Room {
            documents: 3,
            bytes: 1 << 20,
        });
        for n in 1..=3 {
            put(&cache, n, 10);
        }
        assert!(has(&cache, 1));
        put(&cache, 4, 10);
        assert_eq!([1, 2, 3, 4].map(|n| has(&cache, n)), [true, false, true, true]);
    }

    #[test]
    fn bytes_are_counted_and_large_documents_are_not_kept() {
        let cache = Cache::new(Room {
            documents: 100,
            bytes: 80 * 1024,
        });
        for n in 1..=60 {
            put(&cache, n, 9 * 1024);
            put(&cache, n, 9 * 1024);
            assert!(cache.kept.lock().unwrap().bytes <= 80 * 1024);
        }
        assert_eq!((52..=60).filter(|n| has(&cache, *n)).count(), 8);
        put(&cache, 99, 11 * 1024);
        assert!(!has(&cache, 99), "more than an eighth");
    }
}
