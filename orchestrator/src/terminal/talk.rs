//! What was said to and by one terminal, by number: what is shown is kept until it was seen, what is typed counts once,
//! and after a new connection both go on where they were. Pure: it must not know channels, nor where the shell is.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use cronium_protocol::terminal::{End, FromTerminal, MAX_PIECE, PIECE_COST, WINDOW};
use tokio::time::Instant;

use super::filter;
use super::line::CHUNK;
use crate::clock::Now;

/// What comes soon after a piece goes with what follows it.
const GATHER: Duration = Duration::from_millis(5);
/// Longest character of UTF-8, in bytes.
const CHARACTER: usize = 4;
/// Most that may be typed before the shell has taken it.
const MOST_TYPED: usize = 1 << 20;

/// What is said about a piece of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// To be typed.
    Next,
    /// It was there already, or one before it was not.
    PassedOver,
    /// The shell takes nothing, and there is no room.
    TooMuch,
}

#[derive(Debug)]
struct Piece {
    number: u64,
    at_us: i64,
    data: Vec<u8>,
}

/// What was said over the present connection, and need not be said again.
#[derive(Debug, Default)]
struct Told {
    opened: bool,
    output: u64,
    typed: u64,
    ended: bool,
}

/// One terminal's account.
#[derive(Debug)]
pub struct Talk {
    /// The server listens: it has asked for the terminal, or has said where to go on.
    is_heard: bool,
    told: Told,
    is_open: bool,
    gathered: Vec<u8>,
    /// What comes from then on comes after a pause; None: nothing was shown yet.
    quiet_at: Option<Instant>,
    /// Not seen yet, in order.
    pieces: VecDeque<Piece>,
    /// Their bytes, and what they cost beyond them.
    unseen: usize,
    /// Number of the last piece.
    last: u64,
    /// Number of the last piece of input that was taken, and those that the shell has not got: numbers and lengths.
    taken: u64,
    typing: VecDeque<(u64, usize)>,
    typed: u64,
    ended: Option<End>,
}

impl Talk {
    /// With the connection over which it was asked for.
    pub fn new() -> Self {
        Self {
            is_heard: true,
            told: Told::default(),
            is_open: false,
            gathered: Vec::new(),
            quiet_at: None,
            pieces: VecDeque::new(),
            unseen: 0,
            last: 0,
            taken: 0,
            typing: VecDeque::new(),
            typed: 0,
            ended: None,
        }
    }

    /// Whether words go anywhere.
    pub fn is_heard(&self) -> bool {
        self.is_heard
    }

    pub fn is_open(&self) -> bool {
        self.is_open
    }

    pub fn open(&mut self) {
        self.is_open = true;
    }

    /// Whether the shell may show another chunk: all that it can become has room in the window.
    pub fn has_room(&self) -> bool {
        self.unseen + cost(self.gathered.len() + filter::most(CHUNK)) <= WINDOW
    }

    /// Takes what the shell showed, cleaned. After a pause it is a piece at once.
    pub fn show(&mut self, shown: &[u8], now: Now) {
        self.gathered.extend_from_slice(shown);
        if self.gathered.len() >= MAX_PIECE || self.quiet_at.is_none_or(|quiet| quiet <= now.at) {
            self.cut(now);
        }
    }

    /// When what was gathered is to be cut; None: nothing was.
    pub fn due(&self) -> Option<Instant> {
        self.quiet_at.filter(|_| !self.gathered.is_empty())
    }

    /// Makes pieces of what was gathered, of whole characters.
    pub fn cut(&mut self, now: Now) {
        let gathered = std::mem::take(&mut self.gathered);
        let mut rest = gathered.as_slice();
        while !rest.is_empty() {
            let mut length = rest.len().min(MAX_PIECE);
            while length > 1 && length < rest.len() && is_within_a_character(rest[length]) {
                length -= 1;
            }
            let (piece, more) = rest.split_at(length);
            self.last += 1;
            self.unseen += piece.len() + PIECE_COST;
            self.pieces.push_back(Piece {
                number: self.last,
                at_us: now.us,
                data: piece.to_vec(),
            });
            rest = more;
        }
        self.quiet_at = Some(now.at + GATHER);
    }

    /// Everything up to and with this piece is kept and wanted.
    pub fn seen(&mut self, number: u64) {
        while let Some(piece) = self.pieces.front().filter(|piece| piece.number <= number) {
            self.unseen -= piece.data.len() + PIECE_COST;
            self.pieces.pop_front();
        }
    }

    /// A piece of input, of so many bytes.
    pub fn input(&mut self, number: u64, bytes: usize) -> Typing {
        if number <= self.taken {
            // Whoever says it again has not heard that it was typed.
            self.told.typed = self.told.typed.min(number.saturating_sub(1));
            return Typing::PassedOver;
        }
        if number > self.taken + 1 {
            return Typing::PassedOver;
        }
        let waiting: usize = self.typing.iter().map(|(_, bytes)| bytes).sum();
        if waiting + bytes > MOST_TYPED {
            return Typing::TooMuch;
        }
        self.taken = number;
        self.typing.push_back((number, bytes));
        Typing::Next
    }

    /// The shell has got everything up to and with this piece of input.
    pub fn typed(&mut self, number: u64) {
        while self.typing.front().is_some_and(|(n, _)| *n <= number) {
            self.typing.pop_front();
        }
        self.typed = self.typed.max(number);
    }

    /// The connection is gone, or another one has taken its place.
    pub fn cut_off(&mut self) {
        self.is_heard = false;
    }

    /// The server goes on after these pieces of output and of input.
    pub fn go_on(&mut self, output: u64, input: u64) {
        self.seen(output);
        let before_first = self.pieces.front().map_or(self.last, |piece| piece.number - 1);
        self.is_heard = true;
        self.told = Told {
            output: before_first,
            typed: input,
            ..Told::default()
        };
    }

    /// It is over: nothing follows what was shown.
    pub fn end(&mut self, end: End) {
        self.ended.get_or_insert(end);
    }

    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// The end is to be said again.
    pub fn repeat_end(&mut self) {
        self.told.ended = false;
    }

    /// What there is to say now, in order.
    pub fn words(&mut self) -> Vec<FromTerminal> {
        let mut words = Vec::new();
        if !self.is_heard {
            return words;
        }
        if self.is_open && !std::mem::replace(&mut self.told.opened, true) {
            words.push(FromTerminal::Opened);
        }
        let told = self.told.output;
        let untold = self.pieces.iter().skip_while(|piece| piece.number <= told);
        words.extend(untold.map(|piece| FromTerminal::Output {
            number: piece.number,
            at_us: piece.at_us,
            data: piece.data.clone(),
        }));
        self.told.output = self.last;
        if self.typed > self.told.typed {
            self.told.typed = self.typed;
            words.push(FromTerminal::Typed { number: self.typed });
        }
        if let Some(end) = &self.ended
            && self.gathered.is_empty()
            && !std::mem::replace(&mut self.told.ended, true)
        {
            words.push(FromTerminal::Ended(end.clone()));
        }
        words
    }
}

/// What so many bytes cost at most that become pieces together: each but the last is as long as its last character
/// lets it be.
const fn cost(bytes: usize) -> usize {
    bytes + (bytes / (MAX_PIECE - CHARACTER) + 1) * PIECE_COST
}

/// A later byte of a character of UTF-8.
fn is_within_a_character(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
