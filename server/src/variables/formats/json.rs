//! Variables as JSON: what an export writes, `[{"key": …, "value": …, "secret": …, "description": …}]`, or one object
//! of keys and values.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Entry, Parsed, Problem};

/// Both forms, with each value as it stands in the text: so its line is known.
enum Raw<'a> {
    Map(Vec<(String, &'a RawValue)>),
    List(Vec<&'a RawValue>),
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values, or a list of variables")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    all.push(pair);
                }
                Ok(Raw::Map(all))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(Raw::List(all))
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

const FORM: &str = "Write an object of keys and values, or a list of objects with `key` and `value`.";
const PLAIN: &str = "A value is a text, a number, true or false.";

/// A text, or what has one text only: a number stays as it is written.
fn text(raw: &RawValue) -> Option<String> {
    let written = raw.get();
    match written.bytes().next()? {
        b'"' => serde_json::from_str(written).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(written.to_owned()),
    }
}

/// A field that may be absent or null.
fn optional<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<Option<T>, serde_json::Error> {
    raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
}

fn item(line: usize, raw: &RawValue) -> Result<Entry, &'static str> {
    let fields: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(raw.get()).ok();
    let mut fields = fields.ok_or("A variable in a list is an object with `key` and `value`.")?;
    let key = optional(fields.remove("key")).ok().flatten();
    let key = key.ok_or("`key` is missing, or no text.")?;
    let text = fields.remove("value").and_then(text).ok_or(PLAIN)?;
    let secret = optional(fields.remove("secret")).map_err(|_| "`secret` is true or false.")?;
    let description = optional(fields.remove("description")).map_err(|_| "`description` is a text.")?;
    if !fields.is_empty() {
        return Err("A variable has `key`, `value`, `secret` and `description`, nothing else.");
    }
    Ok(Entry {
        line,
        key,
        text,
        secret,
        description,
    })
}

fn pair(line: usize, key: String, raw: &RawValue) -> Result<Entry, &'static str> {
    Ok(Entry {
        line,
        key,
        text: text(raw).ok_or(PLAIN)?,
        secret: None,
        description: None,
    })
}

/// Counts lines up to values, which come in the order of the text.
struct Lines<'a> {
    content: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of a part of the text.
    fn of(&mut self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.content.as_ptr() as usize);
        if let Some(between) = self.content.get(self.at..offset) {
            self.line += between.matches('\n').count();
            self.at = offset;
        }
        self.line
    }
}

/// Reads a text.
pub fn parse(content: &str) -> Parsed {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let mut parsed = Parsed::default();
    let raw: Raw<'_> = match serde_json::from_str(content) {
        Ok(raw) => raw,
        Err(e) => {
            let message = if e.is_data() {
                FORM.to_owned()
            } else {
                format!("This is not JSON (column {}).", e.column())
            };
            parsed.problems.push(Problem::new(e.line().max(1), message));
            return parsed;
        }
    };
    let mut lines = Lines {
        content,
        at: 0,
        line: 1,
    };
    let found: Vec<_> = match raw {
        Raw::Map(pairs) => pairs.into_iter().map(|(key, raw)| (Some(key), raw)).collect(),
        Raw::List(items) => items.into_iter().map(|raw| (None, raw)).collect(),
    };
    for (key, raw) in found {
        let line = lines.of(raw.get());
        let entry = match key {
            Some(key) => pair(line, key, raw),
            None => item(line, raw),
        };
        match entry {
            Ok(entry) => parsed.entries.push(entry),
            Err(message) => parsed.problems.push(Problem::new(line, message)),
        }
    }
    parsed
}

/// Variables as a list: key, value, whether it is secret, description.
pub fn write<'a>(all: impl IntoIterator<Item = (&'a str, &'a str, bool, &'a str)>) -> String {
    let mut out = String::from("[");
    for (at, (key, value, secret, description)) in all.into_iter().enumerate() {
        let one = json!({ "key": key, "value": value, "secret": secret, "description": description });
        out += if at == 0 { "\n  " } else { ",\n  " };
        out += &one.to_string();
    }
    out + "\n]\n"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content: &str) -> Vec<(usize, String, String)> {
        let parsed = parse(content);
        assert_eq!(parsed.problems, [], "{content:?}");
        let all = parsed.entries.into_iter();
        all.map(|entry| (entry.line, entry.key, entry.text)).collect()
    }

    fn lines(content: &str) -> Vec<usize> {
        parse(content)
            .problems
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn both_forms_are_read_with_their_lines() {
        let map = "{\n  \"A\": \"x\\ny\",\n\n  \"B\": 1.50, \"C\": true,\n  \"A\": \"again\"\n}";
        let expected = [
            (2, "A", "x\ny"),
            (4, "B", "1.50"),
            (4, "C", "true"),
            (5, "A", "again"),
        ];
        let expected = expected.map(|(line, key, text)| (line, key.to_owned(), text.to_owned()));
        assert_eq!(read(map), expected);
        let list = "[\n{ \"key\": \"A\", \"value\": \"x\", \"secret\": true, \"description\": \"d\" },\n{\n\"key\": \"B\", \"value\": 2 }]";
        let parsed = parse(list);
        let [a, b] = parsed.entries.as_slice() else {
            panic!("{parsed:?}");
        };
        assert_eq!(
            (a.line, a.secret, a.description.as_deref()),
            (2, Some(true), Some("d"))
        );
        assert_eq!((b.line, b.secret, b.text.as_str()), (3, None, "2"));
        assert!(read("{}").is_empty() && read("[]").is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        assert_eq!(
            lines("{\n\"A\": null,\n\"B\": [1],\n\"C\": \"x\",\n\"D\": {} }"),
            [2, 3, 5]
        );
        assert_eq!(
            lines(
                "[\n1,\n{\"value\": \"x\"},\n{\"key\": \"A\"},\n{\"key\": \"A\", \"value\": \"\", \"scope\": 1}]"
            ),
            [2, 3, 4, 5]
        );
        assert_eq!(lines("{\n\"A\": \"x\"\n\"B\": 1}"), [3]);
        for bad in ["", "\"A\"", "7", "null", "{\"A\": \"x\"", "[1,]", "{} x"] {
            assert_eq!(lines(bad), [1], "{bad}");
        }
        let problem = &parse("{ \"A\": \"hunter2\" ").problems[0];
        assert!(!problem.message.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in proptest::collection::vec("\\PC*", 0..5)) {
            let all = texts.iter().map(|text| ("A", text.as_str(), text.len() % 2 == 0, "d"));
            let parsed = parse(&write(all));
            prop_assert!(parsed.problems.is_empty());
            let read: Vec<_> = parsed.entries.iter().map(|entry| &entry.text).collect();
            prop_assert_eq!(read, texts.iter().collect::<Vec<_>>());
            let lines: Vec<_> = parsed.entries.iter().map(|entry| entry.line).collect();
            prop_assert_eq!(lines, (2..texts.len() + 2).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_stops_the_reader(content in "\\PC*|[\\[\\]{}\",:a-c0-9 \\n]*") {
            parse(&content);
        }
    }
}
