//! What is typed, on its way: pieces with numbers, one at a time, so that a piece whose answer was lost is sent again
//! and typed once. Pure: knows no request.

/// Most bytes of a piece.
const PIECE: usize = 32 << 10;
/// Most bytes that wait: more is no typing, and not held.
const MOST: usize = 1 << 20;

/// A piece and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub seq: i32,
    pub data: String,
    reply: bool,
}

/// What was typed and is not known to have arrived.
#[derive(Debug, Default)]
pub struct Typing {
    waiting: String,
    /// What the terminal replies to its program, and nobody typed.
    replies: String,
    /// The next number; none where another page may have typed meanwhile.
    next: Option<i32>,
    sent: Option<Piece>,
    /// Whether what was sent may have arrived although nothing was heard of it.
    doubtful: bool,
}

impl Typing {
    /// Takes in what was typed; false where that is too much.
    pub fn typed(&mut self, text: &str) -> bool {
        let fits = self.waiting.len() + text.len() <= MOST;
        if fits {
            self.waiting.push_str(text);
        }
        fits
    }

    /// Takes in what the terminal replies to its program. No more waits than a piece: a program may ask without end.
    pub fn replied(&mut self, text: &str) {
        if self.replies.len() + text.len() <= PIECE {
            self.replies.push_str(text);
        }
    }

    /// The piece to send now; the same again until it is answered.
    pub fn piece(&mut self) -> Option<Piece> {
        if self.sent.is_none() {
            // People come first: who wants to stop a program that asks without end must not wait for that.
            let reply = self.waiting.is_empty();
            let from = if reply {
                &mut self.replies
            } else {
                &mut self.waiting
            };
            let mut end = from.len().min(PIECE);
            while !from.is_char_boundary(end) {
                end -= 1;
            }
            self.sent = (end > 0).then(|| Piece {
                // A number that is never its turn: it is not typed, and the answer tells which one comes next.
                seq: self.next.unwrap_or(i32::MAX),
                data: from.drain(..end).collect(),
                reply,
            });
            self.doubtful = false;
        }
        self.sent.clone()
    }

    /// The piece was answered with the number that comes next. False where it is too early for it.
    pub fn answered(&mut self, next: i32) -> bool {
        let Some(piece) = self.sent.take() else {
            return true;
        };
        // Of a piece that was sent twice, its first time has used its number.
        let typed = next - 1 == piece.seq || (self.doubtful && next > piece.seq);
        let behind = !typed && next > piece.seq;
        if piece.reply && behind {
            // Somebody has typed elsewhere: the page there replies, and this one stays behind until it is used.
            return true;
        }
        self.next = Some(next);
        if next == piece.seq {
            // As it is: should its first time be on its way still, it must not be another.
            self.sent = Some(piece);
            return false;
        }
        if !typed {
            let back = if piece.reply {
                &mut self.replies
            } else {
                &mut self.waiting
            };
            back.insert_str(0, &piece.data);
        }
        true
    }

    /// Nothing was heard of the piece.
    pub fn unheard(&mut self) {
        self.doubtful = true;
    }

    /// Another page may have typed: asks for the number before the next piece.
    pub fn unsure(&mut self) {
        if self.sent.is_none() {
            self.next = None;
        }
    }

    /// It can't be typed any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What the control key makes of a letter that comes with it; anything else stays as it is.
pub fn with_control(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('?'), None) => "\u{7f}".to_owned(),
        (Some(' '), None) => "\0".to_owned(),
        (Some(letter @ ('@'..='_' | 'a'..='z')), None) => {
            char::from(letter.to_ascii_uppercase() as u8 & 0x1f).to_string()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(typing: &mut Typing) -> (i32, String) {
        let piece = typing.piece().unwrap();
        (piece.seq, piece.data)
    }

    /// A terminal at the other end.
    #[derive(Default)]
    struct Far {
        typed: String,
        count: i32,
    }

    impl Far {
        fn hears(&mut self, piece: &Piece) -> i32 {
            if piece.seq == self.count + 1 {
                self.count += 1;
                self.typed.push_str(&piece.data);
            }
            self.count + 1
        }
    }

    /// Sends the next piece, and hears the answer.
    fn exchange(typing: &mut Typing, far: &mut Far) {
        let next = far.hears(&typing.piece().unwrap());
        typing.answered(next);
    }

    #[test]
    fn what_is_typed_meanwhile_goes_in_one_piece() {
        let (mut typing, mut far) = (Typing::default(), Far::default());
        typing.typed("a");
        assert_eq!(
            sent(&mut typing),
            (i32::MAX, "a".to_owned()),
            "which number is free?"
        );
        exchange(&mut typing, &mut far);
        assert_eq!((sent(&mut typing), far.typed.as_str()), ((1, "a".to_owned()), ""));
        typing.typed("b");
        typing.typed("c");
        assert_eq!(sent(&mut typing), (1, "a".to_owned()), "until it is answered");
        typing.answered(2);
        assert_eq!(sent(&mut typing), (2, "bc".to_owned()));
        typing.answered(3);
        assert_eq!(typing.piece(), None);
    }

    #[test]
    fn a_piece_that_comes_too_early_is_sent_again_later() {
        let mut typing = Typing::default();
        typing.typed("a");
        typing.piece();
        assert!(typing.answered(7), "now the number is known");
        assert_eq!(sent(&mut typing), (7, "a".to_owned()));
        typing.typed("b");
        assert!(!typing.answered(7));
        assert_eq!(sent(&mut typing), (7, "a".to_owned()));
        assert!(typing.answered(8));
        assert_eq!(sent(&mut typing), (8, "b".to_owned()));
    }

    #[test]
    fn a_piece_whose_answer_was_lost_is_typed_once() {
        let (mut typing, mut far) = (Typing::default(), Far::default());
        typing.typed("rm x\r");
        exchange(&mut typing, &mut far);
        let lost = typing.piece().unwrap();
        far.hears(&lost);
        typing.unheard();
        typing.typed("ls\r");
        exchange(&mut typing, &mut far);
        exchange(&mut typing, &mut far);
        assert_eq!((far.typed.as_str(), typing.piece()), ("rm x\rls\r", None));
    }

    #[test]
    fn another_page_that_types_takes_no_key_away() {
        let (mut one, mut other, mut far) = (Typing::default(), Typing::default(), Far::default());
        let mut flush = |typing: &mut Typing| {
            while let Some(piece) = typing.piece() {
                typing.answered(far.hears(&piece));
            }
            far.typed.clone()
        };
        one.typed("a");
        flush(&mut one);
        other.typed("b");
        assert_eq!(flush(&mut other), "ab");
        // Whoever turns to a page may have typed in another.
        one.unsure();
        one.typed("cd");
        assert_eq!(flush(&mut one), "abcd");
        other.unsure();
        other.typed("e");
        assert_eq!(flush(&mut other), "abcde");
    }

    #[test]
    fn a_page_replies_until_somebody_types_in_another() {
        let (mut one, mut other, mut far) = (Typing::default(), Typing::default(), Far::default());
        let mut flush = |typing: &mut Typing| {
            while let Some(piece) = typing.piece() {
                typing.answered(far.hears(&piece));
            }
            far.typed.clone()
        };
        one.replied("r");
        assert_eq!(flush(&mut one), "r", "it asks for the number");
        for letter in ["a", "b"] {
            other.typed(letter);
            flush(&mut other);
        }
        for _ in 0..2 {
            one.replied("s");
            assert_eq!(flush(&mut one), "rab");
        }
        other.replied("t");
        assert_eq!(flush(&mut other), "rabt");
        one.unsure();
        one.replied("u");
        assert_eq!(flush(&mut one), "rabtu");
    }

    #[test]
    fn a_program_that_asks_without_end_keeps_nobody_from_typing() {
        let (mut typing, mut far) = (Typing::default(), Far::default());
        for _ in 0..PIECE {
            typing.replied("ab");
        }
        typing.typed("\u{3}");
        while let Some(piece) = typing.piece() {
            typing.answered(far.hears(&piece));
        }
        assert_eq!(far.typed, format!("\u{3}{}", "ab".repeat(PIECE / 2)));
    }

    #[test]
    fn a_number_that_others_have_used_is_not_taken_for_ones_own() {
        let mut typing = Typing::default();
        typing.typed("a");
        typing.piece();
        typing.answered(5);
        assert_eq!(sent(&mut typing), (5, "a".to_owned()));
        typing.answered(9);
        assert_eq!(sent(&mut typing), (9, "a".to_owned()));
        typing.unheard();
        typing.answered(12);
        assert_eq!(typing.piece(), None, "its first time arrived");
    }

    #[test]
    fn a_long_text_goes_in_pieces_and_keeps_its_letters_whole() {
        let (mut typing, mut far) = (Typing::default(), Far::default());
        let text = "año ".repeat(20_000);
        assert!(typing.typed(&text));
        while let Some(piece) = typing.piece() {
            assert!(piece.data.len() <= PIECE);
            typing.answered(far.hears(&piece));
        }
        assert_eq!(far.typed, text);
        assert!(!typing.typed(&"x".repeat(MOST + 1)));
        assert_eq!(typing.piece(), None);
    }

    #[test]
    fn control_makes_of_a_letter_what_keyboards_make_of_it() {
        for (typed, wanted) in [
            ("c", "\u{3}"),
            ("C", "\u{3}"),
            ("[", "\u{1b}"),
            ("?", "\u{7f}"),
            (" ", "\0"),
        ] {
            assert_eq!(with_control(typed), wanted, "{typed}");
        }
        for other in ["é", "ab", "\r", "1", ""] {
            assert_eq!(with_control(other), other);
        }
    }
}
