//! The forms in which a secret value may turn up: as it is, line by line, and as programs commonly encode it. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shorter values are in too many texts by chance.
pub const SHORTEST: usize = 4;
/// From here on also inside of a longer encoded text.
const ALIGNED: usize = 6;
/// Widths at which programs break base64 into lines: of `base64`, and of PEM. Both are whole groups.
const WIDTHS: [usize; 2] = [76, 64];
/// Letters of a group.
const GROUP: usize = 4;
/// Groups that stand together only where the value does: fewer are in other texts too, such as PEM's first line.
const TOGETHER: usize = 6;
/// Longer values have no [`pieces`]: they would be too many.
const LONGEST_BROKEN: usize = 1024;
/// What [the URL standard](https://url.spec.whatwg.org/#percent-encoded-bytes) encodes of ASCII, besides the control
/// characters, in a path, in a query of http and https, and in a fragment.
const PATH: &str = " \"#<>?^`{}";
const QUERY: &str = " \"#<>'";
const FRAGMENT: &str = " \"<>`";
/// The same in a name or password, and in one segment of a path.
const USERINFO: &str = " \"#<>?^`{}/:;=@[\\]|";
const SEGMENT: &str = " \"#<>?^`{}/%";

/// All forms of a value, none shorter than [`SHORTEST`].
pub fn of(value: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let lines = value.split('\n').map(|line| line.trim_end_matches('\r'));
    for part in lines.chain([value, value.trim()]) {
        if part.len() >= SHORTEST {
            add(part, &mut forms);
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn add(part: &str, forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(part.as_bytes().to_vec());
    for upper in [true, false] {
        forms.insert(hex(part.as_bytes(), upper));
        // RFC 3986, encodeURIComponent, encodeURI, Python's quote, the same with an encoded tilde, and Go's PathEscape.
        for kept in [
            "-_.~",
            "-_.~!'()*",
            "-_.~!'()*;/?:@&=+$,#",
            "-_.~/",
            "-_.",
            "-_./",
            "-_.~$&+=:@",
        ] {
            forms.insert(percent(part, kept, false, upper));
        }
        // Forms: by the URL standard and Java, Python and Go, PHP.
        for kept in ["-_.*", "-_.~", "-_."] {
            forms.insert(percent(part, kept, true, upper));
        }
        forms.insert(json(part, Some(upper)));
    }
    // As it is in a URL that somebody then parsed: from within its path, its query or its fragment on, or set as one of
    // its parts. Older parsers keep `^` and encode `|`; those of requests that are not http keep `'` in a query.
    for (path, query) in [(PATH, QUERY), (" \"#<>?`{}", " \"#<>"), (" \"#<>?`{|}", QUERY)] {
        for sets in [
            &[path, query, FRAGMENT][..],
            &[query, FRAGMENT],
            &[path],
            &[query],
        ] {
            forms.insert(in_url(part, sets));
        }
        // In a path `\` is another `/`.
        forms.insert(in_url(&part.replace('\\', "/"), &[path, query, FRAGMENT]));
    }
    for set in [FRAGMENT, USERINFO, SEGMENT] {
        forms.insert(in_url(part, &[set]));
    }
    forms.insert(json(part, None));
    base64(part.as_bytes(), forms);
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = if upper {
            write!(out, "{byte:02X}")
        } else {
            write!(out, "{byte:02x}")
        };
    }
    out.into_bytes()
}

fn percent(text: &str, kept: &str, plus: bool, upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(byte);
        } else if plus && byte == b' ' {
            out.push(b'+');
        } else {
            out.push(b'%');
            out.extend(hex(&[byte], upper));
        }
    }
    out
}

/// As it stands in a URL whose parts, from where the value begins, encode these characters; `?` ends a path and `#` a
/// query.
fn in_url(text: &str, sets: &[&str]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for byte in text.bytes() {
        let next = match byte {
            b'?' if sets.len() - at == 3 => Some(1),
            b'#' if sets.len() - at > 1 => Some(sets.len() - 1 - at),
            _ => None,
        };
        if let Some(parts) = next {
            out.push(byte);
            at += parts;
        } else if !(0x20..0x7f).contains(&byte) || sets[at].as_bytes().contains(&byte) {
            out.push(b'%');
            out.extend(hex(&[byte], true));
        } else {
            out.push(byte);
        }
    }
    out
}

/// As inside of a JSON string; `ascii`: letters beyond ASCII as `\u` in upper or lower hex.
fn json(text: &str, ascii: Option<bool>) -> Vec<u8> {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    let Some(upper) = ascii else {
        return inner.as_bytes().to_vec();
    };
    let mut out = String::with_capacity(inner.len());
    for letter in inner.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = if upper {
                write!(out, "\\u{unit:04X}")
            } else {
                write!(out, "\\u{unit:04x}")
            };
        }
    }
    out.into_bytes()
}

/// Base64 of bytes that begin `before` bytes after the beginning of a group, and what of it is certain whatever stands
/// around them.
fn within(engine: &impl Engine, bytes: &[u8], before: usize) -> (String, Range<usize>) {
    let mut longer = vec![0; before];
    longer.extend_from_slice(bytes);
    let encoded = engine.encode(&longer);
    let to = (longer.len() * 8 / 6).min(encoded.len());
    (encoded, (before * 8).div_ceil(6)..to)
}

/// The value by itself, padded or not and broken into lines, and what is certain of it inside of a longer text, which
/// may begin at any of three places of a group.
fn base64(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for engine in [&STANDARD, &URL_SAFE] {
        let whole = engine.encode(bytes);
        if bytes.len() < ALIGNED {
            forms.insert(whole.trim_end_matches('=').into());
            forms.insert(whole.into_bytes());
            continue;
        }
        for before in 0..3 {
            let (encoded, certain) = within(engine, bytes, before);
            forms.insert(encoded.as_bytes()[certain].to_vec());
        }
        for width in WIDTHS.into_iter().filter(|width| whole.len() > *width) {
            forms.extend(whole.as_bytes().chunks(width).map(<[u8]>::to_vec));
        }
        forms.insert(whole.trim_end_matches('=').into());
        forms.insert(whole.into_bytes());
    }
}

/// What is certain of a value in the base64 of a longer text that is broken into lines of whole groups: some groups each,
/// which overlap, so that what of them stands on one line is found from its beginning to its end.
pub fn pieces(value: &str) -> BTreeSet<Vec<u8>> {
    let (bytes, mut pieces) = (value.trim().as_bytes(), BTreeSet::new());
    if bytes.len() < ALIGNED || bytes.len() > LONGEST_BROKEN {
        return pieces;
    }
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            let (encoded, certain) = within(engine, bytes, before);
            let length = TOGETHER * GROUP;
            let last = certain.end.saturating_sub(1) / GROUP * GROUP;
            let last = last.saturating_sub(length - GROUP);
            for at in (0..=last).step_by(GROUP) {
                // The last one ends with the value, within a group or not.
                let to = if at == last { certain.end } else { at + length };
                let piece = &encoded.as_bytes()[at.max(certain.start)..to];
                // Runs of one byte, such as indentation, are in other texts.
                if piece.iter().any(|letter| !piece[..GROUP].contains(letter)) {
                    pieces.insert(piece.to_vec());
                }
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, form: &str) -> bool {
        of(value).contains(form.as_bytes())
    }

    #[test]
    fn common_encodings_are_forms() {
        let value = "pass wörd/1";
        for form in [
            "pass wörd/1",
            "pass%20w%C3%B6rd%2F1",
            "pass%20w%c3%b6rd%2f1",
            "pass%20w%C3%B6rd/1",
            "pass+w%C3%B6rd%2F1",
            "706173732077c3b672642f31",
            "706173732077C3B672642F31",
            "pass w\\u00f6rd/1",
            "cGFzcyB3w7ZyZC8x",
        ] {
            assert!(has(value, form), "{form}");
        }
        assert!(has("a\"b\\c\nd", "a\\\"b\\\\c\\nd"));
    }

    #[test]
    fn lines_of_a_value_are_forms_and_short_ones_are_not() {
        let value = "first line\r\nab\nthird line\n";
        assert!(has(value, "first line") && has(value, "third line") && !has(value, "ab"));
        assert_eq!(of("abc"), BTreeSet::new());
        assert!(!of("abcd").is_empty());
    }

    #[test]
    fn base64_is_found_wherever_the_value_begins_in_a_longer_text() {
        let value = "hunter2!";
        for before in 0..8 {
            for after in 0..4 {
                let text = format!("{}{value}{}", &"abcdefgh"[..before], &"wxyz"[..after]);
                for engine in [&STANDARD, &URL_SAFE] {
                    let encoded = engine.encode(&text);
                    let found = of(value).iter().any(|form| {
                        form.len() > 7 && encoded.as_bytes().windows(form.len()).any(|w| w == form)
                    });
                    assert!(found, "{text}: {encoded}");
                }
            }
        }
    }

    #[test]
    fn what_urls_and_forms_make_of_a_value_are_forms() {
        let value = "p@ss w0rd/+&?=ü\"[Zz~9";
        for form in [
            // RFC 3986, and the same of a template's `urlencode`.
            "p%40ss%20w0rd%2F%2B%26%3F%3D%C3%BC%22%5BZz~9",
            "p%40ss%20w0rd%2F%2B%26%3F%3D%C3%BC%22%5BZz%7E9",
            // Jinja's own.
            "p%40ss%20w0rd/%2B%26%3F%3D%C3%BC%22%5BZz%7E9",
            // Python's quote_plus, and Go.
            "p%40ss+w0rd%2F%2B%26%3F%3D%C3%BC%22%5BZz~9",
            // `new URL("http://x/" + value).href`, and after a `?`.
            "p@ss%20w0rd/+&?=%C3%BC%22[Zz~9",
            // `encodeURI`.
            "p@ss%20w0rd/+&?=%C3%BC%22%5BZz~9",
            // As a name or password.
            "p%40ss%20w0rd%2F+&%3F%3D%C3%BC%22%5BZz~9",
            // Set as a path, and pushed as a segment of one.
            "p@ss%20w0rd/+&%3F=%C3%BC%22[Zz~9",
            "p@ss%20w0rd%2F+&%3F=%C3%BC%22[Zz~9",
        ] {
            assert!(has(value, form), "{form}");
        }
        // In a path, a query and a fragment: by what a parser of URLs makes of them.
        let value = "a b^c|d{e}?f'g{#h`i";
        for form in [
            "a%20b%5Ec|d%7Be%7D?f%27g{#h%60i",
            "a%20b^c|d{e}?f%27g{#h%60i",
            "a%20b^c|d{e}?f'g{#h%60i",
            "a%20b^c|d{e}?f%27g{%23h`i",
        ] {
            assert!(has(value, form), "{form}");
        }
        assert!(has("ab\\cd", "ab/cd"));
    }

    /// Any bytes that a text may have, without a period that is short.
    fn varied(length: usize) -> String {
        (0..length)
            .map(|n| char::from(b'!' + (n * n * 37 % 89) as u8))
            .collect()
    }

    #[test]
    fn base64_of_a_longer_text_is_found_line_by_line() {
        let value = varied(150);
        let masks = super::super::Masks::default();
        masks.learn([value.as_str()]).unwrap();
        let mut found = 0;
        let cases = WIDTHS
            .into_iter()
            .flat_map(|width| (1..90).map(move |prefix| (width, prefix)));
        for (width, prefix) in cases {
            let text = format!("{}{value}{}", "p".repeat(prefix), "s".repeat(1 + prefix % 7));
            let encoded = STANDARD.encode(&text);
            let (from, to) = ((prefix * 8).div_ceil(6), (prefix + value.len()) * 8 / 6);
            for (at, line) in encoded.as_bytes().chunks(width).enumerate() {
                let line = std::str::from_utf8(line).unwrap();
                let place = |place: usize| place.saturating_sub(at * width).min(line.len());
                let (before, piece) = line[..place(to)].split_at(place(from));
                // A group that is the value's in part may be what is missing.
                if piece.len() >= (TOGETHER + 1) * GROUP {
                    let expected = format!("{before}***{}", &line[place(to)..]);
                    assert_eq!(masks.text(line.to_owned()), expected, "{width}, {prefix}");
                    found += 1;
                }
            }
        }
        assert!(found > 300, "{found}");
    }

    #[test]
    fn what_values_share_with_other_texts_is_no_piece() {
        let known = |value: &str, text: &str| {
            let masks = super::super::Masks::default();
            masks.learn([value]).unwrap();
            masks.text(STANDARD.encode(text)) != STANDARD.encode(text)
        };
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            varied(300)
        );
        assert!(!known(
            &key,
            &format!("-----BEGIN CERTIFICATE-----\n{}", "x".repeat(300))
        ));
        let indented = format!("a{}b", " ".repeat(60));
        assert!(!known(&indented, &format!("key:\n{}value", " ".repeat(50))));
        assert!(known(&indented, &format!("key: {indented}")));
    }

    #[test]
    fn forms_and_pieces_are_few() {
        for (length, most) in [(40, 120), (1000, 1500), (2000, 250), (64 << 10, 3000)] {
            let all = of(&varied(length)).len() + pieces(&varied(length)).len();
            assert!(all < most, "{length}: {all}");
        }
    }
}
