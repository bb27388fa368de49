//! What is typed becomes what is sent, or names the field that is wrong.

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
            "target.container.memoryBytes",
            "target.container.cpus",
            "target.container.pids",
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
fn a_script_has_no_request_and_a_request_no_script() {
    let request = Draft {
        language: HTTP.into(),
        http: Request {
            url: "https://example.test".into(),
            ..Request::default()
        },
        ..named()
    };
    let checked = request.check(true).unwrap();
    assert_eq!((checked.source.as_str(), checked.http.is_some()), ("", true));
    let script = Draft {
        language: "BASH".into(),
        ..request.clone()
    };
    assert!(script.check(true).unwrap().http.is_none());
    // What is left of the other kind changes nothing.
    assert!(!script.differs(&named()));
    assert!(request.differs(&named()));
    let emptied = Draft {
        source: String::new(),
        ..request.clone()
    };
    assert!(!emptied.differs(&request));
    // What a request has no place for is neither checked nor a change.
    let odd = Draft {
        cpus: "many".into(),
        environment: vec![
            Variable::default(),
            Variable {
                name: String::new(),
                value: "x".into(),
            },
        ],
        ..request.clone()
    };
    assert!(odd.check(true).is_ok() && !odd.differs(&request));
    let empty = Draft {
        http: Request::default(),
        ..request
    };
    assert_eq!(
        paths(empty.check(false)),
        [("http.url".to_owned(), Fault::Required)]
    );
}

#[test]
fn servers_are_no_container_and_a_container_has_no_servers() {
    let web = servers::Chosen {
        id: "web".into(),
        ..servers::Chosen::default()
    };
    let on = Draft {
        servers: servers::OnServers {
            on: true,
            chosen: vec![web],
            ..servers::OnServers::default()
        },
        environment: vec![Variable {
            name: "A".into(),
            value: "1".into(),
        }],
        ..named()
    };
    // What a container would be is neither checked nor a change; the environment counts on servers too.
    let odd = Draft {
        cpus: "many".into(),
        ..on.clone()
    };
    assert!(!odd.differs(&on));
    let checked = odd.check(true).unwrap();
    assert_eq!(
        (checked.environment.len(), checked.servers.unwrap().ids.len()),
        (1, 1)
    );
    assert!(on.makes_version(&named()));
    let mut back = Draft {
        environment: Vec::new(),
        ..on.clone()
    };
    back.servers.on = false;
    assert!(!back.differs(&named()) && back.check(true).unwrap().servers.is_none());
    // A request runs nowhere.
    let request = Draft {
        language: HTTP.into(),
        http: Request {
            url: "https://example.test".into(),
            ..Request::default()
        },
        ..on
    };
    assert!(request.check(true).unwrap().servers.is_none() && !request.on_servers());
}

#[test]
fn what_an_event_is_called_makes_no_version() {
    let saved = named();
    let mut renamed = Draft {
        name: "b".into(),
        tags: "x".into(),
        ..named()
    };
    renamed.policy.max_executions = "5".into();
    assert!(renamed.differs(&saved) && !renamed.makes_version(&saved));
    renamed.policy.idempotent = true;
    assert!(renamed.makes_version(&saved));
}

#[test]
fn an_older_draft_is_still_read() {
    let text = r#"{"name":"a","language":"PYTHON","source":"pass"}"#;
    let draft: Draft = serde_json::from_str(text).unwrap();
    assert_eq!(
        (draft.language.as_str(), draft.policy),
        ("PYTHON", Policy::default())
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

#[test]
fn a_label_is_asked_for_and_no_more() {
    let mut draft = Draft {
        labels: "gpu  region=eu-1".into(),
        ..named()
    };
    draft.toggle_label("arm");
    assert_eq!(draft.labels, "gpu, region=eu-1, arm");
    draft.toggle_label("gpu");
    assert_eq!(draft.check(true).unwrap().labels, ["region=eu-1", "arm"]);
    assert!(draft.makes_version(&named()));
}
