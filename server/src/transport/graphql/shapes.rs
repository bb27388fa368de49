//! What the schema says about fields, as far as measuring a document needs it: what they return, and how
//! large their page is when nobody says so. Read from the schema's text, so that a new list of nodes needs no
//! entry here.

use std::collections::HashMap;

use async_graphql::Value;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, OperationType, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
};

use crate::kernel::{Error, Result};

/// One field.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Name of the type, without lists and bangs.
    pub returns: String,
    /// The whole type.
    pub ty: Type,
    /// The default of its `first`.
    pub default_rows: Option<u64>,
    /// Whether a page of it holds plain values (lines of a log), not nodes.
    pub values: bool,
    /// These values may be large, each by itself; a page of them is bounded by their bytes.
    pub large: bool,
}

/// Pages of values that may be large: nothing in a schema says so.
const LARGE: [&str; 1] = ["TerminalRecordingPage"];

/// All fields of all types.
#[derive(Debug, Clone, Default)]
pub struct Shapes {
    types: HashMap<String, HashMap<String, Shape>>,
    query: Option<String>,
    mutation: Option<String>,
    subscription: Option<String>,
}

fn name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => name(inner),
    }
}

fn shape(field: &FieldDefinition) -> Shape {
    let first = field.arguments.iter().find(|a| a.node.name.node == "first");
    let default = first.and_then(|a| a.node.default_value.as_ref());
    let returns = name(&field.ty.node);
    Shape {
        large: LARGE.contains(&returns),
        returns: returns.to_owned(),
        ty: field.ty.node.clone(),
        default_rows: default.and_then(|value| match &value.node {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }),
        values: first.is_some(),
    }
}

impl Shapes {
    pub fn of(sdl: &str) -> Result<Self> {
        let document = parse_schema(sdl).map_err(Error::internal)?;
        let mut shapes = Self::default();
        shapes.read(document);
        let paged: Vec<_> = shapes
            .types
            .iter()
            .filter(|(_, fields)| fields.contains_key("pageInfo"))
            .map(|(name, _)| name.clone())
            .collect();
        for field in shapes.types.values_mut().flat_map(HashMap::values_mut) {
            field.values &= !paged.contains(&field.returns);
        }
        Ok(shapes)
    }

    fn read(&mut self, document: ServiceDocument) {
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    self.query = schema.node.query.map(|root| root.node.to_string());
                    self.mutation = schema.node.mutation.map(|root| root.node.to_string());
                    self.subscription = schema.node.subscription.map(|root| root.node.to_string());
                }
                TypeSystemDefinition::Type(ty) => {
                    let fields = match ty.node.kind {
                        TypeKind::Object(object) => object.fields,
                        TypeKind::Interface(interface) => interface.fields,
                        _ => continue,
                    };
                    let fields = fields
                        .iter()
                        .map(|f| (f.node.name.node.to_string(), shape(&f.node)));
                    self.types.insert(ty.node.name.node.to_string(), fields.collect());
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
    }

    /// The type that an operation begins at.
    pub fn root(&self, kind: OperationType) -> Option<&str> {
        let root = match kind {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        };
        root.as_deref()
    }

    /// None for a field that does not exist: validation refuses it later.
    pub fn field(&self, of: &str, name: &str) -> Option<&Shape> {
        self.types.get(of)?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_schema_says_how_large_its_pages_are() {
        let shapes = Shapes::of(&crate::transport::schema::sdl()).unwrap();
        let log = shapes.field("Execution", "log").unwrap();
        assert_eq!(
            (log.default_rows, log.values, log.large),
            (Some(1000), true, false)
        );
        let recording = shapes.field("TerminalSession", "recording").unwrap();
        assert_eq!(
            (recording.default_rows, recording.values, recording.large),
            (Some(200), true, true)
        );
        let jobs = shapes
            .field(shapes.root(OperationType::Query).unwrap(), "jobs")
            .unwrap();
        assert_eq!((jobs.default_rows, jobs.values), (None, false));
        assert_eq!(jobs.returns, "JobConnection");
        assert!(shapes.field("Node", "id").is_some());
    }
}
