//! The part of an address behind the question mark, as an ordered list of names and values. Knows
//! no page; each page names its own.

use std::fmt;

/// Names and values of a query string, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The value of a name, unless it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The same with one value set; an empty value removes the name.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut next = self.clone();
        next.0.retain(|(key, _)| key != name);
        if !value.is_empty() {
            next.0.push((name.to_owned(), value.to_owned()));
        }
        next
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Params {
    fn from(query: &str) -> Self {
        let mut params = Self::default();
        for pair in query
            .trim_start_matches('?')
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            params = params.with(&decode(name), &decode(value));
        }
        params
    }
}

impl fmt::Display for Params {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str("&")?;
            }
            write!(out, "{}={}", encode(name), encode(value))?;
        }
        Ok(())
    }
}

/// Percent-encodes everything but the characters that are safe anywhere in an address.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
            }
        }
    }
    out
}

/// Undoes [`encode`]; `+` is a space, and what is not valid is kept as it stands.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_address() {
        let params = Params::default().with("q", "a b&c=d%é").with("status", "FAILED");
        assert_eq!(Params::from(params.to_string().as_str()), params);
        assert_eq!(params.get("q"), Some("a b&c=d%é"));
    }

    #[test]
    fn an_empty_value_leaves_no_trace() {
        assert!(Params::default().with("q", "x").with("q", "").is_empty());
    }

    #[test]
    fn broken_escapes_are_kept() {
        assert_eq!(decode("100%+%zz"), "100% %zz");
    }
}
