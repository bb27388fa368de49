//! Search in a log without regard to case: goes through the lines bit by bit, so that a large log
//! does not block the page, and takes in lines that come later. Matches are of the visible text.

use super::ansi;
use super::model::Log;

/// Above this many matches the count is a lower bound.
const MOST: usize = 100_000;

/// A place of the text, in bytes of the visible line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub row: usize,
    /// Which of the row's matches it is, from 0.
    pub nth: usize,
}

/// A search and what it has found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    query: String,
    done: usize,
    matches: Vec<Match>,
    current: usize,
}

impl Search {
    pub fn new(query: &str) -> Self {
        Self {
            query: query.to_owned(),
            ..Self::default()
        }
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    /// True when more matches may exist than are listed.
    pub fn is_cut(&self) -> bool {
        self.matches.len() >= MOST
    }

    /// Looks through at most `budget` more rows. True while rows are left.
    pub fn advance(&mut self, log: &Log, budget: usize) -> bool {
        if self.query.is_empty() || self.is_cut() {
            self.done = log.rows();
            return false;
        }
        let end = (self.done + budget).min(log.rows());
        for row in self.done..end {
            let Some(line) = log.row(row) else { continue };
            let count = if ansi::is_plain(line.text) {
                find(line.text, &self.query).len()
            } else {
                find(&ansi::strip(line.text), &self.query).len()
            };
            self.matches.extend((0..count).map(|nth| Match { row, nth }));
        }
        self.done = end;
        end < log.rows() && !self.is_cut()
    }

    pub fn len(&self) -> usize {
        self.matches.len()
    }

    /// The match that is chosen, and its number from 1.
    pub fn current(&self) -> Option<(usize, Match)> {
        self.matches.get(self.current).map(|m| (self.current + 1, *m))
    }

    /// Chooses the next match, or the one before; both go round.
    pub fn step(&mut self, forward: bool) {
        let count = self.matches.len();
        if count > 0 {
            self.current = if forward {
                self.current + 1
            } else {
                self.current + count - 1
            } % count;
        }
    }

    /// Chooses the first match at or after a row.
    pub fn start_from(&mut self, row: usize) {
        let at = self.matches.partition_point(|m| m.row < row);
        self.current = if at < self.matches.len() { at } else { 0 };
    }
}

/// Where the query occurs, as byte ranges that do not overlap.
pub fn find(text: &str, query: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    if query.is_empty() {
        return found;
    }
    if query.is_ascii() {
        let (text, query) = (text.as_bytes(), query.as_bytes());
        let mut at = 0;
        while at + query.len() <= text.len() {
            let end = at + query.len();
            if text[at..end].eq_ignore_ascii_case(query) {
                found.push((at, end));
                at = end;
            } else {
                at += 1;
            }
        }
        return found;
    }
    let query: Vec<char> = query.chars().flat_map(char::to_lowercase).collect();
    let mut from = 0;
    for (at, _) in text.char_indices() {
        if at >= from
            && let Some(end) = match_at(text, at, &query)
        {
            found.push((at, end));
            from = end;
        }
    }
    found
}

/// The end of a match that begins here. Compares folded characters, whose number may differ.
fn match_at(text: &str, at: usize, query: &[char]) -> Option<usize> {
    let mut want = query.iter();
    for (offset, c) in text.get(at..)?.char_indices() {
        for folded in c.to_lowercase() {
            if want.next() != Some(&folded) {
                return None;
            }
        }
        if want.as_slice().is_empty() {
            return Some(at + offset + c.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::model::{Line, Stream};
    use super::*;

    fn log(lines: &[&str]) -> Log {
        let mut log = Log::default();
        extend(&mut log, lines);
        log
    }

    fn extend(log: &mut Log, lines: &[&str]) {
        let first = log.last_seq() + 1;
        log.append(lines.iter().zip(first..).map(|(text, seq)| {
            let stream = if text.contains("err") {
                Stream::Stderr
            } else {
                Stream::Stdout
            };
            Line {
                source: 0,
                seq,
                at: 0,
                stream,
                text: (*text).to_owned(),
            }
        }));
    }

    #[test]
    fn case_is_of_no_regard() {
        assert_eq!(
            find("Emerg emerg EMERG", "emerg"),
            vec![(0, 5), (6, 11), (12, 17)]
        );
        assert_eq!(find("aaaa", "aa"), vec![(0, 2), (2, 4)]);
        assert_eq!(find("año AÑO", "Ñ"), vec![(1, 3), (6, 8)]);
        assert_eq!(find("x", ""), vec![]);
        assert_eq!(find("", "x"), vec![]);
        assert_eq!(find("İx", "x"), vec![(2, 3)]);
        assert_eq!(find("日本語日本", "日本"), vec![(0, 6), (9, 15)]);
    }

    #[test]
    fn matches_are_of_what_is_seen() {
        let log = log(&["\u{1b}[31mer\u{1b}[0mror", "\u{1b}]0;error\u{7}fine"]);
        let mut search = Search::new("error");
        assert!(!search.advance(&log, 10));
        assert_eq!(search.current(), Some((1, Match { row: 0, nth: 0 })));
        assert_eq!(search.len(), 1);
    }

    #[test]
    fn a_search_goes_bit_by_bit_and_takes_in_new_lines() {
        let mut log = log(&["a x x", "b", "x"]);
        let mut search = Search::new("x");
        assert!(search.advance(&log, 1));
        assert_eq!(search.len(), 2);
        assert!(!search.advance(&log, 10));
        assert_eq!(search.len(), 3);
        extend(&mut log, &["x"]);
        assert!(!search.advance(&log, 10));
        assert_eq!(search.len(), 4);
    }

    #[test]
    fn next_and_previous_go_round() {
        let log = log(&["x", "-", "x x"]);
        let mut search = Search::new("x");
        search.advance(&log, 10);
        search.step(false);
        assert_eq!(search.current(), Some((3, Match { row: 2, nth: 1 })));
        search.step(true);
        assert_eq!(search.current(), Some((1, Match { row: 0, nth: 0 })));
        search.start_from(1);
        assert_eq!(search.current(), Some((2, Match { row: 2, nth: 0 })));
        search.start_from(3);
        assert_eq!(search.current().map(|c| c.0), Some(1));
        let mut none = Search::new("y");
        none.step(true);
        assert_eq!(none.current(), None);
    }

    #[test]
    fn hidden_lines_are_not_searched() {
        let mut log = log(&["err x", "out x", "err x"]);
        log.set_filter(Some(Stream::Stderr));
        let mut search = Search::new("x");
        search.advance(&log, 10);
        assert_eq!(search.len(), 2);
        assert_eq!(search.current().map(|c| c.1.row), Some(0));
    }
}
