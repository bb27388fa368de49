//! Documents that were read before: clients send the same few again and again. Bounded, the least recently used goes
//! first; only what passed the limits of its text and could be read is kept, and every request's own measuring and
//! validation still come after. Knows texts, not who sent them: what a document may do does not depend on that here.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::ExecutableDocument;
use lru::LruCache;

/// Bytes of text that are kept; what is read from it takes some twenty times as much.
const ROOM: usize = 256 << 10;
/// A longer one is read each time.
const LONGEST: usize = ROOM / 16;

/// Documents by their text.
#[derive(Debug)]
pub struct Parsed(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    documents: LruCache<Arc<str>, Arc<ExecutableDocument>>,
    bytes: usize,
}

impl Default for Parsed {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            documents: LruCache::unbounded(),
            bytes: 0,
        }))
    }
}

impl Parsed {
    /// The document of a text: what is kept, or what `read` makes of it.
    pub fn document<E>(
        &self,
        text: &Arc<str>,
        read: impl FnOnce() -> Result<ExecutableDocument, E>,
    ) -> Result<Arc<ExecutableDocument>, E> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = kept().documents.get(text) {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(read()?);
        if text.len() <= LONGEST {
            kept().put(Arc::clone(text), Arc::clone(&document));
        }
        Ok(document)
    }
}

impl Kept {
    fn put(&mut self, text: Arc<str>, document: Arc<ExecutableDocument>) {
        let size = text.len();
        if self.documents.put(text, document).is_none() {
            self.bytes += size;
        }
        while self.bytes > ROOM {
            let Some((old, _)) = self.documents.pop_lru() else {
                return;
            };
            self.bytes -= old.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn read(parsed: &Parsed, text: &str) -> (Arc<ExecutableDocument>, bool) {
        let mut was_read = false;
        let document = parsed.document(&text.into(), || {
            was_read = true;
            parse_query(text)
        });
        (document.unwrap(), was_read)
    }

    #[test]
    fn a_text_is_read_once_and_another_is_another() {
        let parsed = Parsed::default();
        let (first, was_read) = read(&parsed, "{ a }");
        assert!(was_read);
        let (again, was_read) = read(&parsed, "{ a }");
        assert!(!was_read && Arc::ptr_eq(&first, &again));
        let (other, was_read) = read(&parsed, "{ b }");
        assert!(was_read && !Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn what_cannot_be_read_is_refused_each_time() {
        let parsed = Parsed::default();
        for _ in 0..2 {
            let refused: Result<_, &str> = parsed.document(&"{".into(), || Err("no"));
            assert_eq!(refused.err(), Some("no"));
        }
        assert_eq!(parsed.0.lock().unwrap().documents.len(), 0);
    }

    #[test]
    fn the_room_is_bounded_and_the_oldest_goes_first() {
        let parsed = Parsed::default();
        let long = |n: usize| format!("{{ a{n} {} }}", " ".repeat(LONGEST - 20));
        for n in 0..40 {
            assert!(read(&parsed, &long(n)).1);
            assert!(parsed.0.lock().unwrap().bytes <= ROOM);
        }
        assert!(!read(&parsed, &long(39)).1);
        assert!(read(&parsed, &long(0)).1);
        let longer = format!("{{ a {} }}", " ".repeat(LONGEST));
        assert!(read(&parsed, &longer).1);
        assert!(read(&parsed, &longer).1);
    }
}
