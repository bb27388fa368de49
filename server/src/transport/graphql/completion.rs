//! Errors and nulls: the engine leaves a field out where it failed. A client must find null there, or, where the field
//! may not be null, around it: at the nearest place that may be. Only responses with errors are looked at.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type};
use async_graphql::{PathSegment, Response, Value};

use super::shapes::Shapes;

/// What was asked, to be read again when something failed.
#[derive(Debug, Clone)]
pub struct Asked {
    pub text: Arc<str>,
    pub operation: Option<String>,
}

/// Fields that are met under one name at one place, each with the type that has it.
type Met<'a> = Vec<(&'a str, &'a Field)>;

/// Puts nulls where errors say that something is missing.
pub fn complete(response: &mut Response, shapes: &Shapes, asked: &Asked) {
    if response.errors.iter().all(|error| error.path.is_empty()) {
        return;
    }
    let Ok(document) = parse_query(&*asked.text) else {
        return;
    };
    for error in &response.errors {
        if let Some(places) = nullable(&document, shapes, asked, &error.path) {
            let end = places.iter().rposition(|may_be_null| *may_be_null);
            let path = end.map_or(&[][..], |end| &error.path[..=end]);
            set_null(&mut response.data, path, &error.path);
        }
    }
}

/// For each part of the path, whether it may be null.
fn nullable(
    document: &ExecutableDocument,
    shapes: &Shapes,
    asked: &Asked,
    path: &[PathSegment],
) -> Option<Vec<bool>> {
    let mut operations = document.operations.iter();
    let (_, operation) = operations.find(|(name, _)| {
        asked.operation.is_none() || name.map(async_graphql::Name::as_str) == asked.operation.as_deref()
    })?;
    let mut sets = vec![(
        shapes.root(operation.node.ty)?,
        &operation.node.selection_set.node,
    )];
    let (mut places, mut here): (Vec<bool>, Option<&Type>) = (Vec::new(), None);
    for part in path {
        let ty = match part {
            PathSegment::Index(_) => match &here?.base {
                BaseType::List(item) => item.as_ref(),
                BaseType::Named(_) => return None,
            },
            PathSegment::Field(key) => {
                let mut met = Met::new();
                for (of, set) in &sets {
                    find(document, of, set, key, &mut met);
                }
                let (of, field) = *met.first()?;
                let shape = shapes.field(of, &field.name.node)?;
                sets = met
                    .iter()
                    .map(|(_, field)| (shape.returns.as_str(), &field.selection_set.node))
                    .collect();
                &shape.ty
            }
        };
        places.push(ty.nullable);
        here = Some(ty);
    }
    Some(places)
}

fn find<'a>(
    document: &'a ExecutableDocument,
    of: &'a str,
    set: &'a SelectionSet,
    key: &str,
    met: &mut Met<'a>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                if field.node.response_key().node == key {
                    met.push((of, &field.node));
                }
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref();
                let of = on.map_or(of, |on| on.node.on.node.as_str());
                find(document, of, &inline.node.selection_set.node, key, met);
            }
            // Validation has refused fragments that contain themselves.
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    let of = fragment.node.type_condition.node.on.node.as_str();
                    find(document, of, &fragment.node.selection_set.node, key, met);
                }
            }
        }
    }
}

/// Puts null at `place`, which is on the way to `missing`, unless a value is there or null is around it.
fn set_null(data: &mut Value, place: &[PathSegment], missing: &[PathSegment]) {
    if is_there(data, missing) {
        return;
    }
    let mut here = data;
    for (at, part) in place.iter().enumerate() {
        let last = at + 1 == place.len();
        here = match (here, part) {
            (Value::Object(members), PathSegment::Field(key)) if last => {
                members.insert(async_graphql::Name::new(key), Value::Null);
                return;
            }
            (Value::Object(members), PathSegment::Field(key)) => match members.get_mut(key.as_str()) {
                Some(member) => member,
                None => return,
            },
            (Value::List(items), PathSegment::Index(n)) => match items.get_mut(*n) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
    }
    *here = Value::Null;
}

fn is_there(data: &Value, path: &[PathSegment]) -> bool {
    let mut here = data;
    for part in path {
        let below = match (here, part) {
            (Value::Object(members), PathSegment::Field(key)) => members.get(key.as_str()),
            (Value::List(items), PathSegment::Index(n)) => items.get(*n),
            _ => None,
        };
        let Some(below) = below else { return false };
        here = below;
    }
    *here != Value::Null
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, from_value, value};
    use serde_json::json;

    use super::*;

    const SDL: &str = "schema { query: Query } type Query { must: Thing! may: Thing } interface Node { id: ID! }
        type Thing implements Node { id: ID! sub: Thing! maybe: Thing list: [Thing!]! holes: [Thing] node: Node! }";

    fn completed(text: &str, data: Value, path: &[PathSegment]) -> serde_json::Value {
        let mut error = ServerError::new("no", None);
        error.path = path.to_vec();
        let mut response = Response::new(data);
        response.errors.push(error);
        let asked = Asked {
            text: text.into(),
            operation: None,
        };
        complete(&mut response, &Shapes::of(SDL).unwrap(), &asked);
        from_value(response.data).unwrap()
    }

    fn path(text: &str) -> Vec<PathSegment> {
        let part = |part: &str| match part.parse() {
            Ok(n) => PathSegment::Index(n),
            Err(_) => PathSegment::Field(part.into()),
        };
        text.split('.').map(part).collect()
    }

    #[test]
    fn null_is_where_something_failed_or_around_it() {
        for (text, data, failed, expected) in [
            ("{ may { id } }", value!({}), "may", json!({ "may": null })),
            (
                "{ may { id } must { id } }",
                value!({ "may": { "id": 1 } }),
                "must",
                json!(null),
            ),
            (
                "{ may { id sub { id } } }",
                value!({ "may": { "id": 1 } }),
                "may.sub",
                json!({ "may": null }),
            ),
            (
                "{ may { id maybe { id sub { id } } } }",
                value!({ "may": { "id": 1, "maybe": { "id": 2 } } }),
                "may.maybe.sub",
                json!({ "may": { "id": 1, "maybe": null } }),
            ),
            (
                "{ x: may { ...F } } fragment F on Thing { y: list { id sub { id } } }",
                value!({ "x": { "y": [{ "id": 1 }] } }),
                "x.y.0.sub",
                json!({ "x": null }),
            ),
            (
                "{ may { holes { id sub { id } } } }",
                value!({ "may": { "holes": [{ "id": 1 }, { "id": 2 }] } }),
                "may.holes.1.sub",
                json!({ "may": { "holes": [{ "id": 1 }, null] } }),
            ),
            (
                "{ may { maybe { node { id ... on Thing { sub { id } } } } } }",
                value!({ "may": { "maybe": { "node": { "id": 1 } } } }),
                "may.maybe.node.sub",
                json!({ "may": { "maybe": null } }),
            ),
            // Something around it is null already.
            (
                "{ may { maybe { sub { id } } } }",
                value!({ "may": null }),
                "may.maybe.sub",
                json!({ "may": null }),
            ),
        ] {
            assert_eq!(completed(text, data, &path(failed)), expected, "{text}");
        }
    }
}
