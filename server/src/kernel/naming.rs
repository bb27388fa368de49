//! What a name, or any other short text that people read in lists, may hold.

/// Marks that show nothing themselves but change what is around them: with them, two names look the same or one reads
/// as another (Unicode's bidirectional controls, the zero-width space and the byte order mark). Joiners are no such
/// marks: scripts and emoji need them.
const DECEIVING: [char; 15] = [
    '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
    '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}',
];

/// Why such a text is refused.
pub const UNREADABLE: &str = "Control characters and invisible marks can't be used here.";

/// Whether a text is what it looks like, on one line.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || DECEIVING.contains(&c))
}

/// The same, where a text may have lines.
pub fn is_readable(text: &str) -> bool {
    !text
        .chars()
        .any(|c| (c.is_control() && c != '\n' && c != '\t') || DECEIVING.contains(&c))
}

/// What is left without such characters.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !DECEIVING.contains(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_what_they_are() {
        for good in ["Zoë", "عمر", "क्‍ष", "👩‍🚀", "a b"] {
            assert!(is_plain(good) && is_readable(good), "{good:?}");
            assert_eq!(plain(good), good);
        }
        for bad in [
            "gnp\u{202e}exe",
            "ad\u{200b}min",
            "\u{feff}x",
            "nul\0",
            "del\u{7f}",
        ] {
            assert!(!is_plain(bad) && !is_readable(bad), "{bad:?}");
            assert!(is_plain(&plain(bad)));
        }
        assert!(is_readable("two\n\tlines") && !is_plain("two\nlines"));
    }
}
