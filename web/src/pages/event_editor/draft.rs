//! What a person is typing about an event: text as typed, checked only when it is sent.
//! Knows nothing of the page or the network; paths of fields are those of the API's inputs.

use serde::{Deserialize, Serialize};

use crate::pages::input::schema;

/// One row of the environment table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

/// The form as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub name: String,
    pub description: String,
    /// Separated by commas or spaces.
    pub tags: String,
    pub shared: bool,
    /// `BASH`, `PYTHON` or `NODEJS`.
    pub language: String,
    pub source: String,
    pub environment: Vec<Variable>,
    pub image: String,
    pub memory_mib: String,
    pub cpus: String,
    pub pids: String,
    /// Whether the script may reach the network.
    pub network: bool,
    pub timeout_minutes: String,
    pub timeout_seconds: String,
    pub input_schema: String,
    /// Input of a test run; not part of the event.
    pub input: String,
}

/// A new event: the starting point of a form.
pub fn starter(language: &str) -> &'static str {
    match language {
        "PYTHON" => "import json\nimport os\n\nprint(\"hello from\", os.uname().nodename)\n",
        "NODEJS" => "console.log(`hello from Node.js ${process.version}`);\n",
        _ => "#!/usr/bin/env bash\nset -euo pipefail\n\necho \"hello from $(hostname)\"\n",
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            tags: String::new(),
            shared: false,
            language: "BASH".to_owned(),
            source: starter("BASH").to_owned(),
            environment: Vec::new(),
            image: String::new(),
            memory_mib: "256".to_owned(),
            cpus: "1".to_owned(),
            pids: "128".to_owned(),
            network: false,
            timeout_minutes: "5".to_owned(),
            timeout_seconds: "0".to_owned(),
            input_schema: String::new(),
            input: "{}".to_owned(),
        }
    }
}

/// What is wrong with a field before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Required,
    NotANumber,
    NotJson,
    Twice,
}

/// A field, by its path in the API's input with dots between, and what is wrong with it.
pub type Problem = (String, Fault);

/// The form, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub tags: Vec<String>,
    pub environment: Vec<Variable>,
    pub image: Option<String>,
    pub memory_bytes: f64,
    pub cpus: f64,
    pub pids: i32,
    pub timeout: String,
    pub input_schema: Option<serde_json::Value>,
    pub input: Option<serde_json::Value>,
}

impl Draft {
    /// Tags as a list, each once.
    pub fn tag_list(&self) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self
            .tags
            .split([',', ' '])
            .map(str::trim)
            .filter(|t| !t.is_empty())
        {
            if !tags.iter().any(|t| t == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    /// Seconds of the time limit, if both fields are numbers.
    pub fn timeout(&self) -> Option<u64> {
        let part = |text: &str| {
            if text.trim().is_empty() {
                Some(0)
            } else {
                text.trim().parse::<u64>().ok()
            }
        };
        part(&self.timeout_minutes)?
            .checked_mul(60)?
            .checked_add(part(&self.timeout_seconds)?)
    }

    /// Reads the form. `saving` asks for what only a saved event needs; the test input counts otherwise.
    pub fn check(&self, saving: bool) -> Result<Checked, Vec<Problem>> {
        let mut problems: Vec<Problem> = Vec::new();
        let mut wrong = |path: &str, fault| problems.push((path.to_owned(), fault));
        if saving && self.name.trim().is_empty() {
            wrong("name", Fault::Required);
        }
        if self.source.trim().is_empty() {
            wrong("source", Fault::Required);
        }
        let mut environment: Vec<Variable> = Vec::new();
        for (row, variable) in self.environment.iter().enumerate() {
            let name = variable.name.trim();
            if name.is_empty() && variable.value.is_empty() {
                continue;
            }
            if name.is_empty() {
                wrong(&format!("environment.{row}.name"), Fault::Required);
            } else if environment.iter().any(|v| v.name == name) {
                wrong(&format!("environment.{row}.name"), Fault::Twice);
            }
            environment.push(Variable {
                name: name.to_owned(),
                value: variable.value.clone(),
            });
        }
        let mut number = |path: &str, text: &str| match text.trim().replace(',', ".").parse::<f64>() {
            Ok(value) if value.is_finite() && value > 0.0 => value,
            _ => {
                wrong(path, Fault::NotANumber);
                0.0
            }
        };
        let memory = number("target.memoryBytes", &self.memory_mib) * 1024.0 * 1024.0;
        let cpus = number("target.cpus", &self.cpus);
        let pids = self.pids.trim().parse::<i32>().ok().filter(|p| *p > 0);
        if pids.is_none() {
            wrong("target.pids", Fault::NotANumber);
        }
        let timeout = self.timeout().filter(|s| *s > 0);
        if timeout.is_none() {
            wrong("timeout", Fault::NotANumber);
        }
        let mut json = |path: &str, text: &str| match text.trim() {
            "" => None,
            text => serde_json::from_str(text)
                .map_err(|_| wrong(path, Fault::NotJson))
                .ok(),
        };
        let input_schema = json("inputSchema", &self.input_schema);
        let input = if saving { None } else { json("input", &self.input) };
        let input = input.map(|input| schema::read(input_schema.as_ref(), input));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Checked {
            tags: self.tag_list(),
            environment,
            image: Some(self.image.trim().to_owned()).filter(|i| !i.is_empty()),
            memory_bytes: memory.round(),
            cpus,
            pids: pids.unwrap_or_default(),
            timeout: format!("PT{}S", timeout.unwrap_or_default()),
            input_schema,
            input,
        })
    }

    /// True when saving would change the event.
    pub fn differs(&self, saved: &Self) -> bool {
        let plain = |draft: &Self| Self {
            input: String::new(),
            ..draft.clone()
        };
        plain(self) != plain(saved)
    }
}

/// Whether an error's path is that of a field or of a part of it.
pub fn belongs(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Draft {
        Draft {
            name: "a".to_owned(),
            ..Draft::default()
        }
    }

    fn paths(result: Result<Checked, Vec<Problem>>) -> Vec<(String, Fault)> {
        result.err().unwrap_or_default()
    }

    #[test]
    fn a_new_event_needs_only_a_name() {
        assert_eq!(
            paths(Draft::default().check(true)),
            [("name".to_owned(), Fault::Required)]
        );
        let checked = named().check(true).unwrap();
        assert!((checked.memory_bytes - 268_435_456.0).abs() < 0.5);
        assert_eq!(
            (checked.timeout.as_str(), checked.pids, checked.image),
            ("PT300S", 128, None)
        );
        assert!(Draft::default().check(false).is_ok());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let draft = Draft {
            source: " \n".into(),
            memory_mib: "much".into(),
            cpus: "0".into(),
            pids: "1.5".into(),
            timeout_minutes: "0".into(),
            input_schema: "{".into(),
            ..named()
        };
        let found: Vec<String> = paths(draft.check(true)).into_iter().map(|p| p.0).collect();
        assert_eq!(
            found,
            [
                "source",
                "target.memoryBytes",
                "target.cpus",
                "target.pids",
                "timeout",
                "inputSchema"
            ]
        );
    }

    #[test]
    fn rows_of_the_environment_keep_their_place_in_errors() {
        let row = |name: &str, value: &str| Variable {
            name: name.into(),
            value: value.into(),
        };
        let draft = Draft {
            environment: vec![row("A", "1"), row("", ""), row("", "x"), row("A ", "2")],
            ..named()
        };
        assert_eq!(
            paths(draft.check(true)),
            [
                ("environment.2.name".to_owned(), Fault::Required),
                ("environment.3.name".to_owned(), Fault::Twice)
            ]
        );
    }

    #[test]
    fn only_a_test_reads_the_test_input() {
        let draft = Draft {
            input: "{oops".into(),
            ..named()
        };
        assert!(draft.check(true).is_ok());
        assert_eq!(paths(draft.check(false)), [("input".to_owned(), Fault::NotJson)]);
        assert!(!draft.differs(&named()));
        assert!(
            Draft {
                cpus: "2".into(),
                ..named()
            }
            .differs(&named())
        );
    }

    #[test]
    fn a_decimal_comma_is_understood_and_huge_times_are_not() {
        let checked = Draft {
            cpus: "0,5".into(),
            timeout_seconds: "30".into(),
            ..named()
        }
        .check(true)
        .unwrap();
        assert!((checked.cpus - 0.5).abs() < f64::EPSILON);
        assert_eq!(checked.timeout, "PT330S");
        assert_eq!(
            Draft {
                timeout_minutes: u64::MAX.to_string(),
                ..named()
            }
            .timeout(),
            None
        );
    }

    #[test]
    fn tags_are_listed_once() {
        assert_eq!(
            Draft {
                tags: "a, b a,,c".into(),
                ..named()
            }
            .tag_list(),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn an_error_belongs_to_its_field_and_to_what_holds_it() {
        assert!(belongs("input.day", "input") && belongs("tags.0", "tags") && belongs("input", "input"));
        assert!(!belongs("inputSchema", "input") && !belongs("name", "environment.0.name"));
    }
}
