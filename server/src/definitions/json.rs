//! JSON as a tree. A name that is there twice, and more than is allowed, are refused while it is read.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::model::{Key, MOST_LEVELS, MOST_VALUES, Place, Problem, Tree, Value};

/// What was refused, and how many values there are.
#[derive(Default)]
struct State {
    fault: Cell<Option<&'static str>>,
    values: Cell<usize>,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    state: &'a State,
    level: usize,
}

impl Seed<'_> {
    fn refuse<E: serde::de::Error>(self, fault: &'static str) -> E {
        self.state.fault.set(Some(fault));
        E::custom(fault)
    }

    fn within<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.level >= MOST_LEVELS {
            return Err(self.refuse("There are too many levels here: at most 64."));
        }
        let level = self.level + 1;
        Ok(Self { level, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        let values = self.state.values.get() + 1;
        self.state.values.set(values);
        if values > MOST_VALUES {
            return Err(self.refuse("There are more than 100,000 values."));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Value::Number(number.into()).into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Tree, E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom("a number"))?;
        Ok(Value::Number(number).into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let (seed, mut all) = (self.within()?, Vec::new());
        while let Some(item) = items.next_element_seed(seed)? {
            all.push(item);
        }
        Ok(Tree::list(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let (seed, mut all, mut names) = (self.within()?, Vec::new(), HashSet::new());
        while let Some(text) = members.next_key::<String>()? {
            if !names.insert(text.clone()) {
                return Err(self.refuse("This name is there twice."));
            }
            let at = Place::default();
            all.push((Key { at, text }, members.next_value_seed(seed)?));
        }
        Ok(Value::Map(all).into())
    }
}

/// Reads a text.
pub fn read(content: &str) -> Result<Tree, Problem> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let state = State::default();
    let mut reader = serde_json::Deserializer::from_str(content);
    let seed = Seed {
        state: &state,
        level: 0,
    };
    let read = seed.deserialize(&mut reader);
    let read = read.and_then(|tree| reader.end().map(|()| tree));
    read.map_err(|problem| {
        let at = Place {
            line: problem.line().max(1),
            column: problem.column().max(1),
        };
        Problem::syntax(at, state.fault.get().unwrap_or("This is not JSON."))
    })
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
    fn values_are_read_as_they_are() {
        let value = json!({ "a": [1, -2, 1.5, null, true, "x\u{1f680}"], "b": {} , "c": u64::MAX });
        assert_eq!(read(&value.to_string()).unwrap(), Tree::from(&value));
        assert_eq!(
            read("\u{feff}[\"\\ud83d\\ude80\"]").unwrap(),
            Tree::from(&json!(["🚀"]))
        );
    }

    #[test]
    fn what_is_wrong_has_its_line_and_column() {
        assert_eq!(fault("{\n \"a\": ,\n}"), (2, 7, "This is not JSON.".into()));
        assert_eq!(
            fault("{\"a\": 1, \"b\": 2, \"a\": 3}").2,
            "This name is there twice."
        );
        assert_eq!(fault("{} {}").2, "This is not JSON.");
        assert!(fault(&"[".repeat(100)).2.starts_with("There are too many levels"));
        assert!(
            fault(&"[".repeat(1_000_000))
                .2
                .starts_with("There are too many levels")
        );
        assert!(
            fault(&format!("[{}1]", "1,".repeat(100_000)))
                .2
                .starts_with("There are more than")
        );
    }

    proptest! {
        #[test]
        fn no_text_stops_the_reader(content in "\\PC*|[\\[\\]{}\",:a-c0-9 \\n]*") {
            let _ = read(&content);
        }
    }
}
