//! Trees as text: the same tree is always the same text, and what is written is read again as it was.

use super::model::{Format, Tree, Value};
use super::yaml::plain_value;

/// A tree as a file.
pub fn write(tree: &Tree, format: Format) -> String {
    let mut out = String::new();
    match format {
        Format::Yaml => yaml(&mut out, tree, 0),
        Format::Json => {
            json(&mut out, tree, 0);
            out.push('\n');
        }
    }
    out
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn json(out: &mut String, tree: &Tree, indent: usize) {
    let line = |out: &mut String, first: bool, indent| {
        out.push_str(if first { "\n" } else { ",\n" });
        spaces(out, indent);
    };
    match &tree.value {
        Value::List(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                line(out, at == 0, indent + 2);
                json(out, item, indent + 2);
            }
            line(out, true, indent);
            out.push(']');
        }
        Value::Map(parts) if !parts.is_empty() => {
            out.push('{');
            for (at, (key, part)) in parts.iter().enumerate() {
                line(out, at == 0, indent + 2);
                *out += &serde_json::Value::from(key.text.as_str()).to_string();
                *out += ": ";
                json(out, part, indent + 2);
            }
            line(out, true, indent);
            out.push('}');
        }
        Value::Text(text) => *out += &serde_json::Value::from(text.as_str()).to_string(),
        other => *out += &short(other),
    }
}

/// What is the same in both formats.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => inline(text),
        Value::List(_) => "[]".into(),
        Value::Map(_) => "{}".into(),
    }
}

/// What stands at the beginning of lines with this indentation.
fn yaml(out: &mut String, tree: &Tree, indent: usize) {
    match &tree.value {
        Value::Map(parts) if !parts.is_empty() => {
            for (at, (key, part)) in parts.iter().enumerate() {
                // The first part of a list's item stands behind its dash.
                if at > 0 {
                    spaces(out, indent);
                }
                *out += &inline(&key.text);
                out.push(':');
                behind(out, part, indent);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    spaces(out, indent);
                }
                out.push('-');
                match &item.value {
                    Value::Map(parts) if !parts.is_empty() => {
                        out.push(' ');
                        yaml(out, item, indent + 2);
                    }
                    _ => behind(out, item, indent),
                }
            }
        }
        other => {
            *out += &short(other);
            out.push('\n');
        }
    }
}

/// What comes behind a name or a dash.
fn behind(out: &mut String, tree: &Tree, indent: usize) {
    match &tree.value {
        Value::Map(parts) if !parts.is_empty() => {
            out.push('\n');
            spaces(out, indent + 2);
            yaml(out, tree, indent + 2);
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            spaces(out, indent + 2);
            yaml(out, tree, indent + 2);
        }
        Value::Text(text) if has_lines(text) => block(out, text, indent),
        other => {
            out.push(' ');
            *out += &short(other);
            out.push('\n');
        }
    }
}

/// Whether a text can stand as lines, as it is.
fn has_lines(text: &str) -> bool {
    let plain = |c: char| c == '\n' || c == '\t' || !is_special(c);
    let spoilt = |line: &str| !line.is_empty() && line.trim().is_empty();
    text.contains('\n') && text.chars().all(plain) && !text.trim().is_empty() && !text.lines().any(spoilt)
}

fn block(out: &mut String, text: &str, indent: usize) {
    *out += " |";
    // A reader would take the first line's own spaces for the indentation.
    if text.starts_with([' ', '\t', '\n']) {
        out.push('2');
    }
    let lines = match text.strip_suffix('\n') {
        None => {
            out.push('-');
            text
        }
        Some(lines) => {
            if lines.ends_with('\n') {
                out.push('+');
            }
            lines
        }
    };
    out.push('\n');
    for line in lines.split('\n') {
        if !line.is_empty() {
            spaces(out, indent + 2);
            *out += line;
        }
        out.push('\n');
    }
}

/// Characters that a text in YAML has only by their number, and those that don't show.
fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{fffe}' | '\u{ffff}')
}

/// A text on one line: as it is where nobody can take it for something else, in quotes otherwise.
fn inline(text: &str) -> String {
    // Older readers take these for true and false.
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let known = WORDS.contains(&text.to_ascii_lowercase().as_str());
    let letters = |c: char| c.is_alphanumeric() || "_./- ".contains(c);
    let plain = text
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_' || c == '/')
        && text.chars().all(letters)
        && !text.ends_with(' ')
        && !known
        && matches!(plain_value(text), Some(Value::Text(_)));
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if is_special(c) => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::definitions::{json as read_json, yaml as read_yaml};

    #[test]
    fn people_can_read_it() {
        let value = json!({ "a": "plain", "b": ["1", "yes", "it's: so", ""], "c": { "d": [], "e": {} }, "f": [{ "g": 1, "h": [2.5] }],
            "i": "one\n  two\n\nthree\n", "j": " x\ny", "k": "x\n\n", "l": "a\r\nb", "m": null, "n": "zoë/a-b.c d" });
        insta::assert_snapshot!(write(&Tree::from(&value), Format::Yaml), @r#"
        a: plain
        b:
          - "1"
          - "yes"
          - "it's: so"
          - ""
        c:
          d: []
          e: {}
        f:
          - g: 1
            h:
              - 2.5
        i: |
          one
            two

          three
        j: |2-
           x
          y
        k: |+
          x

        l: "a\r\nb"
        m: null
        "n": zoë/a-b.c d
        "#);
        insta::assert_snapshot!(write(&Tree::from(&json!({ "a": [1, { "b": "x\n" }], "c": {} })), Format::Json), @r#"
        {
          "a": [
            1,
            {
              "b": "x\n"
            }
          ],
          "c": {}
        }
        "#);
    }

    fn anything() -> impl Strategy<Value = Json> {
        let text = "\\PC*|[-a-c:# \\n\\t'\"|>&*!%@`{}\\[\\],?~.0-9eyn]*|([ \\t]{0,3}[a-c#-]{0,3}\\n){0,6}|[\\x00-\\x7f\\u{80}-\\u{ff}\\u{2028}\\u{feff}]*";
        let text = text.prop_map(|text: String| text.replace('\0', ""));
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>()
                .prop_filter("finite", |n| n.is_finite())
                .prop_map(Json::from),
            text.clone().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_is_written_is_read_again(value in anything()) {
            let tree = Tree::from(&json!({ "x": value }));
            for (format, read) in [
                (Format::Yaml, read_yaml::read as fn(&str) -> _),
                (Format::Json, read_json::read as fn(&str) -> _),
            ] {
                let text = write(&tree, format);
                let again: Result<Tree, _> = read(&text);
                prop_assert_eq!(again.as_ref(), Ok(&tree), "{}", text);
            }
        }
    }
}
