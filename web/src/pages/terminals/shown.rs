//! How far a terminal was shown here, and when that is to be told: it says only so much more than was read. In steps,
//! so that what somebody types and reads costs no request. Pure: knows no request.

/// What was shown is told once it is so much, in letters of base64: far less than may be shown without a word, so that
/// no terminal waits for what is left.
const STEP: usize = 128 << 10;
/// Each piece counts as so much more than it has: the server counts 64 bytes.
const PIECE: usize = 88;

/// What was shown.
#[derive(Debug, Default)]
pub struct Shown {
    last: i32,
    untold: usize,
}

impl Shown {
    /// A piece of so many letters was shown, and all before it.
    pub fn add(&mut self, seq: i32, letters: usize) {
        self.last = self.last.max(seq);
        self.untold += letters + PIECE;
    }

    /// Up to which piece it is to be told now; none: not yet.
    pub fn due(&self) -> Option<i32> {
        (self.untold >= STEP).then_some(self.last)
    }

    /// It was told, or nobody needs to know.
    pub fn told(&mut self) {
        self.untold = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_steps_and_until_it_is_heard() {
        let mut shown = Shown::default();
        shown.add(1, STEP - PIECE - 1);
        assert_eq!(shown.due(), None);
        // Pieces may be done in another order than they were begun.
        shown.add(3, 4);
        shown.add(2, 4);
        assert_eq!(shown.due(), Some(3));
        shown.add(4, 4);
        assert_eq!(shown.due(), Some(4), "nobody has heard of it");
        shown.told();
        assert_eq!(shown.due(), None);
        shown.add(5, STEP);
        assert_eq!(shown.due(), Some(5));
    }

    #[test]
    fn small_pieces_are_told_before_they_are_much_for_the_server() {
        let mut shown = Shown::default();
        let told = (1..10_000).find(|seq| {
            shown.add(*seq, 4);
            shown.due().is_some()
        });
        assert!(told.is_some_and(|pieces| pieces * (1 + 64) <= 128 << 10));
    }
}
