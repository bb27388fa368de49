//! Running the saved version of an event at a moment to come, or before and after others. The quick way to run it now
//! asks for none of this.

use std::collections::BTreeSet;
use std::time::Duration;

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use super::data::Event;
use super::draft::belongs;
use crate::api::{self, Json, Timestamp, schema};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::forms::Choice;
use crate::pages::input::{InputForm, ServerTicks, chosen, schema as inputs};
use crate::pages::runs::actions::RunEventPayload;
use crate::pages::runs::data::{JobRow, Refusal, settled};
use crate::pages::runs::{moment, say};
use crate::routes::Route;
use crate::ui::{Dialog, Field, Icon, duration, toast, use_now};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Low,
    Normal,
    High,
    Critical,
}

/// In the order of the menu, with the key of the words for it.
const PRIORITIES: [(&str, Priority, &str); 4] = [
    ("CRITICAL", Priority::Critical, "priority.critical"),
    ("HIGH", Priority::High, "priority.high"),
    ("NORMAL", Priority::Normal, "priority.normal"),
    ("LOW", Priority::Low, "priority.low"),
];

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "RunEventInput")]
pub struct StartInput {
    event_id: cynic::Id,
    idempotency_key: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    input: Option<Json>,
    priority: Priority,
    run_at: Option<Timestamp>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    servers: Option<Vec<cynic::Id>>,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct StartVariables {
    input: StartInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Mutation", variables = "StartVariables")]
pub struct StartEvent {
    #[arguments(input: $input)]
    run_event: RunEventPayload,
}

crate::api::listed!(Mutation StartEvent, StartVariables);

async fn start(input: StartInput) -> Result<JobRow, Refusal> {
    let payload = api::run(StartEvent::build(StartVariables { input }))
        .await?
        .run_event;
    settled(payload.job, payload.user_errors)
}

/// What is wrong before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    NoMoment,
    Passed,
}

/// The moment that was typed, which lies ahead: the API takes one that has passed for now, and so would nobody who
/// typed yesterday.
fn ahead(at: Option<f64>, now: f64) -> Result<Timestamp, Late> {
    let at = at.ok_or(Late::NoMoment)?;
    if at <= now {
        return Err(Late::Passed);
    }
    Timestamp::from_timestamp_millis(at as i64).ok_or(Late::NoMoment)
}

/// How far a place's clock is from UTC, as `UTC+05:30`; minutes are those to add to get UTC.
fn offset_text(minutes: f64) -> String {
    let east = -minutes as i64;
    let sign = if east < 0 { '-' } else { '+' };
    format!("UTC{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)
}

const MINUTE_MS: f64 = 60_000.0;
/// What the dialog begins with: an hour ahead, on a round minute.
fn suggested(now: f64) -> f64 {
    ((now + 60.0 * MINUTE_MS) / (5.0 * MINUTE_MS)).ceil() * 5.0 * MINUTE_MS
}

/// The dialog. `unsaved`: what is typed in the editor is not what runs, and the page stays.
#[component]
pub fn RunLater(locale: Locale, event: Event, unsaved: bool, onclose: EventHandler) -> Element {
    let schema = event
        .version
        .input_schema
        .clone()
        .filter(|schema| !schema.is_null());
    let mut later = use_signal(|| true);
    let mut at = use_signal(|| browser::local_text(suggested(browser::now_ms())));
    let priority = use_signal(|| "NORMAL".to_owned());
    let mut text = use_signal(|| inputs::beginning(schema.as_ref()));
    let servers = event.version.target.names();
    let left_out = use_signal(BTreeSet::<String>::new);
    let mut errors = use_signal(Vec::<(String, String)>::new);
    let mut busy = use_signal(|| false);
    // What was sent last, with its key: the same once more, after an answer that was lost, starts nothing twice.
    let mut sent = use_signal(|| None::<StartInput>);
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(10));
    let wrong = move |path: &str| {
        let errors = errors.read();
        let found = errors.iter().find(|(at, _)| at == path);
        found.map(|(_, words)| words.clone())
    };
    let refused = move |path: &str, words: String| {
        errors.set(vec![(path.to_owned(), words)]);
        browser::focus_invalid();
    };
    let (id, of, all) = (event.id.clone(), schema.clone(), servers.clone());
    let run = move || {
        let (id, of, all) = (id.clone(), of.clone(), all.clone());
        let mut refused = refused;
        async move {
            if busy() {
                return;
            }
            let moment_typed = later().then(|| ahead(browser::local_moment(&at.peek()), browser::now_ms()));
            let run_at = match moment_typed {
                Some(Err(Late::NoMoment)) => return refused("runAt", t("later.no_moment")),
                Some(Err(Late::Passed)) => return refused("runAt", t("later.passed")),
                Some(Ok(at)) => Some(at),
                None => None,
            };
            let Ok(servers) = chosen(&all, &left_out.peek()) else {
                return refused("servers", t("targets.required"));
            };
            let typed = text.peek().clone();
            let input = match typed.trim() {
                "" => None,
                // What nobody touched is no input.
                "{}" if of.is_none() => None,
                typed => match serde_json::from_str(typed) {
                    Ok(value) => Some(inputs::read(of.as_ref(), value)),
                    Err(_) => return refused("input", t("fault.json")),
                },
            };
            let wanted = PRIORITIES
                .into_iter()
                .find(|(name, ..)| *name == *priority.peek());
            let mut wish = StartInput {
                event_id: id,
                idempotency_key: None,
                input,
                priority: wanted.map_or(Priority::Normal, |(_, priority, _)| priority),
                run_at,
                servers,
            };
            let before = sent.peek().clone();
            wish.idempotency_key = match before {
                Some(before)
                    if before
                        == (StartInput {
                            idempotency_key: before.idempotency_key.clone(),
                            ..wish.clone()
                        }) =>
                {
                    before.idempotency_key
                }
                _ => Some(browser::unique("run")),
            };
            sent.set(Some(wish.clone()));
            busy.set(true);
            match start(wish).await {
                Ok(job) => {
                    let number = job.number.to_string();
                    let words = match run_at {
                        Some(at) => tf("later.scheduled", &[("number", &number), ("time", &moment(at))]),
                        None => tf("events.run_started", &[("number", &number)]),
                    };
                    toast(job.status, words, job.title.clone());
                    onclose.call(());
                    if !unsaved {
                        navigator.push(Route::run(locale, job.id.inner()));
                    }
                }
                Err(Refusal::Refused(reasons))
                    if reasons.iter().all(|error| {
                        matches!(
                            error.path().split('.').next(),
                            Some("runAt" | "priority" | "servers" | "input")
                        )
                    }) =>
                {
                    errors.set(
                        reasons
                            .iter()
                            .map(|error| (error.path(), error.words()))
                            .collect(),
                    );
                    browser::focus_invalid();
                }
                Err(refusal) => say(t("events.run_failed"), &refusal),
            }
            busy.set(false);
        }
    };
    let at_error = wrong("runAt");
    let servers_error = errors
        .read()
        .iter()
        .find(|(path, _)| belongs(path, "servers"))
        .map(|(_, words)| words.clone());
    let within: Vec<(String, String)> = errors
        .read()
        .iter()
        .filter_map(|(path, words)| {
            let inner = path.strip_prefix("input")?;
            Some((inner.trim_start_matches('.').to_owned(), words.clone()))
        })
        .collect();
    let parsed = browser::local_moment(&at.read());
    let offset = offset_text(browser::utc_offset_minutes(parsed.unwrap_or_else(&*now)));
    let zone = tf(
        "later.zone",
        &[("zone", &browser::time_zone()), ("offset", &offset)],
    );
    let wait = parsed.filter(|at| *at > now()).map(|at| {
        let left = Duration::from_millis((at - now()).max(0.0) as u64);
        tf("later.in", &[("time", &duration(left))])
    });
    rsx! {
        Dialog {
            id: "run-later",
            title: tf("events.run", &[("name", &event.name)]),
            onclose: move |()| onclose.call(()),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button {
                    class: "btn btn-primary",
                    r#type: "submit",
                    form: "run-later-form",
                    disabled: busy(),
                    "aria-busy": if busy() { "true" },
                    Icon { name: if later() { "schedule" } else { "play" } }
                    {if later() { t("later.schedule") } else { t("later.now") }}
                }
            },
            form {
                class: "form",
                id: "run-later-form",
                novalidate: true,
                onsubmit: move |event| {
                    event.prevent_default();
                    run()
                },
                if unsaved {
                    p { class: "hint", {tf("later.saved_only", &[("number", &event.version.number.to_string())])} }
                }
                fieldset { class: "field",
                    legend { class: "label", {t("later.when")} }
                    div { class: "toolbar later-when",
                        label { class: "check",
                            input { r#type: "radio", name: "when", checked: !later(), onchange: move |_| later.set(false) }
                            {t("later.at_once")}
                        }
                        label { class: "check",
                            input { r#type: "radio", name: "when", checked: later(), onchange: move |_| later.set(true) }
                            {t("later.at_a_time")}
                        }
                    }
                }
                if later() {
                    Field { id: "run-at", label: t("later.at"), error: at_error.clone(),
                        input {
                            class: "input",
                            id: "run-at",
                            r#type: "datetime-local",
                            value: "{at}",
                            "aria-invalid": if at_error.is_some() { "true" },
                            "aria-describedby": if at_error.is_some() { "run-at-note run-at-zone" } else { "run-at-zone" },
                            oninput: move |event| {
                                at.set(event.value());
                                errors.write().retain(|(path, _)| path != "runAt");
                            },
                        }
                        p { class: "hint", id: "run-at-zone",
                            "{zone}"
                            if let Some(wait) = wait { " {wait}" }
                        }
                    }
                }
                Choice {
                    id: "run-priority",
                    label: t("later.priority"),
                    value: priority,
                    choices: PRIORITIES.iter().map(|(name, _, words)| ((*name).to_owned(), t(words))).collect::<Vec<_>>(),
                    error: wrong("priority"),
                    hint: t("later.priority_hint"),
                }
                ServerTicks {
                    id: "run-later-servers",
                    servers,
                    left_out,
                    error: servers_error,
                    onchange: move |()| errors.write().retain(|(path, _)| !belongs(path, "servers")),
                }
                InputForm {
                    id: "run-later-input",
                    schema,
                    text: text(),
                    errors: within,
                    onchange: move |next| {
                        text.set(next);
                        errors.write().retain(|(path, _)| !path.starts_with("input"));
                    },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_ahead_is_later() {
        assert_eq!(ahead(None, 0.0), Err(Late::NoMoment));
        assert_eq!(ahead(Some(1_000.0), 1_000.0), Err(Late::Passed));
        let at = ahead(Some(61_000.0), 1_000.0).unwrap();
        assert_eq!(at.timestamp_millis(), 61_000);
    }

    #[test]
    fn the_distance_from_utc_is_said_as_people_write_it() {
        assert_eq!(offset_text(0.0), "UTC+00:00");
        assert_eq!(offset_text(-330.0), "UTC+05:30");
        assert_eq!(offset_text(210.0), "UTC-03:30");
    }

    #[test]
    fn the_first_suggestion_is_a_round_minute_an_hour_ahead() {
        let minute = 60_000.0;
        assert!((suggested(0.0) - 60.0 * minute).abs() < 0.5);
        assert!((suggested(minute) - 65.0 * minute).abs() < 0.5);
    }
}
