//! What keys do to the text of the editor: indent, outdent, and a new line that keeps its indent.
//! Positions count UTF-16 units, as the browser's do. Knows nothing of the page.

/// A text and its selection, in UTF-16 units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub text: String,
    pub start: u32,
    pub end: u32,
}

/// One step of indent.
pub const STEP: &str = "    ";

/// The byte position of a UTF-16 position.
pub fn byte_of(text: &str, position: u32) -> usize {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units >= position {
            return at;
        }
        units += c.len_utf16() as u32;
    }
    text.len()
}

fn units(text: &str) -> u32 {
    text.encode_utf16().count() as u32
}

/// Line and column of a position, from 1.
pub fn line_and_column(text: &str, position: u32) -> (usize, usize) {
    let before = &text[..byte_of(text, position)];
    let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Indents: inserts at the caret, or moves every selected line.
pub fn indent(edit: &Edit) -> Edit {
    let (from, to) = (byte_of(&edit.text, edit.start), byte_of(&edit.text, edit.end));
    if !edit.text[from..to].contains('\n') {
        return replace(edit, from, to, STEP);
    }
    change_lines(edit, from, to, |line| {
        if line.is_empty() {
            String::new()
        } else {
            format!("{STEP}{line}")
        }
    })
}

/// Takes one step of indent from each line that is touched.
pub fn outdent(edit: &Edit) -> Edit {
    let (from, to) = (byte_of(&edit.text, edit.start), byte_of(&edit.text, edit.end));
    change_lines(edit, from, to, |line| {
        let spaces = line.chars().take(STEP.len()).take_while(|c| *c == ' ').count();
        let cut = if line.starts_with('\t') { 1 } else { spaces };
        line[cut..].to_owned()
    })
}

/// A new line with the indent of the present one, a step deeper after an opening.
pub fn new_line(edit: &Edit) -> Edit {
    let (from, to) = (byte_of(&edit.text, edit.start), byte_of(&edit.text, edit.end));
    let line = edit.text[..from].rsplit('\n').next().unwrap_or_default();
    let mut added: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    let code = line.trim_end();
    if code.ends_with([':', '{', '(', '[']) || code.ends_with(" then") || code.ends_with(" do") {
        added.push_str(STEP);
    }
    replace(edit, from, to, &format!("\n{added}"))
}

/// What to replace to get from one text to another: from, to, and the new text between.
pub fn difference(before: &str, after: &str) -> (u32, u32, String) {
    let common = |a: &mut dyn Iterator<Item = (char, char)>| {
        a.take_while(|(a, b)| a == b).map(|p| p.0.len_utf8()).sum()
    };
    let head: usize = common(&mut before.chars().zip(after.chars()));
    let (left, right) = (&before[head..], &after[head..]);
    let tail: usize = common(&mut left.chars().rev().zip(right.chars().rev()));
    let from = units(&before[..head]);
    (
        from,
        from + units(&left[..left.len() - tail]),
        right[..right.len() - tail].to_owned(),
    )
}

fn replace(edit: &Edit, from: usize, to: usize, with: &str) -> Edit {
    let text = format!("{}{with}{}", &edit.text[..from], &edit.text[to..]);
    let caret = edit.start + units(with);
    Edit {
        text,
        start: caret,
        end: caret,
    }
}

fn change_lines(edit: &Edit, from: usize, to: usize, change: impl Fn(&str) -> String) -> Edit {
    let first = edit.text[..from].rfind('\n').map_or(0, |at| at + 1);
    // A selection that ends before the first character of a line does not touch that line.
    let to = if to > from && edit.text[..to].ends_with('\n') {
        to - 1
    } else {
        to
    };
    let last = edit.text[to..].find('\n').map_or(edit.text.len(), |at| to + at);
    let old: Vec<&str> = edit.text[first..last].split('\n').collect();
    let new: Vec<String> = old.iter().map(|line| change(line)).collect();
    let moved = |old: &str, new: &str| i64::from(units(new)) - i64::from(units(old));
    let first_moved = old
        .first()
        .zip(new.first())
        .map_or(0, |(old, new)| moved(old, new));
    let all_moved: i64 = old.iter().zip(&new).map(|(old, new)| moved(old, new)).sum();
    let line_start = i64::from(units(&edit.text[..first]));
    let at = |position: u32, by: i64| u32::try_from((i64::from(position) + by).max(line_start)).unwrap_or(0);
    let text = format!("{}{}{}", &edit.text[..first], new.join("\n"), &edit.text[last..]);
    Edit {
        start: at(edit.start, first_moved),
        end: at(edit.end, all_moved),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text whose selection is written with bars; one bar is a caret.
    fn edit(marked: &str) -> Edit {
        let start = units(&marked[..marked.find('|').unwrap()]);
        let end = marked.rfind('|').unwrap();
        let end = if marked.matches('|').count() == 2 {
            units(&marked[..end]) - 1
        } else {
            start
        };
        Edit {
            text: marked.replace('|', ""),
            start,
            end,
        }
    }

    #[test]
    fn tab_indents() {
        assert_eq!(indent(&edit("a|b")), edit("a    |b"));
        assert_eq!(indent(&edit("😀|b")), edit("😀    |b"));
        assert_eq!(indent(&edit("|a\n\nb|\nc")), edit("    |a\n\n    b|\nc"));
        assert_eq!(indent(&edit("|a\n|b")), edit("    |a\n|b"));
    }

    #[test]
    fn shift_tab_outdents() {
        assert_eq!(outdent(&edit("    a|b")), edit("a|b"));
        assert_eq!(outdent(&edit("x\n  |  ab")), edit("x\n|ab"));
        assert_eq!(outdent(&edit("  |a\n\tb\nc|\n    d")), edit("|a\nb\nc|\n    d"));
        assert_eq!(outdent(&edit("|")), edit("|"));
    }

    #[test]
    fn a_new_line_keeps_its_indent() {
        assert_eq!(new_line(&edit("    a|")), edit("    a\n    |"));
        assert_eq!(new_line(&edit("if x:|")), edit("if x:\n    |"));
        assert_eq!(
            new_line(&edit("while true; do|\ndone")),
            edit("while true; do\n    |\ndone")
        );
        assert_eq!(new_line(&edit("  a|bc|d")), edit("  a\n  |d"));
    }

    #[test]
    fn the_least_is_replaced() {
        assert_eq!(difference("abc", "abXc"), (2, 2, "X".to_owned()));
        assert_eq!(difference("😀aa", "😀a"), (3, 4, String::new()));
        assert_eq!(difference("a", "a"), (1, 1, String::new()));
        assert_eq!(difference("x\n    y", "x\ny"), (2, 6, String::new()));
    }

    #[test]
    fn the_caret_has_a_line_and_a_column() {
        assert_eq!(line_and_column("a\n😀b", 5), (2, 3));
        assert_eq!(line_and_column("", 0), (1, 1));
        assert_eq!(line_and_column("a\n", 99), (2, 1));
    }
}
