//! Counts a document's tokens and its nesting, without recursion, before the parser sees it.

/// Brackets within brackets.
const NESTING: usize = 60;

/// The refusal in words, when the document is too large.
pub fn check(document: &str, most: usize) -> Result<(), String> {
    let bytes = document.as_bytes();
    let (mut at, mut tokens, mut open) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += until(&bytes[at..], |b| b == b'\n');
                continue;
            }
            b'"' => string(&bytes[at..]),
            b'{' | b'[' | b'(' => {
                open += 1;
                1
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                1
            }
            b if word(b) => until(&bytes[at..], |b| !word(b)),
            _ => 1,
        };
        at += length;
        tokens += 1;
        if tokens > most {
            return Err(format!(
                "A document may have {most} tokens. Put long values into variables."
            ));
        }
        if open > NESTING {
            return Err(format!("Brackets may be nested {NESTING} deep."));
        }
    }
    Ok(())
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn until(bytes: &[u8], stop: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| stop(*b)).unwrap_or(bytes.len())
}

/// Length of the string that begins here; one that does not end is as long as the rest.
fn string(bytes: &[u8]) -> usize {
    let (quote, start): (&[u8], usize) = if bytes.starts_with(b"\"\"\"") {
        (b"\"\"\"", 3)
    } else {
        (b"\"", 1)
    };
    let mut at = start;
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at..].starts_with(quote) {
            return at + quote.len();
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn tokens_are_counted_and_strings_are_one() {
        assert!(check("{ a }", 3).is_ok());
        assert!(check("{ a b }", 3).is_err());
        assert!(check(r#"{ a(b: "x { y } \" z") }"#, 8).is_ok());
        assert!(check("{ a(b: \"\"\"x \" y\"\"\") } # and so on", 8).is_ok());
    }

    #[test]
    fn brackets_inside_strings_do_not_nest() {
        assert!(check(&"[".repeat(61), 1000).is_err());
        assert!(check(&format!("\"{}\"", "[".repeat(99)), 1000).is_ok());
    }
}
