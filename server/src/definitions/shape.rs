//! Parts of a document against the inputs of the API: what createEvent takes, a document takes, by the same names and
//! with the same defaults. A field that the API does not have is refused where it stands.

use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{InputType, Name, Value as Input};

use crate::kernel::error::UserErrorCode;
use crate::kernel::scalars::Duration;

use super::model::{Place, Problem, Tree, Value};

/// The fields of an input, and of all inputs within it.
pub struct Shape {
    registry: Registry,
    name: String,
    /// Fields that say something about a change and not about the thing.
    without: &'static [&'static str],
}

/// A tree as it is read: the path to where one is, and what was found wrong.
struct Walk<'a> {
    registry: &'a Registry,
    path: Vec<String>,
    problems: &'a mut Vec<Problem>,
}

impl Shape {
    pub fn of<T: InputType>(without: &'static [&'static str]) -> Self {
        let mut registry = Registry::default();
        T::create_type_info(&mut registry);
        Self {
            registry,
            name: T::type_name().into_owned(),
            without,
        }
    }

    /// The same with a field that documents write otherwise than the API.
    pub fn with<T: InputType>(mut self, field: &str) -> Self {
        T::create_type_info(&mut self.registry);
        if let Some(MetaType::InputObject { input_fields, .. }) = self.registry.types.get_mut(&self.name)
            && let Some(field) = input_fields.get_mut(field)
        {
            field.ty = T::type_name().into_owned();
        }
        self
    }

    /// Reads a tree that is at this path; None when something is wrong with it.
    pub fn read(&self, tree: &Tree, path: &[String], problems: &mut Vec<Problem>) -> Option<Parts> {
        let before = problems.len();
        let mut walk = Walk {
            registry: &self.registry,
            path: path.to_vec(),
            problems,
        };
        let input = walk.object(&self.name, tree, self.without);
        (problems.len() == before).then(|| Parts {
            input,
            path: path.to_vec(),
            at: tree.at,
        })
    }
}

/// What was read of a tree, yet to become the inputs of the API.
pub struct Parts {
    input: Input,
    path: Vec<String>,
    at: Place,
}

impl Parts {
    /// A field that is not the API's, taken out.
    pub fn take<T: InputType>(&mut self, field: &str, problems: &mut Vec<Problem>) -> Option<T> {
        let part = match &mut self.input {
            Input::Object(fields) => fields.swap_remove(field),
            _ => None,
        };
        self.parsed(part, problems)
    }

    /// All the rest.
    pub fn whole<T: InputType>(mut self, problems: &mut Vec<Problem>) -> Option<T> {
        let input = std::mem::take(&mut self.input);
        self.parsed(Some(input), problems)
    }

    fn parsed<T: InputType>(&self, input: Option<Input>, problems: &mut Vec<Problem>) -> Option<T> {
        let read = T::parse(input);
        if read.is_err() {
            problems.push(Problem {
                code: UserErrorCode::Invalid,
                path: self.path.clone(),
                at: self.at,
                message: "This can't be read.".into(),
            });
        }
        read.ok()
    }
}

impl Walk<'_> {
    fn refuse(&mut self, code: UserErrorCode, tree: &Tree, message: impl Into<String>) -> Input {
        self.problems.push(Problem {
            code,
            path: self.path.clone(),
            at: tree.at,
            message: message.into(),
        });
        Input::Null
    }

    fn expected(&mut self, what: &str, tree: &Tree) -> Input {
        let quoted = what == "A text" && matches!(tree.value, Value::Number(_) | Value::Bool(_));
        let hint = if quoted {
            " Put it in quotes to make it a text."
        } else {
            ""
        };
        let message = format!("{what} is expected here, and this is {}.{hint}", tree.kind());
        self.refuse(UserErrorCode::Invalid, tree, message)
    }

    fn part(&mut self, kind: &str, tree: &Tree) -> Input {
        match MetaTypeName::create(kind) {
            MetaTypeName::NonNull(_) if tree.value == Value::Null => {
                self.refuse(UserErrorCode::Required, tree, "A value is missing here.")
            }
            MetaTypeName::NonNull(kind) => self.part(kind, tree),
            _ if tree.value == Value::Null => Input::Null,
            MetaTypeName::List(kind) => match &tree.value {
                Value::List(items) => {
                    let read = items.iter().enumerate().map(|(at, item)| {
                        self.path.push(at.to_string());
                        let read = self.part(kind, item);
                        self.path.pop();
                        read
                    });
                    Input::List(read.collect())
                }
                _ => self.expected("A list", tree),
            },
            MetaTypeName::Named(name) => match self.registry.types.get(name) {
                Some(MetaType::InputObject { .. }) => self.object(name, tree, &[]),
                Some(MetaType::Enum { enum_values, .. }) => match &tree.value {
                    Value::Text(text) if enum_values.contains_key(text) => Input::Enum(Name::new(text)),
                    _ => {
                        let known: Vec<_> = enum_values.keys().map(String::as_str).collect();
                        let message = format!("One of these is expected here: {}.", known.join(", "));
                        self.refuse(UserErrorCode::Invalid, tree, message)
                    }
                },
                _ => self.scalar(name, tree),
            },
        }
    }

    fn scalar(&mut self, name: &str, tree: &Tree) -> Input {
        match (name, &tree.value) {
            ("JSON", _) => input(tree),
            ("Boolean", Value::Bool(_)) | ("Float", Value::Number(_)) => input(tree),
            ("Boolean", _) => self.expected("True or false", tree),
            ("Float", _) => self.expected("A number", tree),
            ("Int", Value::Number(number)) => match number.as_i64().map(i32::try_from) {
                Some(Ok(_)) => input(tree),
                _ => self.refuse(
                    UserErrorCode::Invalid,
                    tree,
                    "A whole number of 32 bits is expected here.",
                ),
            },
            ("Int", _) => self.expected("A whole number", tree),
            (_, Value::Text(text)) if text.contains('\0') => {
                self.refuse(UserErrorCode::Invalid, tree, "NUL characters can't be used here.")
            }
            ("Duration", Value::Text(text)) if Duration::from_iso(text).is_none() => {
                let message = "A duration is ISO 8601, such as PT30M.";
                self.refuse(UserErrorCode::Invalid, tree, message)
            }
            (_, Value::Text(_)) => input(tree),
            _ => self.expected("A text", tree),
        }
    }

    fn object(&mut self, name: &str, tree: &Tree, without: &[&str]) -> Input {
        let Value::Map(parts) = &tree.value else {
            return self.expected("A map", tree);
        };
        let registry = self.registry;
        let Some(MetaType::InputObject { input_fields, .. }) = registry.types.get(name) else {
            return self.expected("A map", tree);
        };
        let known = |name: &str| input_fields.get(name).filter(|_| !without.contains(&name));
        let mut read = async_graphql::indexmap::IndexMap::new();
        for (key, part) in parts {
            self.path.push(key.text.clone());
            match known(&key.text) {
                None => {
                    let names = input_fields.keys().map(String::as_str);
                    let names: Vec<_> = names.filter(|name| !without.contains(name)).collect();
                    self.problems.push(Problem {
                        code: UserErrorCode::Invalid,
                        path: self.path.clone(),
                        at: key.at,
                        message: format!("There is no such field. Known here are: {}.", names.join(", ")),
                    });
                }
                // A name without a value, as one writes it in YAML, is the same as none.
                Some(_) if part.value == Value::Null => {}
                Some(field) => {
                    let value = self.part(&field.ty, part);
                    read.insert(Name::new(&key.text), value);
                }
            }
            self.path.pop();
        }
        for (name, field) in input_fields {
            let needed =
                field.ty.ends_with('!') && field.default_value.is_none() && !without.contains(&name.as_str());
            let given = tree.part(name).is_some_and(|part| part.value != Value::Null);
            if needed && !given {
                self.path.push(name.clone());
                self.refuse(UserErrorCode::Required, tree, "This field is missing.");
                self.path.pop();
            }
        }
        Input::Object(read)
    }
}

/// A tree as a value of the API.
fn input(tree: &Tree) -> Input {
    match &tree.value {
        Value::Null => Input::Null,
        Value::Bool(value) => Input::Boolean(*value),
        Value::Number(number) => Input::Number(number.clone()),
        Value::Text(text) => Input::String(text.clone()),
        Value::List(items) => Input::List(items.iter().map(input).collect()),
        Value::Map(parts) => Input::Object(
            parts
                .iter()
                .map(|(key, part)| (Name::new(&key.text), input(part)))
                .collect(),
        ),
    }
}
