//! A recording as an asciicast of version 2 (<https://docs.asciinema.org/manual/asciicast/v2/>): a header, and a line
//! for each piece. Pure.

use serde_json::json;

use crate::kernel::Timestamp;

use super::store::TerminalRow;
use super::store::pieces::Piece;

/// Writes one recording, piece after piece.
#[derive(Debug)]
pub struct Cast {
    start: Timestamp,
    /// Clocks of two machines: what is written never goes back.
    last_us: i64,
    text: Text,
}

/// Bytes that become text. A character may be split over pieces; what is none becomes U+FFFD.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a character, three bytes at most.
    rest: Vec<u8>,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let whole = all.len() - unfinished(&all);
        self.rest = all.split_off(whole);
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Bytes at the end that may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let mut at = bytes.len();
    while at > from {
        at -= 1;
        let tail = &bytes[at..];
        if let Err(problem) = std::str::from_utf8(tail)
            && problem.valid_up_to() == 0
            && problem.error_len().is_none()
        {
            return tail.len();
        }
    }
    0
}

impl Cast {
    /// The header, for a recording that begins with this piece.
    pub fn begin(row: &TerminalRow, first: Option<&Piece>) -> (Self, String) {
        let start = first.map_or(row.created_at, |piece| piece.at);
        let (width, height) = first
            .and_then(|piece| piece.size)
            .unwrap_or((row.width, row.height));
        let header = json!({
            "version": 2,
            "width": width,
            "height": height,
            "timestamp": start.timestamp(),
            "title": row.title,
        });
        let cast = Self {
            start,
            last_us: 0,
            text: Text::default(),
        };
        (cast, format!("{header}\n"))
    }

    /// The line of a piece; None: it has no whole character.
    pub fn line(&mut self, piece: &Piece) -> Option<String> {
        let us = (piece.at - self.start).num_microseconds().unwrap_or(i64::MAX);
        self.last_us = self.last_us.max(us);
        let (kind, text) = match piece.size {
            Some((columns, rows)) => ("r", format!("{columns}x{rows}")),
            None => ("o", self.text.push(&piece.data)),
        };
        (!text.is_empty()).then(|| self.written(kind, &text))
    }

    /// What is left when there are no more pieces.
    pub fn end(mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.text.rest);
        (!rest.is_empty()).then(|| self.written("o", &String::from_utf8_lossy(&rest)))
    }

    fn written(&self, kind: &str, text: &str) -> String {
        let seconds = self.last_us as f64 / 1_000_000.0;
        format!("{}\n", json!([seconds, kind, text]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut text = Text::default();
        let mut out: String = pieces.into_iter().map(|piece| text.push(piece)).collect();
        out.push_str(&String::from_utf8_lossy(&text.rest));
        out
    }

    #[test]
    fn a_character_that_is_split_over_pieces_is_whole() {
        let mut text = Text::default();
        assert_eq!(text.push(b"a\xf0\x9f"), "a");
        assert_eq!(text.push(b"\x91"), "");
        assert_eq!(text.push(b"\xa9b"), "👩b");
        assert_eq!(text.push(b"\xff\xc3"), "\u{fffd}");
        assert_eq!(text.push(b"x"), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn pieces_are_the_text_that_they_are_together(
            text in any::<String>(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9)
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(joined(pieces), text);
        }

        #[test]
        fn bytes_that_are_no_text_hold_nothing_back(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(joined(pieces).is_empty(), bytes.is_empty());
            let mut text = Text::default();
            for byte in &bytes {
                text.push(&[*byte]);
                prop_assert!(text.rest.len() <= 3);
            }
        }
    }
}
