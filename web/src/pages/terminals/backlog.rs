//! What a terminal has told and nobody has drawn yet. One's own says little more than was drawn; but what it said
//! before the page was there, and what those of others say, comes as fast as it can. A browser can't stop reading a
//! socket, so the page gives up its subscription while too much waits, and asks for what follows once most of it is
//! drawn: what is held here stays small. Pure: knows no subscription and no screen.

use std::collections::VecDeque;

use super::data::Chunk;

/// More than this, in letters of base64, and nothing more is asked for.
const MUCH: usize = 4 << 20;
/// Less than this, and it is asked on.
const LITTLE: usize = 1 << 20;

/// Pieces in order, each once.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Chunk>,
    letters: usize,
    last: i32,
    missing: bool,
}

impl Backlog {
    /// Takes in a piece; one that was here before is passed over.
    pub fn take(&mut self, piece: Chunk) {
        if piece.seq <= self.last {
            return;
        }
        // Of a long recording its middle is not kept.
        self.missing |= piece.seq > self.last + 1;
        self.last = piece.seq;
        self.letters += piece.data.len();
        self.waiting.push_back(piece);
    }

    /// The number up to which all that there is was taken in.
    pub fn last(&self) -> i32 {
        self.last
    }

    /// Whether a piece was never told.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// The next piece to draw.
    pub fn pop(&mut self) -> Option<Chunk> {
        let piece = self.waiting.pop_front()?;
        self.letters -= piece.data.len();
        Some(piece)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nothing more should come for now.
    pub fn is_much(&self) -> bool {
        self.letters > MUCH
    }

    /// Whether more may come again.
    pub fn is_little(&self) -> bool {
        self.letters < LITTLE
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::tests::chunk;
    use super::*;

    fn drawn(backlog: &mut Backlog) -> Vec<i32> {
        std::iter::from_fn(|| backlog.pop())
            .map(|piece| piece.seq)
            .collect()
    }

    #[test]
    fn what_is_told_twice_is_drawn_once() {
        let mut backlog = Backlog::default();
        for seq in [1, 2, 2, 1, 3] {
            backlog.take(chunk(seq, "eA=="));
        }
        assert_eq!(drawn(&mut backlog), [1, 2, 3]);
        assert!(!backlog.is_missing());
        backlog.take(chunk(3, "eA=="));
        assert_eq!((backlog.last(), backlog.is_empty()), (3, true));
    }

    #[test]
    fn a_gap_is_known() {
        let mut backlog = Backlog::default();
        backlog.take(chunk(1, "eA=="));
        backlog.take(chunk(9, "eA=="));
        assert!(backlog.is_missing());
        assert_eq!(drawn(&mut backlog), [1, 9]);
    }

    #[test]
    fn reading_stops_at_much_and_goes_on_at_little() {
        let mut backlog = Backlog::default();
        let piece = "A".repeat(40 << 10);
        let mut taken = 0;
        while !backlog.is_much() {
            taken += 1;
            backlog.take(chunk(taken, &piece));
        }
        assert_eq!(taken, 103, "a little over the limit, by one piece");
        let mut left = taken;
        while !backlog.is_little() {
            backlog.pop();
            left -= 1;
        }
        assert_eq!(left, 25);
        drawn(&mut backlog);
        assert!(backlog.is_empty() && backlog.is_little());
    }
}
