//! Cuts a line into pieces that are drawn alike: its colours, crossed with the places that a search
//! found in it. Knows nothing of the page.

use super::{ansi, search};

/// Whether a piece is a search match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    Match,
    /// The match that is chosen.
    Current,
}

/// A run of text that is drawn as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub class: &'static str,
    pub mark: Mark,
}

/// The pieces of a line for a query; `current` is the number, from 0, of the chosen match.
pub fn pieces(line: &str, query: &str, current: Option<usize>) -> Vec<Piece> {
    let spans = ansi::parse(line);
    let text: String = spans.iter().map(|span| span.text.as_str()).collect();
    let matches = search::find(&text, query);
    let mut out = Vec::new();
    let mut begun = 0;
    for span in spans {
        let (start, end) = (begun, begun + span.text.len());
        begun = end;
        let mut push = |from: usize, to: usize, mark| {
            if let Some(text) = text.get(from..to).filter(|text| !text.is_empty()) {
                out.push(Piece {
                    text: text.to_owned(),
                    class: span.style.class(),
                    mark,
                });
            }
        };
        let mut at = start;
        for (nth, (from, to)) in matches
            .iter()
            .enumerate()
            .filter(|(_, (from, to))| *from < end && *to > start)
        {
            let (from, to) = ((*from).max(start), (*to).min(end));
            push(at, from, Mark::None);
            push(
                from,
                to,
                if current == Some(nth) {
                    Mark::Current
                } else {
                    Mark::Match
                },
            );
            at = to;
        }
        push(at, end, Mark::None);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(line: &str, query: &str, current: Option<usize>) -> String {
        let one = |piece: Piece| match piece.mark {
            Mark::None => format!("{}:{}", piece.class, piece.text),
            Mark::Match => format!("{}:[{}]", piece.class, piece.text),
            Mark::Current => format!("{}:<{}>", piece.class, piece.text),
        };
        pieces(line, query, current)
            .into_iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn without_a_query_the_colours_remain() {
        assert_eq!(drawn("a\u{1b}[31mb", "", None), ":a|a-r:b");
        assert_eq!(drawn("", "x", None), "");
    }

    #[test]
    fn a_match_may_cross_colours() {
        assert_eq!(
            drawn("xe\u{1b}[31mrr\u{1b}[0mor!", "error", None),
            ":x|:[e]|a-r:[rr]|:[or]|:!"
        );
    }

    #[test]
    fn the_chosen_match_is_told_apart() {
        assert_eq!(drawn("ab ab", "AB", Some(1)), ":[ab]|: |:<ab>");
        assert_eq!(drawn("abab", "ab", Some(0)), ":<ab>|:[ab]");
    }
}
