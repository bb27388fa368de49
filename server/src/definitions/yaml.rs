//! YAML as a tree, by the core schema of YAML 1.2. What a library would build from aliases, tags and merge keys is not
//! built: nothing in a document is there more often than it is written.

use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::Number;

use super::model::{Key, MOST_LEVELS, MOST_VALUES, Place, Problem, Tree, Value};

/// A list or map that is not at its end.
enum Open {
    List(Place, Vec<Tree>),
    Map {
        at: Place,
        parts: Vec<(Key, Tree)>,
        names: HashSet<String>,
        /// The name whose value comes next.
        key: Option<Key>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Tree>,
    values: usize,
}

fn place(marker: Marker) -> Place {
    Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

impl Builder {
    fn open(&mut self, open: Open, at: Place) -> Result<(), Problem> {
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(Problem::syntax(at, "The name of a part is a text."));
        }
        if self.open.len() >= MOST_LEVELS {
            return Err(Problem::syntax(at, "There are too many levels here: at most 64."));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        match self.open.pop() {
            Some(Open::List(at, items)) => {
                let value = Value::List(items);
                self.add(Tree { at, value })
            }
            Some(Open::Map { at, parts, .. }) => {
                let value = Value::Map(parts);
                self.add(Tree { at, value })
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, tree: Tree) -> Result<(), Problem> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Problem::syntax(tree.at, "There are more than 100,000 values."));
        }
        match self.open.last_mut() {
            None => self.root = Some(tree),
            Some(Open::List(_, items)) => items.push(tree),
            Some(Open::Map { parts, key, .. }) => {
                if let Some(key) = key.take() {
                    parts.push((key, tree));
                }
            }
        }
        Ok(())
    }

    fn scalar(&mut self, at: Place, text: String, plain: bool) -> Result<(), Problem> {
        if let Some(Open::Map { names, key, .. }) = self.open.last_mut()
            && key.is_none()
        {
            if !names.insert(text.clone()) {
                return Err(Problem::syntax(at, "This name is there twice."));
            }
            *key = Some(Key { at, text });
            return Ok(());
        }
        let value = if plain {
            plain_value(&text).ok_or_else(|| Problem::syntax(at, "This number is out of range."))?
        } else {
            Value::Text(text)
        };
        self.add(Tree { at, value })
    }
}

/// What a scalar without quotes is; None: a number that can't be.
pub fn plain_value(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            Some(number) => Value::Number(number?),
            None => Value::Text(text.to_owned()),
        },
    })
}

/// YAML 1.2, section 10.3.2. None: no number; Some(None): one that JSON does not have.
fn number(text: &str) -> Option<Option<Number>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    for (begin, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(begin)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return Some(u64::from_str_radix(rest, radix).ok().map(Number::from));
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF"].contains(&unsigned) || [".nan", ".NaN", ".NAN"].contains(&text) {
        return Some(None);
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if digits(unsigned) {
        let signed = plain.parse::<i64>().map(Number::from);
        if let Ok(number) = signed.or_else(|_| plain.parse::<u64>().map(Number::from)) {
            return Some(Some(number));
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent = exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    let mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => {
            (whole.is_empty() || digits(whole))
                && (part.is_empty() || digits(part))
                && whole.len() + part.len() > 0
        }
        None => digits(mantissa),
    };
    (mantissa && exponent).then(|| plain.parse().ok().and_then(Number::from_f64))
}

/// Reads a text.
pub fn read(content: &str) -> Result<Tree, Problem> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    // The parser takes it for the end of the text.
    if let Some(before) = content.find('\0').map(|at| &content[..at]) {
        let at = Place {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
        };
        return Err(Problem::syntax(at, "NUL characters can't be used here."));
    }
    let (mut builder, mut documents) = (Builder::default(), 0);
    let mut parser = Parser::new_from_str(content);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|problem| {
            let message = "This is not YAML: look at indentation, quotes and colons here.";
            Problem::syntax(place(*problem.marker()), message)
        })?;
        let at = place(span.start);
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(id) => (*id, false),
            _ => (0, false),
        };
        if anchor != 0 {
            return Err(Problem::syntax(
                at,
                "Anchors and aliases (& and *) can't be used here.",
            ));
        }
        if tag {
            return Err(Problem::syntax(at, "Tags (!) can't be used here."));
        }
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(Problem::syntax(at, "There is one document in a file."));
                }
            }
            Event::SequenceStart(..) => builder.open(Open::List(at, Vec::new()), at)?,
            Event::MappingStart(..) => {
                let open = Open::Map {
                    at,
                    parts: Vec::new(),
                    names: HashSet::new(),
                    key: None,
                };
                builder.open(open, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Scalar(text, style, ..) => {
                builder.scalar(at, text.into_owned(), style == ScalarStyle::Plain)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Alias(_) => {
            }
        }
    }
    let empty = || Tree {
        at: Place { line: 1, column: 1 },
        value: Value::Null,
    };
    Ok(builder.root.unwrap_or_else(empty))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fault(content: &str) -> (usize, usize, String) {
        let problem = read(content).unwrap_err();
        (problem.at.line, problem.at.column, problem.message)
    }

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        let text = "a: [1, -2, +3, 0x1F, 0o17, 1.5, .5, 2., 1e3, ~, null, true, no, 012, 1.2.3, '1', \"x\\n\", 0x, 1_0]";
        let expected = json!({ "a": [1, -2, 3, 31, 15, 1.5, 0.5, 2.0, 1000.0, null, null, true, "no", 12, "1.2.3", "1",
            "x\n", "0x", "1_0"] });
        assert_eq!(read(text).unwrap(), Tree::from(&expected));
        assert_eq!(
            read("a: |\n  x\n   y\n\nb: >-\n  p\n  q\n").unwrap(),
            Tree::from(&json!({ "a": "x\n y\n", "b": "p q" }))
        );
        assert_eq!(read("# nothing\n").unwrap().value, Value::Null);
        for far in ["a: 1e999", "a: .inf", "a: .nan", "a: 0xFFFFFFFFFFFFFFFFFF"] {
            assert_eq!(fault(far), (1, 4, "This number is out of range.".into()), "{far}");
        }
        assert_eq!(
            read("a: 99999999999999999999").unwrap(),
            Tree::from(&json!({ "a": 1e20 }))
        );
    }

    #[test]
    fn each_part_knows_where_it_stands() {
        let tree = read("a: 1\nb:\n  - c: x\n    d: [1,\n        2]\n").unwrap();
        let Some(Value::List(items)) = tree.part("b").map(|part| &part.value) else {
            panic!("{tree:?}")
        };
        let c = items[0].part("c").unwrap().at;
        assert_eq!((c.line, c.column), (3, 8));
    }

    #[test]
    fn what_could_grow_or_mean_something_else_is_refused_where_it_stands() {
        let anchors = "Anchors and aliases (& and *) can't be used here.";
        assert_eq!(fault("a: &x 1\nb: *x\n").2, anchors);
        assert_eq!(fault("a: 1\nb: &x [1]\n"), (2, 4, anchors.into()));
        let bomb = (1..9).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
        });
        assert_eq!(fault(&bomb).2, anchors);
        assert_eq!(fault("a: !!str 1\n").2, "Tags (!) can't be used here.");
        assert_eq!(
            fault("a: !include /etc/passwd\n").2,
            "Tags (!) can't be used here."
        );
        assert_eq!(fault("a: 1\na: 2\n"), (2, 1, "This name is there twice.".into()));
        assert_eq!(fault("a: 1\n---\nb: 2\n").2, "There is one document in a file.");
        assert_eq!(fault("? [a]\n: 1\n").2, "The name of a part is a text.");
        assert_eq!(
            fault("a: 1\nb: x\0y\n"),
            (2, 5, "NUL characters can't be used here.".into())
        );
        assert_eq!(fault("a: 'x\n").0, 1);
        for deep in [
            "[".repeat(1000),
            "a: ".to_owned() + &"{x: ".repeat(100),
            "- ".repeat(5000),
        ] {
            assert!(fault(&deep).0 == 1, "{deep}");
        }
        let many = fault(&format!("[{}1]", "1,".repeat(100_000)));
        assert!(many.2.starts_with("There are more than"));
    }

    proptest! {
        #[test]
        fn no_text_stops_the_reader(content in "\\PC*|([a-c]: |- |\\[|\\]|\\{|\\}|, |'|\"|\\||>|#|&|\\*|!|\\?|%|---|\\n|  |\\t)*") {
            let _ = read(&content);
        }
    }
}
