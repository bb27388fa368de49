//! Cuts a byte stream into lines of bounded length, without secrets. Pure: knows neither pipes nor sequence numbers.

use std::sync::Arc;

use crate::masks::{ANCHOR, Masker};

/// One line as text, and how many of its bytes are not in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    pub text: String,
    pub dropped: u64,
}

/// Holds at most one line's allowed bytes, however long the line is.
#[derive(Debug)]
pub struct LineCutter {
    limit: usize,
    buffer: Vec<u8>,
    dropped: u64,
    masker: Option<Arc<Masker>>,
}

impl LineCutter {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            dropped: 0,
            masker: None,
        }
    }

    /// From now on these secrets are masked.
    pub fn mask(&mut self, masker: Option<Arc<Masker>>) {
        self.masker = masker;
    }

    /// What is held of a line: with secrets a little more than is shown, so that one on the edge is seen.
    fn held(&self) -> usize {
        self.limit + if self.masker.is_some() { ANCHOR } else { 0 }
    }

    /// Takes the next bytes and emits each line that they complete.
    pub fn feed(&mut self, bytes: &[u8], mut emit: impl FnMut(Cut)) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            match part.split_last() {
                Some((b'\n', rest)) => {
                    self.keep(rest);
                    emit(self.take());
                }
                _ => self.keep(part),
            }
        }
    }

    /// The last line, when it has no newline.
    pub fn finish(&mut self) -> Option<Cut> {
        (!self.buffer.is_empty() || self.dropped > 0).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.held() - self.buffer.len();
        // Once something was dropped, nothing after it may be appended, not even into regained room.
        let kept = if self.dropped > 0 {
            0
        } else {
            room.min(bytes.len())
        };
        self.buffer.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
    }

    fn take(&mut self) -> Cut {
        let limit = self.limit.min(self.buffer.len());
        let masked = self
            .masker
            .as_ref()
            .and_then(|masker| masker.mask(&self.buffer, limit));
        let mut bytes = masked.as_deref().unwrap_or(&self.buffer[..limit]);
        let mut dropped = std::mem::take(&mut self.dropped) + (self.buffer.len() - limit) as u64;
        if dropped > 0 {
            let whole = bytes.len() - incomplete_tail(bytes);
            dropped += (bytes.len() - whole) as u64;
            bytes = &bytes[..whole];
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.buffer.clear();
        Cut { text, dropped }
    }
}

/// Bytes at the end that begin a character whose rest was dropped.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let back = bytes.len().saturating_sub(3);
    (back..bytes.len())
        .find(|at| matches!(std::str::from_utf8(&bytes[*at..]), Err(e) if e.error_len().is_none() && e.valid_up_to() == 0))
        .map_or(0, |at| bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(limit: usize, chunks: &[&[u8]]) -> Vec<(String, u64)> {
        let mut cutter = LineCutter::new(limit);
        let mut out = Vec::new();
        for chunk in chunks {
            cutter.feed(chunk, |c| out.push((c.text, c.dropped)));
        }
        out.extend(cutter.finish().map(|c| (c.text, c.dropped)));
        out
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        assert_eq!(
            cut(4, &["abcé!\nx\n".as_bytes()]),
            [("abc".into(), 3), ("x".into(), 0)]
        );
        assert_eq!(
            cut(3, &[b"abc\n", b"abcdef"]),
            [("abc".into(), 0), ("abc".into(), 3)]
        );
    }

    #[test]
    fn a_character_split_over_reads_stays_whole() {
        assert_eq!(cut(99, &[b"a\xe2\x82", b"\xac\n"]), [("a\u{20ac}".into(), 0)]);
        assert_eq!(cut(99, &[b"a\xff\n"]), [("a\u{fffd}".into(), 0)]);
    }

    proptest! {
        #[test]
        fn reads_may_be_split_anywhere(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200, limit in 1usize..50) {
            let at = at.min(bytes.len());
            prop_assert_eq!(cut(limit, &[&bytes]), cut(limit, &[&bytes[..at], &bytes[at..]]));
        }

        #[test]
        fn valid_text_comes_out_as_it_went_in(text in "[a-zé€😀\n]{0,80}") {
            let lines: Vec<String> = cut(4096, &[text.as_bytes()]).into_iter().map(|l| l.0).collect();
            let expected: Vec<String> = text.split_terminator('\n').map(str::to_owned).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
