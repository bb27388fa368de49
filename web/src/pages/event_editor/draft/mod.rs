//! What a person is typing about an event: text as typed, checked only when it is sent.
//! Knows nothing of the page or the network; paths of fields are those of the API's inputs.

pub mod http;
pub mod policy;
pub mod servers;
pub mod span;

use serde::{Deserialize, Serialize};

use self::http::{CheckedRequest, Request};
use self::policy::{CheckedPolicy, Policy};
use self::servers::{CheckedServers, OnServers};
use crate::pages::input::schema;

/// One row of the environment table, or of a request's headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

impl Variable {
    /// A row in which nothing stands.
    pub fn is_blank(&self) -> bool {
        self.name.trim().is_empty() && self.value.is_empty()
    }
}

/// The name of the type that sends a request.
pub const HTTP: &str = "HTTP_REQUEST";

/// The form as typed. What an older page kept of it may lack fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    pub name: String,
    pub description: String,
    /// Separated by commas or spaces.
    pub tags: String,
    pub shared: bool,
    /// `BASH`, `PYTHON`, `NODEJS` or `HTTP_REQUEST`.
    pub language: String,
    /// The script; what is left of one while it is a request is not part of the event.
    pub source: String,
    /// What is sent; not part of the event while it is a script.
    pub http: Request,
    pub environment: Vec<Variable>,
    /// Where a script runs that does not run in a container.
    pub servers: OnServers,
    pub image: String,
    pub memory_mib: String,
    pub cpus: String,
    pub pids: String,
    /// Whether the script may reach the network.
    pub network: bool,
    pub timeout_minutes: String,
    pub timeout_seconds: String,
    /// What an orchestrator must have to run it, separated by commas or spaces.
    pub labels: String,
    pub input_schema: String,
    pub policy: Policy,
    /// Whether a new event begins as a draft; of no meaning for one that is there.
    pub inactive: bool,
    /// What the next version is about; not part of the event.
    pub comment: String,
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

/// Whether a script is one that nobody wrote.
pub fn is_starter(source: &str) -> bool {
    source.trim().is_empty()
        || ["BASH", "PYTHON", "NODEJS"]
            .iter()
            .any(|of| starter(of) == source)
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
            http: Request::default(),
            environment: Vec::new(),
            servers: OnServers::default(),
            image: String::new(),
            memory_mib: "256".to_owned(),
            cpus: "1".to_owned(),
            pids: "128".to_owned(),
            network: false,
            timeout_minutes: "5".to_owned(),
            timeout_seconds: "0".to_owned(),
            labels: String::new(),
            input_schema: String::new(),
            policy: Policy::default(),
            inactive: false,
            comment: String::new(),
            input: "{}".to_owned(),
        }
    }
}

/// What is wrong with a field before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Required,
    NotANumber,
    NotWhole,
    NotATime,
    NotJson,
    Twice,
}

/// A field, by its path in the API's input with dots between, and what is wrong with it.
pub type Problem = (String, Fault);

/// The form, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Empty for a request.
    pub source: String,
    pub http: Option<CheckedRequest>,
    pub policy: CheckedPolicy,
    pub comment: Option<String>,
    pub tags: Vec<String>,
    pub labels: Vec<String>,
    pub environment: Vec<Variable>,
    /// None: it runs in a container.
    pub servers: Option<CheckedServers>,
    pub image: Option<String>,
    pub memory_bytes: f64,
    pub cpus: f64,
    pub pids: i32,
    pub timeout: String,
    pub input_schema: Option<serde_json::Value>,
    pub input: Option<serde_json::Value>,
}

impl Draft {
    pub fn is_http(&self) -> bool {
        self.language == HTTP
    }

    /// Whether it is a script that runs on servers.
    pub fn on_servers(&self) -> bool {
        !self.is_http() && self.servers.on
    }

    /// Tags as a list, each once.
    pub fn tag_list(&self) -> Vec<String> {
        words(&self.tags)
    }

    /// Labels as a list, each once.
    pub fn label_list(&self) -> Vec<String> {
        words(&self.labels)
    }

    /// Asks for a label, or asks for it no more.
    pub fn toggle_label(&mut self, label: &str) {
        let mut labels = self.label_list();
        match labels.iter().position(|one| one == label) {
            Some(at) => drop(labels.remove(at)),
            None => labels.push(label.to_owned()),
        }
        self.labels = labels.join(", ");
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
        if saving && self.name.trim().is_empty() {
            problems.push(("name".to_owned(), Fault::Required));
        }
        let http = self.is_http().then(|| self.http.check(&mut problems));
        let servers = self.on_servers().then(|| self.servers.check(&mut problems));
        let mut wrong = |path: &str, fault| problems.push((path.to_owned(), fault));
        if http.is_none() && self.source.trim().is_empty() {
            wrong("source", Fault::Required);
        }
        // A request has neither container nor environment, and servers are no container: what is left of them is not
        // shown, and not sent.
        let other = Self::default();
        let surroundings = if http.is_some() { &other } else { self };
        let container = if servers.is_some() { &other } else { surroundings };
        let mut environment: Vec<Variable> = Vec::new();
        for (row, variable) in surroundings.environment.iter().enumerate() {
            let name = variable.name.trim();
            if variable.is_blank() {
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
        let memory = number("target.container.memoryBytes", &container.memory_mib) * 1024.0 * 1024.0;
        let cpus = number("target.container.cpus", &container.cpus);
        let pids = container.pids.trim().parse::<i32>().ok().filter(|p| *p > 0);
        if pids.is_none() {
            wrong("target.container.pids", Fault::NotANumber);
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
        let policy = self.policy.check(&mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Checked {
            source: if http.is_some() {
                String::new()
            } else {
                self.source.clone()
            },
            http,
            policy,
            comment: Some(self.comment.trim().to_owned()).filter(|comment| !comment.is_empty()),
            tags: self.tag_list(),
            labels: self.label_list(),
            environment,
            servers,
            image: Some(container.image.trim().to_owned()).filter(|i| !i.is_empty()),
            memory_bytes: memory.round(),
            cpus,
            pids: pids.unwrap_or_default(),
            timeout: format!("PT{}S", timeout.unwrap_or_default()),
            input_schema,
            input,
        })
    }

    /// What is part of the event: a script has no request, a request neither script nor place, and servers no container.
    fn plain(&self) -> Self {
        let other = Self::default();
        let mut plain = Self {
            input: String::new(),
            comment: String::new(),
            servers: self.servers.plain(),
            ..self.clone()
        };
        if plain.is_http() {
            plain.source.clear();
            plain.environment.clear();
            plain.servers = OnServers::default();
        } else {
            plain.http = Request::default();
        }
        if plain.is_http() || plain.on_servers() {
            (plain.image, plain.memory_mib, plain.cpus) = (other.image, other.memory_mib, other.cpus);
            (plain.pids, plain.network) = (other.pids, other.network);
        }
        plain
    }

    /// True when saving would change the event.
    pub fn differs(&self, saved: &Self) -> bool {
        self.plain() != saved.plain()
    }

    /// True when saving would make a new version: not for what an event is called, who sees it and how often it runs.
    pub fn makes_version(&self, saved: &Self) -> bool {
        let content = |draft: &Self| {
            let mut plain = Self {
                name: String::new(),
                description: String::new(),
                tags: String::new(),
                shared: false,
                ..draft.plain()
            };
            plain.policy.max_executions.clear();
            plain
        };
        content(self) != content(saved)
    }
}

/// Words between commas and spaces, each once.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text
        .split([',', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        if !words.iter().any(|one| one == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// Whether an error's path is that of a field or of a part of it.
pub fn belongs(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests;
