//! A JSON value as text in colours.

use dioxus::prelude::*;

use crate::api::Json;

/// Cuts pretty-printed JSON into pieces with the class of each.
fn pieces(text: &str) -> Vec<(&str, &'static str)> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut plain = 0;
    while at < bytes.len() {
        let start = at;
        let class = match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                if bytes.get(at) == Some(&b':') { "t" } else { "s" }
            }
            b'-' | b'0'..=b'9' => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || b"+-.".contains(&bytes[at])) {
                    at += 1;
                }
                "n"
            }
            b'a'..=b'z' => {
                while at < bytes.len() && bytes[at].is_ascii_lowercase() {
                    at += 1;
                }
                "k"
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if plain < start {
            out.push((&text[plain..start], ""));
        }
        out.push((&text[start..at], class));
        plain = at;
    }
    if plain < text.len() {
        out.push((&text[plain..], ""));
    }
    out
}

/// A value over several lines.
#[component]
pub fn JsonBlock(value: Json) -> Element {
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    rsx! {
        pre { class: "code", tabindex: "0",
            code {
                for (at, (piece, class)) in pieces(&text).into_iter().enumerate() {
                    span { key: "{at}", class, "{piece}" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_their_own_colours() {
        let value = serde_json::json!({"a\"b": ["é\\", -1.5e3, true, null]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let found = pieces(&text);
        assert_eq!(found.iter().map(|p| p.0).collect::<String>(), text);
        let coloured: Vec<_> = found.into_iter().filter(|p| !p.1.is_empty()).collect();
        assert_eq!(
            coloured,
            [
                ("\"a\\\"b\"", "t"),
                ("\"é\\\\\"", "s"),
                ("-1500.0", "n"),
                ("true", "k"),
                ("null", "k")
            ]
        );
    }
}
