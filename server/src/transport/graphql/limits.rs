//! What a document may ask for, counted before anything runs. Fragments count where they are spread;
//! each is measured once, so that nesting them can't blow up the measuring itself.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Value as Const, Variables};
use async_graphql_value::Value;

use super::lexer;
use super::shapes::{Shape, Shapes};

/// Upper bounds of one request.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body or a message.
    pub body: usize,
    pub tokens: usize,
    pub depth: u64,
    pub aliases: u64,
    pub root_fields: u64,
    /// In one place.
    pub directives: u64,
    pub complexity: u64,
    pub nodes: u64,
    /// Operations of one socket at a time.
    pub operations: usize,
}

impl Limits {
    /// What holds unless it is configured otherwise.
    pub const DEFAULT: Self = Self {
        body: 2 << 20,
        tokens: 10_000,
        depth: 15,
        aliases: 50,
        root_fields: 20,
        directives: 10,
        complexity: 5_000,
        nodes: 10_000,
        operations: 100,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Nested lists that introspection may walk: types, their fields, their arguments.
const INTROSPECTION_LISTS: u64 = 3;
const INTROSPECTION_DEPTH: u64 = 20;
/// Selections within selections, those of fragments included; measuring and running recurse so deep.
pub const LEVELS: u64 = 60;
/// So many plain values (lines of a log) cost as much as one node: they come in packs, and load nothing more.
const VALUES_PER_NODE: u64 = 100;
/// Where they may be large, so many of the largest fill a page, and each of these costs as much as a node: whoever
/// asks for many short pages may get a large value in each.
const LARGE_VALUES: u64 = 8;
/// What a mutation's field costs beyond what it reads: it writes.
const WRITE: u64 = 10;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal {
        code: "BAD_REQUEST",
        message: message.into(),
    }
}

fn complex(message: impl Into<String>) -> Refusal {
    Refusal {
        code: "COMPLEXITY_EXCEEDED",
        message: message.into(),
    }
}

/// What a selection weighs.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    depth: u64,
    /// As `depth`, but each selection set counts, of fields and of fragments.
    levels: u64,
    aliases: u64,
    fields: u64,
    directives: u64,
    cost: u64,
    nodes: u64,
    schema_depth: u64,
    schema_lists: u64,
    introspects: bool,
}

impl Weight {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            aliases: self.aliases.saturating_add(other.aliases),
            fields: self.fields.saturating_add(other.fields),
            directives: self.directives.max(other.directives),
            cost: self.cost.saturating_add(other.cost),
            nodes: self.nodes.saturating_add(other.nodes),
            schema_depth: self.schema_depth.max(other.schema_depth),
            schema_lists: self.schema_lists.max(other.schema_lists),
            introspects: self.introspects || other.introspects,
        }
    }
}

struct Scale<'a> {
    shapes: &'a Shapes,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    known: HashMap<&'a str, Weight>,
    open: Vec<&'a str>,
    level: u64,
    variables: &'a Variables,
    defaults: HashMap<&'a str, &'a Const>,
}

impl<'a> Scale<'a> {
    /// `of` is the type that is selected from; None when the schema does not have it.
    fn set(&mut self, set: &'a SelectionSet, of: Option<&'a str>) -> Result<Weight, Refusal> {
        let mut total = Weight::default();
        if set.items.is_empty() {
            return Ok(total);
        }
        self.level += 1;
        fits(self.level)?;
        for selection in &set.items {
            let weight = match &selection.node {
                Selection::Field(field) => self.field(&field.node, of)?,
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref();
                    let of = on.map(|on| on.node.on.node.as_str()).or(of);
                    let inner = self.set(&inline.node.selection_set.node, of)?;
                    directives(&inline.node.directives, inner)
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(spread.node.fragment_name.node.as_str())?;
                    directives(&spread.node.directives, inner)
                }
            };
            total = total.beside(weight);
        }
        self.level -= 1;
        total.levels += 1;
        // A fragment that was measured in a shallower place is not entered again.
        fits(self.level + total.levels)?;
        Ok(total)
    }

    fn fragment(&mut self, name: &'a str) -> Result<Weight, Refusal> {
        if let Some(weight) = self.known.get(name) {
            return Ok(*weight);
        }
        if self.open.contains(&name) {
            return Err(bad(format!("The fragment `{name}` contains itself.")));
        }
        let Some(definition) = self.fragments.get(name) else {
            return Err(bad(format!("There is no fragment `{name}`.")));
        };
        self.open.push(name);
        let of = definition.node.type_condition.node.on.node.as_str();
        let inner = self.set(&definition.node.selection_set.node, Some(of))?;
        let weight = directives(&definition.node.directives, inner);
        self.open.pop();
        self.known.insert(name, weight);
        Ok(weight)
    }

    fn field(&mut self, field: &'a Field, of: Option<&'a str>) -> Result<Weight, Refusal> {
        let name = field.name.node.as_str();
        let shape = of.and_then(|of| self.shapes.field(of, name));
        let inner = self.set(
            &field.selection_set.node,
            shape.map(|shape| shape.returns.as_str()),
        )?;
        let introspects = matches!(name, "__schema" | "__type");
        let list = matches!(
            name,
            "types" | "fields" | "inputFields" | "args" | "possibleTypes" | "interfaces" | "directives"
        );
        let times = self.rows(field, shape);
        let rows = times.unwrap_or(1);
        let priced = match shape {
            Some(shape) if shape.values && shape.large => rows
                .min(LARGE_VALUES)
                .saturating_add(rows.div_ceil(VALUES_PER_NODE)),
            Some(shape) if shape.values => rows.div_ceil(VALUES_PER_NODE),
            _ => rows,
        };
        let weight = Weight {
            depth: if introspects { 1 } else { inner.depth + 1 },
            levels: inner.levels,
            aliases: inner.aliases.saturating_add(u64::from(field.alias.is_some())),
            fields: 1,
            directives: inner.directives,
            cost: inner.cost.saturating_mul(priced).saturating_add(1),
            nodes: inner
                .nodes
                .saturating_mul(rows)
                .saturating_add(times.unwrap_or(0)),
            schema_depth: inner.schema_depth + 1,
            schema_lists: inner.schema_lists + u64::from(list),
            introspects: inner.introspects || introspects,
        };
        if introspects
            && (weight.schema_depth > INTROSPECTION_DEPTH || weight.schema_lists > INTROSPECTION_LISTS)
        {
            return Err(bad("This reads the schema too deeply."));
        }
        Ok(directives(&field.directives, weight))
    }

    /// How many rows a list field may return; None for what is not a list with a size. One whose size is
    /// not given, or by a variable that is not, is as long as the schema says.
    fn rows(&self, field: &'a Field, shape: Option<&Shape>) -> Option<u64> {
        let sized = field
            .arguments
            .iter()
            .any(|(name, value)| name.node == "first" && self.number(&value.node).is_some());
        let mut rows = shape.and_then(|shape| shape.default_rows).filter(|_| !sized);
        for (name, value) in &field.arguments {
            let found = match name.node.as_str() {
                "first" | "last" => self.number(&value.node),
                "ids" => self.length(&value.node),
                _ => None,
            };
            rows = rows.max(found);
        }
        rows
    }

    fn variable(&self, name: &str) -> Option<&Const> {
        let given = self.variables.get(&Name::new(name));
        given.or_else(|| self.defaults.get(name).copied())
    }

    fn number(&self, value: &Value) -> Option<u64> {
        match value {
            Value::Number(number) => number.as_u64(),
            Value::Variable(name) => match self.variable(name.as_str())? {
                Const::Number(number) => number.as_u64(),
                _ => None,
            },
            _ => None,
        }
    }

    fn length(&self, value: &Value) -> Option<u64> {
        match value {
            Value::List(items) => Some(items.len() as u64),
            Value::Variable(name) => match self.variable(name.as_str())? {
                Const::List(items) => Some(items.len() as u64),
                _ => None,
            },
            _ => None,
        }
    }
}

fn fits(levels: u64) -> Result<(), Refusal> {
    if levels > LEVELS {
        return Err(bad(format!(
            "Selections may be nested {LEVELS} deep, those of fragments included."
        )));
    }
    Ok(())
}

fn directives(list: &[Positioned<Directive>], weight: Weight) -> Weight {
    Weight {
        directives: weight.directives.max(list.len() as u64),
        ..weight
    }
}

/// What the transport must know about an accepted document.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub introspects: bool,
    pub cost: u64,
}

impl Limits {
    /// Before parsing: the parser recurses, so the nesting is bounded first.
    pub fn text(&self, document: &str) -> Result<(), Refusal> {
        lexer::check(document, self.tokens).map_err(bad)
    }

    /// After parsing, for every operation of the document.
    pub fn document(
        &self,
        shapes: &Shapes,
        document: &ExecutableDocument,
        variables: &Variables,
    ) -> Result<Measured, Refusal> {
        let mut measured = Measured {
            introspects: false,
            cost: 0,
        };
        for (_, operation) in document.operations.iter() {
            let weight = self.operation(shapes, document, &operation.node, variables)?;
            measured.introspects |= weight.introspects;
            measured.cost = measured.cost.max(weight.cost);
        }
        Ok(measured)
    }

    fn operation<'a>(
        &self,
        shapes: &'a Shapes,
        document: &'a ExecutableDocument,
        operation: &'a OperationDefinition,
        variables: &'a Variables,
    ) -> Result<Weight, Refusal> {
        let defaults = operation.variable_definitions.iter();
        let defaults = defaults.filter_map(|definition| {
            let value = definition.node.default_value.as_ref()?;
            Some((definition.node.name.node.as_str(), &value.node))
        });
        let mut scale = Scale {
            shapes,
            fragments: &document.fragments,
            known: HashMap::new(),
            open: Vec::new(),
            level: 0,
            variables,
            defaults: defaults.collect(),
        };
        let inner = scale.set(&operation.selection_set.node, shapes.root(operation.ty))?;
        let mut weight = directives(&operation.directives, inner);
        if operation.ty == OperationType::Mutation {
            weight.cost = weight.cost.saturating_add(weight.fields.saturating_mul(WRITE));
        }
        for (is, most, what) in [
            (weight.depth, self.depth, "levels deep"),
            (weight.aliases, self.aliases, "aliases"),
            (weight.fields, self.root_fields, "root fields"),
            (weight.directives, self.directives, "directives in one place"),
        ] {
            if is > most {
                return Err(bad(format!(
                    "A document may have {most} {what}; this one has {is}."
                )));
            }
        }
        if weight.nodes > self.nodes {
            let message = format!(
                "This asks for up to {} nodes; the limit is {}.",
                weight.nodes, self.nodes
            );
            return Err(complex(message));
        }
        if weight.cost > self.complexity {
            let message = format!("This costs {}; the limit is {}.", weight.cost, self.complexity);
            return Err(complex(message));
        }
        Ok(weight)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn cost(query: &str) -> Result<u64, Refusal> {
        let shapes = Shapes::of(&crate::transport::schema::sdl()).unwrap();
        let document = parse_query(query).unwrap();
        let measured = Limits::DEFAULT.document(&shapes, &document, &Variables::default())?;
        Ok(measured.cost)
    }

    #[test]
    fn many_short_pages_of_large_values_cost_what_they_may_hold() {
        let recordings = |pages: usize, first: usize| {
            let page = |n| format!("p{n}: recording(first: {first}) {{ chunks {{ data }} }} ");
            let pages: String = (0..pages).map(page).collect();
            cost(&format!(
                "{{ terminalSessions(first: 100) {{ nodes {{ {pages} }} }} }}"
            ))
        };
        for (pages, first) in [(2, 33), (2, 8), (9, 1)] {
            assert!(recordings(pages, first).is_ok(), "{pages} of {first}");
            let refused = recordings(pages + 1, first).unwrap_err();
            assert_eq!(refused.code, "COMPLEXITY_EXCEEDED", "{pages} of {first}");
        }
    }

    #[test]
    fn a_recording_may_be_read_page_by_page() {
        let page = "{ terminalSession(id: \"x\") { recording(first: 200) {
            hasMore chunks { seq at data size { columns rows } status } } } }";
        assert_eq!(cost(page), Ok(92));
    }
}
