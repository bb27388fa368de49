//! A text as a tree that knows where each part stands, and what is wrong with it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Number;

use crate::kernel::error::{FieldError, UserErrorCode};

/// Values within values.
pub const MOST_LEVELS: usize = 64;
/// Values of one document.
pub const MOST_VALUES: usize = 100_000;

/// How definitions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

impl Format {
    /// What a text looks like: only JSON begins with a brace.
    pub fn of(content: &str) -> Self {
        let begins = content.trim_start_matches('\u{feff}').trim_start();
        if begins.starts_with('{') {
            Self::Json
        } else {
            Self::Yaml
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

/// Where something begins; both from 1, or 0 where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// A value and where it stands. Two are the same wherever they stand.
#[derive(Debug, Clone)]
pub struct Tree {
    pub at: Place,
    pub value: Value,
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    /// No key is there twice.
    Map(Vec<(Key, Tree)>),
}

/// The name of a part.
#[derive(Debug, Clone)]
pub struct Key {
    pub at: Place,
    pub text: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        let at = Place::default();
        Self { at, value }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned()).into()
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Self {
        Value::Bool(value).into()
    }
}

impl From<i64> for Tree {
    fn from(number: i64) -> Self {
        Value::Number(number.into()).into()
    }
}

impl From<f64> for Tree {
    /// A whole number is written as one.
    fn from(number: f64) -> Self {
        let whole = number.fract() == 0.0 && number.abs() < 9.0e15;
        if whole {
            return (number as i64).into();
        }
        Number::from_f64(number).map_or(Value::Null, Value::Number).into()
    }
}

impl From<&serde_json::Value> for Tree {
    /// Members are sorted: the same value is always the same text.
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null.into(),
            serde_json::Value::Bool(value) => (*value).into(),
            serde_json::Value::Number(number) => Value::Number(number.clone()).into(),
            serde_json::Value::String(text) => text.as_str().into(),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from)),
            serde_json::Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                let parts = members
                    .into_iter()
                    .map(|(name, value)| (name.as_str(), value.into()));
                Self::map(parts)
            }
        }
    }
}

impl Tree {
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Value::List(items.into_iter().collect()).into()
    }

    pub fn map<'a>(parts: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let key = |text: &str| Key {
            at: Place::default(),
            text: text.to_owned(),
        };
        Value::Map(parts.into_iter().map(|(name, part)| (key(name), part)).collect()).into()
    }

    /// The part with this name.
    pub fn part(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(parts) => parts
                .iter()
                .find(|(key, _)| key.text == name)
                .map(|(_, part)| part),
            _ => None,
        }
    }

    /// What a person calls such a value.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

fn by_name(parts: &[(Key, Tree)]) -> BTreeMap<&str, &Tree> {
    parts
        .iter()
        .map(|(key, part)| (key.text.as_str(), part))
        .collect()
}

/// Names of the parts that are not the same, with dots between levels. Lists count as a whole.
pub fn changes(before: &Tree, after: &Tree) -> Vec<String> {
    let (Value::Map(old), Value::Map(new)) = (&before.value, &after.value) else {
        return Vec::new();
    };
    // By name once: a schema may have very many parts.
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut found = Vec::new();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old == new {
            continue;
        }
        let within = match (old, new) {
            (Some(old), Some(new)) => changes(old, new),
            _ => Vec::new(),
        };
        if within.is_empty() {
            found.push(name.to_owned());
        } else {
            found.extend(within.into_iter().map(|part| format!("{name}.{part}")));
        }
    }
    found
}

/// What is wrong, and where: the path into the document, and the place in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: UserErrorCode,
    pub path: Vec<String>,
    pub at: Place,
    pub message: String,
}

impl Problem {
    /// With the text itself.
    pub fn syntax(at: Place, message: impl Into<String>) -> Self {
        Self {
            code: UserErrorCode::Invalid,
            path: Vec::new(),
            at,
            message: message.into(),
        }
    }
}

impl From<Problem> for FieldError {
    fn from(problem: Problem) -> Self {
        let Place { line, column } = problem.at;
        let message = match (line, column) {
            (0, _) => problem.message,
            (line, 0) => format!("Line {line}: {}", problem.message),
            (line, column) => format!("Line {line}, column {column}: {}", problem.message),
        };
        let field = ["content".to_owned()].into_iter().chain(problem.path);
        Self {
            code: problem.code,
            message,
            field: field.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_down_to_lists() {
        let before = json!({ "a": 1, "b": { "c": 1, "d": [1, 2] }, "gone": true, "same": { "x": [1] } });
        let after = json!({ "a": 2, "b": { "c": 1, "d": [2, 1] }, "new": {}, "same": { "x": [1] } });
        let found = changes(&Tree::from(&before), &Tree::from(&after));
        assert_eq!(found, ["a", "b.d", "gone", "new"]);
        assert!(changes(&Tree::from(&before), &Tree::from(&before)).is_empty());
    }

    #[test]
    fn a_brace_makes_it_json() {
        assert_eq!(Format::of("\u{feff} \n{}"), Format::Json);
        assert_eq!(Format::of("# {\ncronium: 1"), Format::Yaml);
    }
}
