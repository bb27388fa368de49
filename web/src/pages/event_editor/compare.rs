//! Which settings differ between two versions, and how each is said. Pure: words are keys, and figures are put into
//! words by whoever shows them.

use std::time::Duration;

use super::config::RetryOn;
use super::data::Version;
use super::place::{ContainerTarget, NetworkMode, ServerTarget};

/// How a setting is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Nothing,
    Text(String),
    /// A key of the catalogue.
    Word(&'static str),
    /// Several of them.
    Words(Vec<&'static str>),
    Bytes(f64),
    Time(Duration),
}

/// A setting that differs: the key of its name, and the value before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub name: &'static str,
    pub before: Said,
    pub after: Said,
}

type Read = fn(&Version) -> Said;

fn text(value: impl ToString) -> Said {
    Said::Text(value.to_string())
}

fn switch(on: bool) -> Said {
    Said::Word(if on { "compare.on" } else { "compare.off" })
}

fn or_word(value: Option<String>, word: &'static str) -> Said {
    value.map_or(Said::Word(word), Said::Text)
}

/// Every setting, in the order of the page. What a request sends is compared line by line beside these.
const SETTINGS: [(&str, Read); 25] = [
    ("events.type", |v| text(v.kind.title())),
    ("settings.target", |v| {
        Said::Word(if v.target.servers().is_some() {
            "place.servers"
        } else {
            "place.container"
        })
    }),
    ("targets.title", |v| servers(v, server_names)),
    ("place.parallel", |v| {
        servers(v, |on| {
            or_word(on.max_parallel.map(|most| most.to_string()), "compare.at_once")
        })
    }),
    ("field.image", |v| {
        container(v, |c| or_word(c.image.clone(), "editor.default_image"))
    }),
    ("field.memory", |v| container(v, |c| Said::Bytes(c.memory_bytes))),
    ("field.cpus", |v| container(v, |c| text(c.cpus))),
    ("field.pids", |v| container(v, |c| text(c.pids))),
    ("compare.network", |v| {
        container(v, |c| switch(c.network == NetworkMode::Bridge))
    }),
    ("field.labels", |v| list(&v.labels)),
    ("field.timeout", |v| {
        v.timeout.get().map_or(Said::Nothing, Said::Time)
    }),
    ("http.expected", |v| {
        request(v, |http| text(&http.expected_status))
    }),
    ("http.redirects", |v| request(v, |http| text(http.max_redirects))),
    ("http.tls", |v| request(v, |http| switch(http.verify_tls))),
    ("retry.attempts", |v| text(v.retry.attempts)),
    ("retry.initial", |v| text(v.retry.delays().0)),
    ("retry.longest", |v| text(v.retry.delays().1)),
    ("retry.factor", |v| text(v.retry.factor)),
    ("compare.jitter", |v| switch(v.retry.jitter)),
    ("retry.on", reasons),
    ("retry.codes", codes),
    ("overlap.title", |v| {
        Said::Word(match v.overlap.name() {
            "QUEUE_ONE" => "overlap.queue_one",
            "SKIP" => "overlap.skip",
            "REPLACE" => "overlap.replace",
            _ => "overlap.allow",
        })
    }),
    ("policy.concurrent", |v| {
        v.max_concurrent.map_or(Said::Nothing, text)
    }),
    ("policy.idempotent", |v| switch(v.idempotent)),
    ("settings.environment", variables),
];

fn container(version: &Version, read: fn(&ContainerTarget) -> Said) -> Said {
    version.target.container().map_or(Said::Nothing, read)
}

fn servers(version: &Version, read: fn(&ServerTarget) -> Said) -> Said {
    version.target.servers().map_or(Said::Nothing, read)
}

/// The servers in their order, each by the name that it had then.
fn server_names(target: &ServerTarget) -> Said {
    let names: Vec<&str> = target.servers.iter().map(|one| one.name.as_str()).collect();
    text(names.join(", "))
}

fn request(version: &Version, read: fn(&super::config::HttpRequestConfig) -> Said) -> Said {
    version.http.as_ref().map_or(Said::Nothing, read)
}

fn reasons(version: &Version) -> Said {
    let of_code = if version.http.is_some() {
        "retry.on_status"
    } else {
        "retry.on_code"
    };
    let names = [
        (RetryOn::Infrastructure, "retry.on_infrastructure"),
        (RetryOn::Timeout, "retry.on_timeout"),
        (RetryOn::ExitCode, of_code),
    ];
    let on = names.into_iter().filter(|(on, _)| version.retry.on.contains(on));
    Said::Words(on.map(|(_, word)| word).collect())
}

fn codes(version: &Version) -> Said {
    let codes: Vec<String> = version.retry.exit_codes.iter().map(ToString::to_string).collect();
    or_word(
        Some(codes.join(", ")).filter(|codes| !codes.is_empty()),
        "compare.all",
    )
}

fn list(all: &[String]) -> Said {
    if all.is_empty() {
        Said::Nothing
    } else {
        Said::Text(all.join(", "))
    }
}

fn variables(version: &Version) -> Said {
    let all = version.environment.iter();
    let all: Vec<String> = all.map(|v| format!("{}={}", v.name, v.value)).collect();
    if all.is_empty() {
        Said::Nothing
    } else {
        Said::Text(all.join(" "))
    }
}

fn schema(version: &Version) -> Said {
    let schema = version.input_schema.as_ref().filter(|schema| !schema.is_null());
    schema.map_or(Said::Nothing, text)
}

/// Settings that differ.
pub fn settings(before: &Version, after: &Version) -> Vec<Changed> {
    SETTINGS
        .into_iter()
        .chain([("field.schema", schema as Read)])
        .map(|(name, read)| Changed {
            name,
            before: read(before),
            after: read(after),
        })
        .filter(|changed| changed.before != changed.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::config::{HttpMethod, HttpRequestConfig, OverlapPolicy, RetryPolicy};
    use super::super::data::EnvVar;
    use super::super::place::TargetConfig;
    use super::super::place::tests::on;
    use super::*;
    use crate::api::{IsoDuration, Timestamp};
    use crate::pages::runs::data::EventType;

    fn version() -> Version {
        Version {
            id: "v".into(),
            number: 1,
            created_at: Timestamp::default(),
            created_by: None,
            comment: None,
            kind: EventType::HttpRequest,
            source: String::new(),
            http: Some(HttpRequestConfig {
                method: HttpMethod::Get,
                url: "https://example.test".into(),
                headers: Vec::new(),
                body: None,
                expected_status: "200".into(),
                verify_tls: true,
                max_redirects: 5,
            }),
            environment: Vec::new(),
            input_schema: None,
            target: TargetConfig::Container(ContainerTarget {
                image: None,
                memory_bytes: 1.0,
                cpus: 1.0,
                pids: 1,
                network: NetworkMode::None,
            }),
            timeout: IsoDuration("PT5M".into()),
            retry: RetryPolicy {
                attempts: 1,
                initial_delay: IsoDuration("PT10S".into()),
                max_delay: IsoDuration("PT10M".into()),
                factor: 2.0,
                jitter: true,
                on: vec![RetryOn::Timeout],
                exit_codes: Vec::new(),
            },
            overlap: OverlapPolicy::Allow,
            max_concurrent: None,
            idempotent: false,
            labels: Vec::new(),
        }
    }

    fn names(change: impl FnOnce(&mut Version)) -> Vec<&'static str> {
        let mut after = version();
        change(&mut after);
        settings(&version(), &after)
            .into_iter()
            .map(|one| one.name)
            .collect()
    }

    #[test]
    fn no_setting_changes_unseen() {
        assert_eq!(names(|_| {}), Vec::<&str>::new());
        assert_eq!(names(|v| v.kind = EventType::Bash), ["events.type"]);
        let container = |change: fn(&mut ContainerTarget)| {
            names(|v| {
                if let TargetConfig::Container(container) = &mut v.target {
                    change(container);
                }
            })
        };
        assert_eq!(container(|c| c.image = Some("a".into())), ["field.image"]);
        assert_eq!(container(|c| c.memory_bytes = 2.0), ["field.memory"]);
        assert_eq!(container(|c| c.cpus = 2.0), ["field.cpus"]);
        assert_eq!(container(|c| c.pids = 2), ["field.pids"]);
        assert_eq!(
            container(|c| c.network = NetworkMode::Bridge),
            ["compare.network"]
        );
        assert_eq!(
            names(|v| v.timeout = IsoDuration("PT6M".into())),
            ["field.timeout"]
        );
        let http =
            |change: fn(&mut HttpRequestConfig)| names(|v| v.http.as_mut().into_iter().for_each(change));
        assert_eq!(http(|h| h.expected_status = "201".into()), ["http.expected"]);
        assert_eq!(http(|h| h.max_redirects = 0), ["http.redirects"]);
        assert_eq!(http(|h| h.verify_tls = false), ["http.tls"]);
        assert_eq!(names(|v| v.retry.attempts = 3), ["retry.attempts"]);
        assert_eq!(
            names(|v| v.retry.initial_delay = IsoDuration("PT1S".into())),
            ["retry.initial"]
        );
        assert_eq!(
            names(|v| v.retry.max_delay = IsoDuration("PT1H".into())),
            ["retry.longest"]
        );
        assert_eq!(names(|v| v.retry.factor = 3.0), ["retry.factor"]);
        assert_eq!(names(|v| v.retry.jitter = false), ["compare.jitter"]);
        assert_eq!(names(|v| v.retry.on.push(RetryOn::ExitCode)), ["retry.on"]);
        assert_eq!(names(|v| v.retry.exit_codes.push(3)), ["retry.codes"]);
        assert_eq!(names(|v| v.overlap = OverlapPolicy::Skip), ["overlap.title"]);
        assert_eq!(names(|v| v.max_concurrent = Some(2)), ["policy.concurrent"]);
        assert_eq!(names(|v| v.idempotent = true), ["policy.idempotent"]);
        assert_eq!(names(|v| v.labels.push("gpu".into())), ["field.labels"]);
        let variable = EnvVar {
            name: "A".into(),
            value: "1".into(),
        };
        assert_eq!(names(|v| v.environment.push(variable)), ["settings.environment"]);
        assert_eq!(
            names(|v| v.input_schema = Some(serde_json::json!({}))),
            ["field.schema"]
        );
    }

    #[test]
    fn no_server_changes_unseen() {
        let of = |target: TargetConfig| Version { target, ..version() };
        let changed = |before: TargetConfig, after: TargetConfig| -> Vec<&'static str> {
            let all = settings(&of(before), &of(after));
            all.into_iter().map(|one| one.name).collect()
        };
        let two = || on(&["web", "db"], &[], None);
        assert_eq!(changed(two(), two()), Vec::<&str>::new());
        // One that is gone meanwhile is no change of the event.
        assert_eq!(
            changed(two(), on(&["web", "db"], &["db"], None)),
            Vec::<&str>::new()
        );
        assert_eq!(changed(two(), on(&["db", "web"], &[], None)), ["targets.title"]);
        assert_eq!(changed(two(), on(&["web"], &[], None)), ["targets.title"]);
        assert_eq!(
            changed(two(), on(&["web", "db"], &[], Some(1))),
            ["place.parallel"]
        );
        let moved = changed(version().target, two());
        assert_eq!(moved[..3], ["settings.target", "targets.title", "place.parallel"]);
        assert!(moved.contains(&"field.memory"));
    }

    #[test]
    fn what_a_request_sends_is_its_text() {
        let mut after = version();
        if let Some(http) = &mut after.http {
            http.url += "/orders";
        }
        assert_eq!(settings(&version(), &after), []);
        assert_ne!(after.text(), version().text());
        let script = Version {
            http: None,
            source: "echo".into(),
            ..version()
        };
        assert_eq!(script.text(), "echo");
    }
}
