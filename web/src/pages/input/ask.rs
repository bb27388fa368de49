//! Running an event from anywhere: at once, or after asking for the input that its schema wants and for servers.

use std::collections::BTreeSet;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

use super::form::InputForm;
use super::schema;
use super::servers::{ServerTicks, chosen};
use crate::api::Json;
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::{JobRow, Refusal, UserError};
use crate::pages::runs::{actions, say};
use crate::pages::targets::ServerName;
use crate::routes::Route;
use crate::ui::{Dialog, Icon, toast};

/// An event that somebody wants to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub id: String,
    pub name: String,
    pub schema: Option<Json>,
    /// Where it runs, when that is on servers.
    pub servers: Vec<ServerName>,
}

impl Wish {
    /// Whether it wants an input.
    fn wants_input(&self) -> bool {
        self.schema.as_ref().is_some_and(|schema| !schema.is_null())
    }
}

static WISH: GlobalSignal<Option<Wish>> = Signal::global(|| None);

/// Runs an event and leads to its run, unless `stay`; asks first where the event wants an input, or runs on several
/// servers.
pub fn run(wish: Wish, locale: Locale, stay: bool) {
    if wish.wants_input() || wish.servers.len() > 1 {
        *WISH.write() = Some(wish);
        return;
    }
    let navigator = navigator();
    // Whoever asked, such as a menu, may be gone before the answer comes.
    spawn_forever(async move {
        match actions::run_event(&wish.id, None, None).await {
            Ok(job) => {
                started(&job);
                if !stay {
                    navigator.push(Route::run(locale, job.id.inner()));
                }
            }
            Err(refusal) => say(t("events.run_failed"), &refusal),
        }
    });
}

fn started(job: &JobRow) {
    toast(
        job.status,
        tf("events.run_started", &[("number", &job.number.to_string())]),
        job.title.clone(),
    );
}

/// Where the dialog has controls, by the paths of the API's input.
const INPUT: &str = "input";
const SERVERS: &str = "servers";

/// What is wrong with a part, by the path within it.
fn within(errors: &[(String, String)], part: &str) -> impl Iterator<Item = (String, String)> {
    errors.iter().filter_map(move |(path, words)| {
        let rest = path.strip_prefix(part)?;
        let inner = rest.strip_prefix('.').unwrap_or(rest);
        (rest.is_empty() || rest != inner).then(|| (inner.to_owned(), words.clone()))
    })
}

fn has_control(error: &UserError) -> bool {
    let path = error.path();
    matches!(path.split('.').next(), Some(INPUT | SERVERS))
}

/// The place of the dialog; once in the frame of the pages.
#[component]
pub fn RunAsked(locale: Locale) -> Element {
    let Some(wish) = WISH.read().clone() else {
        return rsx! {};
    };
    rsx! { RunDialog { key: "{wish.id}", locale, wish } }
}

#[component]
fn RunDialog(locale: Locale, wish: Wish) -> Element {
    let mut text = use_signal(|| schema::beginning(wish.schema.as_ref()));
    let mut errors = use_signal(Vec::<(String, String)>::new);
    let left_out = use_signal(BTreeSet::<String>::new);
    let mut busy = use_signal(|| false);
    let navigator = use_navigator();
    let close = move || *WISH.write() = None;
    let asked = wish.clone();
    let start = move || {
        let Wish {
            id,
            schema: of,
            servers,
            ..
        } = asked.clone();
        let wants_input = asked.wants_input();
        async move {
            if busy() {
                return;
            }
            let Ok(servers) = chosen(&servers, &left_out.peek()) else {
                errors.set(vec![(SERVERS.to_owned(), t("targets.required"))]);
                browser::focus_invalid();
                return;
            };
            let typed = text.peek().clone();
            let input = match typed.trim() {
                _ if !wants_input => None,
                "" => None,
                typed => match serde_json::from_str(typed) {
                    Ok(value) => Some(schema::read(of.as_ref(), value)),
                    Err(_) => {
                        errors.set(vec![(INPUT.to_owned(), t("fault.json"))]);
                        browser::focus_invalid();
                        return;
                    }
                },
            };
            busy.set(true);
            match actions::run_event(&id, input, servers).await {
                Ok(job) => {
                    started(&job);
                    close();
                    navigator.push(Route::run(locale, job.id.inner()));
                }
                Err(Refusal::Refused(wrong)) if wrong.iter().all(has_control) => {
                    errors.set(wrong.iter().map(|error| (error.path(), error.words())).collect());
                    browser::focus_invalid();
                }
                Err(refusal) => say(t("events.run_failed"), &refusal),
            }
            busy.set(false);
        }
    };
    let by_key = start.clone();
    let servers_error = within(&errors.read(), SERVERS).map(|(_, words)| words).next();
    let input_errors: Vec<(String, String)> = within(&errors.read(), INPUT).collect();
    rsx! {
        Dialog {
            id: "run-event",
            title: tf("events.run", &[("name", &wish.name)]),
            onclose: move |()| close(),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| close(), {t("dialog.cancel")} }
                button {
                    class: "btn btn-primary",
                    r#type: "submit",
                    form: "run-event-form",
                    disabled: busy(),
                    "aria-busy": if busy() { "true" },
                    Icon { name: "play" }
                    {t("test.run")}
                }
            },
            form {
                class: "form",
                id: "run-event-form",
                novalidate: true,
                onsubmit: move |event| {
                    event.prevent_default();
                    by_key()
                },
                ServerTicks {
                    id: "run-servers",
                    servers: wish.servers.clone(),
                    left_out,
                    error: servers_error,
                    onchange: move |()| errors.write().clear(),
                }
                if wish.wants_input() {
                    InputForm {
                        id: "run-input",
                        schema: wish.schema.clone(),
                        text: text(),
                        errors: input_errors,
                        onchange: move |next| {
                            text.set(next);
                            errors.write().clear();
                        },
                    }
                }
            }
        }
    }
}
