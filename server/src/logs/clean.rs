//! What of a line reaches a reader: text, tabs and ANSI colours. Everything else that a terminal would
//! obey, and characters that reorder text, are removed (Trojan Source, CVE-2021-42574).

use std::borrow::Cow;

/// Neutralises one line.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_unsafe(c) && c != '\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.peek().copied() {
                Some('[') => {
                    chars.next();
                    let (mut body, mut end) = (String::new(), None);
                    while let Some(&next) = chars.peek() {
                        if !(' '..='~').contains(&next) {
                            break;
                        }
                        chars.next();
                        if ('@'..='~').contains(&next) {
                            end = Some(next);
                            break;
                        }
                        body.push(next);
                    }
                    let colour =
                        body.len() <= 64 && body.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':');
                    if end == Some('m') && colour {
                        out.push_str("\u{1b}[");
                        out.push_str(&body);
                        out.push('m');
                    }
                }
                // OSC, DCS, SOS, PM, APC: up to BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(next) = chars.next() {
                        if next == '\u{7}' {
                            break;
                        }
                        if next == '\u{1b}' {
                            chars.next_if_eq(&'\\');
                            break;
                        }
                    }
                }
                Some(_) => {
                    chars.next();
                }
                None => {}
            },
            c if is_unsafe(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t' && c != '\u{1b}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn colours_stay_and_commands_go() {
        assert_eq!(
            clean("\u{1b}[1;31mred\u{1b}[0m\tend"),
            "\u{1b}[1;31mred\u{1b}[0m\tend"
        );
        assert_eq!(clean("a\u{1b}]52;c;ZXZpbA==\u{7}b"), "ab");
        assert_eq!(clean("a\u{1b}]0;title\u{1b}\\b"), "ab");
        assert_eq!(clean("a\u{1b}[2Jb\u{1b}[10;10Hc\u{1b}cd"), "abcd");
        assert_eq!(clean("user\u{202e}nimda\u{0}\r"), "usernimda");
    }
}
