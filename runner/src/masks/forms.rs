//! The forms in which a secret value may turn up: as it is, line by line, and as programs commonly encode it. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shorter values are in too many texts by chance.
pub const SHORTEST: usize = 4;
/// From here on also inside of a longer encoded text.
const ALIGNED: usize = 6;
/// Widths at which programs break base64 into lines: of `base64`, and of PEM.
const WIDTHS: [usize; 2] = [76, 64];

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
        // RFC 3986, encodeURIComponent, Python's quote, and forms.
        for (kept, plus) in [
            ("-_.~", false),
            ("-_.~!'()*", false),
            ("-_.~/", false),
            ("-_.*", true),
        ] {
            forms.insert(percent(part, kept, plus, upper));
        }
        forms.insert(json(part, Some(upper)));
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
            let mut longer = vec![0; before];
            longer.extend_from_slice(bytes);
            let encoded = engine.encode(&longer);
            let certain = (longer.len() * 8 / 6).min(encoded.len());
            forms.insert(encoded.as_bytes()[(before * 8).div_ceil(6)..certain].to_vec());
        }
        for width in WIDTHS.into_iter().filter(|width| whole.len() > *width) {
            forms.extend(whole.as_bytes().chunks(width).map(<[u8]>::to_vec));
        }
        forms.insert(whole.trim_end_matches('=').into());
        forms.insert(whole.into_bytes());
    }
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
    fn long_base64_is_found_line_by_line() {
        let value = "0123456789abcdef".repeat(10);
        let whole = STANDARD.encode(&value);
        for width in WIDTHS {
            assert!(
                whole
                    .as_bytes()
                    .chunks(width)
                    .all(|line| of(&value).contains(line))
            );
        }
    }
}
