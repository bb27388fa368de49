//! What an event consists of and the rules for it. Pure.

mod target;

use cronium_entity::enums::EventKind;
use cronium_protocol::agent::{MAX_LABELS, is_label};
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::naming;
use crate::kernel::storable::is_storable;

use super::http::HttpConfig;
use super::policy::Policy;
pub use target::{MOST_SERVERS, SERVERS, ServerName, ServerTarget, Target};

/// Largest source, in bytes.
pub const MAX_SOURCE: usize = 1 << 20;
/// Default time limit of user code.
pub const DEFAULT_TIMEOUT_MS: i64 = 30 * 60 * 1000;

/// One variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
}

/// Everything that a version holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub kind: EventKind,
    /// Empty for a request.
    pub source: String,
    /// What is sent; only for a request.
    pub http: Option<HttpConfig>,
    pub environment: Vec<EnvVar>,
    pub input_schema: Option<Value>,
    /// At its defaults where there are servers.
    pub target: Target,
    /// None: it runs in a container.
    pub servers: Option<ServerTarget>,
    pub timeout_ms: i64,
    pub policy: Policy,
    /// What an orchestrator must have to run it: all of them, in any order.
    pub labels: Vec<String>,
}

/// What an event is called and who sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub shared: bool,
}

impl Profile {
    /// Trims, and notes what is wrong.
    pub fn checked(mut self, checks: &mut Checks) -> Self {
        use UserErrorCode::{Invalid, Required, TooLong};
        self.name = self.name.trim().to_owned();
        self.description = self.description.trim().to_owned();
        checks.require(!self.name.is_empty(), Required, "name", "Give the event a name.");
        checks.require(
            self.name.chars().count() <= 100,
            TooLong,
            "name",
            "At most 100 characters.",
        );
        checks.require(
            self.description.chars().count() <= 500,
            TooLong,
            "description",
            "At most 500 characters.",
        );
        let texts = [("name", &self.name), ("description", &self.description)];
        let tags = self.tags.iter().map(|tag| ("tags", tag));
        for (field, text) in texts.into_iter().chain(tags) {
            checks.require(naming::is_readable(text), Invalid, field, naming::UNREADABLE);
        }
        checks.require(self.tags.len() <= 20, TooLong, "tags", "At most 20 tags.");
        for (index, tag) in self.tags.iter_mut().enumerate() {
            *tag = tag.trim().to_owned();
            let fits = (1..=40).contains(&tag.chars().count());
            checks.require(
                fits,
                Invalid,
                &format!("tags.{index}"),
                "A tag has 1 to 40 characters.",
            );
        }
        self.tags.sort();
        self.tags.dedup();
        self
    }
}

impl Definition {
    /// Notes what is wrong, each at its field.
    pub fn check(&self, checks: &mut Checks) {
        use UserErrorCode::{Invalid, Required, Taken, TooLong};
        match (self.kind, &self.http) {
            (EventKind::HttpRequest, Some(http)) => {
                http.check(checks);
                let message = "A request has no source.";
                checks.require(self.source.is_empty(), Invalid, "source", message);
            }
            (EventKind::HttpRequest, None) => {
                checks.add(Required, "http", "Write what to send.");
            }
            (_, http) => {
                let message = "Only an event of the type HTTP_REQUEST sends something.";
                checks.require(http.is_none(), Invalid, "http", message);
                let message = "Write what to run.";
                checks.require(!self.source.trim().is_empty(), Required, "source", message);
            }
        }
        checks.require(
            self.source.len() <= MAX_SOURCE,
            TooLong,
            "source",
            "A source has at most 1 MiB.",
        );
        checks.require(
            !self.source.contains('\0'),
            Invalid,
            "source",
            "A source has no NUL characters.",
        );
        for (index, var) in self.environment.iter().enumerate() {
            let field = format!("environment.{index}.name");
            if !is_env_name(&var.name) {
                checks.add(
                    Invalid,
                    &field,
                    "Use letters, digits and underscores, not beginning with a digit.",
                );
            } else if var.name.starts_with("CRONIUM_") {
                checks.add(Invalid, &field, "Names beginning with CRONIUM_ are reserved.");
            } else if self.environment[..index]
                .iter()
                .any(|other| other.name == var.name)
            {
                checks.add(Taken, &field, "This name is there already.");
            }
            let value = format!("environment.{index}.value");
            checks.require(
                var.value.len() <= 32 << 10,
                TooLong,
                &value,
                "A value has at most 32 KiB.",
            );
            checks.require(
                !var.value.contains('\0'),
                Invalid,
                &value,
                "A value has no NUL characters.",
            );
        }
        checks.require(
            self.environment.len() <= 200,
            TooLong,
            "environment",
            "At most 200 variables.",
        );
        let second_to_day = (1_000..=86_400_000).contains(&self.timeout_ms);
        checks.require(
            second_to_day,
            Invalid,
            "timeout",
            "A timeout is between PT1S and PT24H.",
        );
        match &self.servers {
            Some(servers) => servers.check(self.kind, checks),
            None => self.target.check(checks),
        }
        self.policy.check(checks);
        check_labels(&self.labels, checks);
        let plain = self.input_schema.as_ref().is_none_or(is_storable);
        checks.require(plain, Invalid, "inputSchema", "A schema has no NUL characters.");
        if let Some(schema) = &self.input_schema
            && let Err(problem) = jsonschema::validator_for(schema)
        {
            checks.add(
                Invalid,
                "inputSchema",
                format!("This is not a JSON Schema: {problem}"),
            );
        }
    }

    /// Checks a job's input against the schema; every violation at its path within `input`, of a property that is
    /// missing or should not be there at that property's.
    pub fn check_input(&self, input: Option<&Value>, checks: &mut Checks) {
        let Some(schema) = &self.input_schema else { return };
        let Ok(validator) = jsonschema::validator_for(schema) else {
            return;
        };
        for problem in validator.iter_errors(input.unwrap_or(&Value::Null)).take(20) {
            let steps = problem.instance_path().iter().map(|step| match step {
                LocationSegment::Property(name) => name.into_owned(),
                LocationSegment::Index(index) => index.to_string(),
            });
            let mut field: Vec<String> = std::iter::once("input".to_owned()).chain(steps).collect();
            let mut message = problem.to_string();
            let code = match problem.kind() {
                ValidationErrorKind::Required { property } => {
                    field.extend(property.as_str().map(str::to_owned));
                    message = "This property is needed.".into();
                    UserErrorCode::Required
                }
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                    field.extend(unexpected.first().cloned());
                    UserErrorCode::Invalid
                }
                _ => UserErrorCode::Invalid,
            };
            checks.add_at(code, field, message);
        }
    }
}

fn check_labels(labels: &[String], checks: &mut Checks) {
    use UserErrorCode::{Invalid, Taken, TooLong};
    let message = format!("At most {MAX_LABELS} labels.");
    checks.require(labels.len() <= MAX_LABELS, TooLong, "labels", &message);
    for (index, label) in labels.iter().enumerate().take(MAX_LABELS) {
        let field = format!("labels.{index}");
        if !is_label(label) {
            let message = "A label has 1 to 63 of a-z, 0-9 and . _ = -, beginning with a letter or digit.";
            checks.add(Invalid, &field, message);
        } else if labels[..index].contains(label) {
            checks.add(Taken, &field, "This label is there already.");
        }
    }
}

fn is_env_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 128
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Error;
    use serde_json::json;

    fn definition() -> Definition {
        Definition {
            kind: EventKind::Bash,
            source: "true".into(),
            http: None,
            environment: Vec::new(),
            input_schema: None,
            target: Target::default(),
            servers: None,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            policy: Policy::default(),
            labels: Vec::new(),
        }
    }

    fn fields(definition: &Definition) -> Vec<String> {
        let mut checks = Checks::default();
        definition.check(&mut checks);
        match checks.done() {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.field.join(".")).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        assert!(fields(&definition()).is_empty());
        let var = |name: &str| EnvVar {
            name: name.into(),
            value: String::new(),
        };
        let broken = Definition {
            source: " ".into(),
            environment: vec![var("A"), var("A"), var("1X"), var("CRONIUM_X")],
            input_schema: Some(json!({ "type": "nonsense" })),
            target: Target {
                memory_bytes: 1,
                cpu_millis: 1,
                pids: 1,
                image: Some("-rm".into()),
                network: false,
            },
            timeout_ms: 1,
            labels: ["gpu", "GPU", "gpu", "", "region=eu-1"]
                .map(str::to_owned)
                .to_vec(),
            ..definition()
        };
        let expected = [
            "source",
            "environment.1.name",
            "environment.2.name",
            "environment.3.name",
            "timeout",
            "target.container.memoryBytes",
            "target.container.cpus",
            "target.container.pids",
            "target.container.image",
            "labels.1",
            "labels.2",
            "labels.3",
            "inputSchema",
        ];
        assert_eq!(fields(&broken), expected);
    }

    #[test]
    fn labels_are_counted_and_each_is_there_once() {
        let with = |count: usize| Definition {
            labels: (0..count).map(|n| format!("label-{n}")).collect(),
            ..definition()
        };
        assert!(fields(&with(MAX_LABELS)).is_empty());
        assert_eq!(fields(&with(MAX_LABELS + 1)), ["labels"]);
    }

    #[test]
    fn input_is_checked_by_the_schema() {
        let schema =
            json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
        let with_schema = Definition {
            input_schema: Some(schema),
            ..definition()
        };
        let errors = |input: Value| {
            let mut checks = Checks::default();
            with_schema.check_input(Some(&input), &mut checks);
            match checks.done() {
                Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.field.join(".")).collect(),
                _ => Vec::new(),
            }
        };
        assert!(errors(json!({ "n": 1 })).is_empty());
        assert_eq!(errors(json!({ "n": "one" })), ["input.n"]);
        assert_eq!(errors(json!({})), ["input.n"]);
    }
}
