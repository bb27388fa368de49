//! Documents: a version of the format, and a list for each kind of definition. There are events so far; schedules and
//! workflows get lists of their own.

use async_graphql::resolver_utils::{EnumType, enum_value};

use crate::events::{
    CreateEventInput, DEFAULT_TIMEOUT_MS, Definition, EventStatus, EventType, NewEvent, OverlapPolicy,
    Policy, Profile, RetryCause, RetryPolicy, Target, http::HttpConfig,
};
use crate::kernel::error::UserErrorCode;
use crate::kernel::scalars::Duration;

use super::model::{Format, Place, Problem, Tree, Value};
use super::shape::Shape;
use super::target::{self, NamedServers, TargetDocument};
use super::{json, written, yaml};

/// The version of the format that is written, and the only one that is read.
const VERSION: i64 = 1;
/// Most definitions of one document.
pub const MOST: usize = 500;
/// Kinds that documents may have some day.
const LATER: [&str; 2] = ["schedules", "workflows"];

/// A document that was read: its events, and the tree in which each has its place.
#[derive(Debug)]
pub struct Document {
    pub tree: Tree,
    pub events: Vec<Written>,
}

/// An event of a document, and the names of its servers, which are yet to be found.
#[derive(Debug)]
pub struct Written {
    pub event: NewEvent,
    pub servers: Option<NamedServers>,
}

impl Document {
    /// Where something stands, or what it would be a part of.
    pub fn place(&self, path: &[String]) -> Place {
        let (mut at, mut tree) = (self.tree.at, &self.tree);
        for name in path {
            let part = match &tree.value {
                Value::List(items) => name.parse().ok().and_then(|n: usize| items.get(n)),
                _ => tree.part(name),
            };
            let Some(part) = part else { break };
            (at, tree) = (part.at, part);
        }
        at
    }
}

fn problem(code: UserErrorCode, path: &[&str], at: Place, message: impl Into<String>) -> Problem {
    Problem {
        code,
        path: path.iter().map(|&part| part.to_owned()).collect(),
        at,
        message: message.into(),
    }
}

/// Reads a text, or says everything that is wrong with its form.
pub fn read(content: &str, format: Format) -> Result<Document, Vec<Problem>> {
    use UserErrorCode::{Invalid, Required, TooLong, Unsupported};
    let tree = match format {
        Format::Yaml => yaml::read(content),
        Format::Json => json::read(content),
    };
    let tree = tree.map_err(|problem| vec![problem])?;
    let Value::Map(parts) = &tree.value else {
        let message = "A document has `cronium: 1` and a list of `events`.";
        return Err(vec![problem(Invalid, &[], tree.at, message)]);
    };
    let mut problems = Vec::new();
    match tree.part("cronium") {
        Some(version) if version == &Tree::from(VERSION) => {}
        Some(version) => {
            let message = "This server reads version 1 of the format.";
            problems.push(problem(Unsupported, &["cronium"], version.at, message));
        }
        None => {
            let message = "Say which version of the format it is: `cronium: 1`.";
            problems.push(problem(Required, &["cronium"], tree.at, message));
        }
    }
    for (key, _) in parts {
        let name = key.text.as_str();
        if LATER.contains(&name) {
            let message = format!("This server does not read {name}.");
            problems.push(problem(Unsupported, &[name], key.at, message));
        } else if !["cronium", "events"].contains(&name) {
            let message = "There is no such part. Known here are: cronium, events.";
            problems.push(problem(Invalid, &[name], key.at, message));
        }
    }
    let none = Tree::from(Value::Null);
    let list = tree.part("events").unwrap_or(&none);
    let items = match &list.value {
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        _ => {
            let message = format!("A list is expected here, and this is {}.", list.kind());
            problems.push(problem(Invalid, &["events"], list.at, message));
            return Err(problems);
        }
    };
    if items.len() > MOST {
        let message = format!("At most {MOST} events at a time; these are {}.", items.len());
        problems.push(problem(TooLong, &["events"], list.at, message));
        return Err(problems);
    }
    if items.is_empty() && problems.is_empty() {
        problems.push(problem(
            Required,
            &["events"],
            list.at,
            "There are no events in it.",
        ));
    }
    let shape = Shape::of::<CreateEventInput>(&["comment"]).with::<TargetDocument>("target");
    let events: Vec<Written> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| read_event(&shape, item, at, &mut problems))
        .collect();
    if problems.is_empty() {
        Ok(Document { tree, events })
    } else {
        Err(problems)
    }
}

fn read_event(shape: &Shape, item: &Tree, at: usize, problems: &mut Vec<Problem>) -> Option<Written> {
    let path = ["events".to_owned(), at.to_string()];
    let mut parts = shape.read(item, &path, problems)?;
    let target: Option<TargetDocument> = parts.take("target", problems)?;
    let input: CreateEventInput = parts.whole(problems)?;
    let (target, servers) = match (target, item.part("target")) {
        (Some(target), Some(tree)) => {
            let path = [path.as_slice(), &["target".to_owned()]].concat();
            target.parts(tree, &path, problems)
        }
        _ => (Target::default(), None),
    };
    let event = input.placed(target, None);
    Some(Written { event, servers })
}

/// Events as a text, in the order of their names.
pub fn write(events: &[NewEvent], format: Format) -> String {
    let trees = events.iter().map(|event| {
        let name = &event.profile.name;
        (name.to_lowercase(), name.clone(), event_tree(event))
    });
    let mut trees: Vec<_> = trees.collect();
    // Those of several people may have one name.
    trees.sort_by_cached_key(|(lower, name, tree)| {
        (lower.clone(), name.clone(), written::write(tree, Format::Json))
    });
    let events = Tree::list(trees.into_iter().map(|(.., tree)| tree));
    let document = Tree::map([("cronium", VERSION.into()), ("events", events)]);
    written::write(&document, format)
}

pub fn word<T: EnumType>(value: T) -> Tree {
    match enum_value(value) {
        async_graphql::Value::Enum(name) => name.as_str().into(),
        _ => Value::Null.into(),
    }
}

/// A definition as documents have it. What is not in it is at its default.
pub fn event_tree(event: &NewEvent) -> Tree {
    let NewEvent {
        profile,
        status,
        definition,
        max_executions,
        comment: _,
    } = event;
    let Profile {
        name,
        description,
        tags,
        shared,
    } = profile;
    let Definition {
        kind,
        source,
        http,
        environment,
        input_schema,
        target,
        servers,
        timeout_ms,
        labels,
        policy,
    } = definition;
    let Policy {
        retry,
        overlap,
        max_concurrent,
        idempotent,
    } = policy;
    let usual = Policy::default();
    let variable = |name: &str, value: &str| Tree::map([("name", name.into()), ("value", value.into())]);
    let variables = environment.iter().map(|var| variable(&var.name, &var.value));
    let given = |holds: bool, name, tree: &dyn Fn() -> Tree| holds.then(|| (name, tree()));
    let parts = [
        Some(("name", name.as_str().into())),
        given(!description.is_empty(), "description", &|| {
            description.as_str().into()
        }),
        Some(("type", word(EventType::from(*kind)))),
        Some(("status", word(EventStatus::from(*status)))),
        given(!tags.is_empty(), "tags", &|| {
            Tree::list(tags.iter().map(|tag| tag.as_str().into()))
        }),
        given(*shared, "shared", &|| true.into()),
        http.as_ref().map(|http| ("http", http_tree(http))),
        given(!environment.is_empty(), "environment", &|| {
            Tree::list(variables.clone())
        }),
        input_schema.as_ref().map(|schema| ("inputSchema", schema.into())),
        target::tree(target, servers.as_ref()).map(|tree| ("target", tree)),
        given(*timeout_ms != DEFAULT_TIMEOUT_MS, "timeout", &|| {
            duration(*timeout_ms)
        }),
        given(!labels.is_empty(), "labels", &|| {
            Tree::list(labels.iter().map(|label| label.as_str().into()))
        }),
        given(retry != &usual.retry, "retry", &|| retry_tree(retry)),
        given(*overlap != usual.overlap, "overlap", &|| {
            word(OverlapPolicy::from(*overlap))
        }),
        max_concurrent.map(|most| ("maxConcurrent", i64::from(most).into())),
        given(*idempotent, "idempotent", &|| true.into()),
        given(*max_executions != 0, "maxExecutions", &|| {
            i64::from(*max_executions).into()
        }),
        given(!source.is_empty(), "source", &|| source.as_str().into()),
    ];
    Tree::map(parts.into_iter().flatten())
}

fn duration(millis: i64) -> Tree {
    Duration(millis).to_iso().as_str().into()
}

fn http_tree(http: &HttpConfig) -> Tree {
    let HttpConfig {
        method,
        url,
        headers,
        body,
        expected_status,
        verify_tls,
        max_redirects,
    } = http;
    let header = |name: &str, value: &str| Tree::map([("name", name.into()), ("value", value.into())]);
    let headers = headers.iter().map(|one| header(&one.name, &one.value));
    let parts = [
        Some(("method", word(*method))),
        Some(("url", url.as_str().into())),
        Some(("headers", Tree::list(headers))),
        Some(("expectedStatus", expected_status.as_str().into())),
        Some(("verifyTls", (*verify_tls).into())),
        Some(("maxRedirects", i64::from(*max_redirects).into())),
        body.as_ref().map(|body| ("body", body.as_str().into())),
    ];
    Tree::map(parts.into_iter().flatten())
}

fn retry_tree(retry: &RetryPolicy) -> Tree {
    let RetryPolicy {
        attempts,
        initial_delay_ms,
        max_delay_ms,
        factor,
        jitter,
        on,
        exit_codes,
    } = retry;
    Tree::map([
        ("attempts", i64::from(*attempts).into()),
        ("initialDelay", duration(*initial_delay_ms)),
        ("maxDelay", duration(*max_delay_ms)),
        ("factor", (*factor).into()),
        ("jitter", (*jitter).into()),
        (
            "on",
            Tree::list(on.iter().map(|cause| word(RetryCause::from(*cause)))),
        ),
        (
            "exitCodes",
            Tree::list(exit_codes.iter().map(|code| i64::from(*code).into())),
        ),
    ])
}
