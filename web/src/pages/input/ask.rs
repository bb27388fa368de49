//! Running an event from anywhere: at once, or after asking for the input that its schema wants.

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

use super::form::InputForm;
use super::schema;
use crate::api::Json;
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::{JobRow, Refusal};
use crate::pages::runs::{actions, say};
use crate::routes::Route;
use crate::ui::{Dialog, Icon, toast};

/// An event that somebody wants to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub id: String,
    pub name: String,
    pub schema: Option<Json>,
}

static WISH: GlobalSignal<Option<Wish>> = Signal::global(|| None);

/// Runs an event and leads to its run, unless `stay`; asks first where the event wants an input.
pub fn run(wish: Wish, locale: Locale, stay: bool) {
    if wish.schema.as_ref().is_some_and(|schema| !schema.is_null()) {
        *WISH.write() = Some(wish);
        return;
    }
    let navigator = navigator();
    // Whoever asked, such as a menu, may be gone before the answer comes.
    spawn_forever(async move {
        match actions::run_event(&wish.id, None).await {
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
    let mut busy = use_signal(|| false);
    let navigator = use_navigator();
    let close = move || *WISH.write() = None;
    let (id, of) = (wish.id.clone(), wish.schema.clone());
    let start = move || {
        let (id, of) = (id.clone(), of.clone());
        async move {
            if busy() {
                return;
            }
            let typed = text.peek().clone();
            let input = match typed.trim() {
                "" => None,
                typed => match serde_json::from_str(typed) {
                    Ok(value) => Some(schema::read(of.as_ref(), value)),
                    Err(_) => {
                        errors.set(vec![(String::new(), t("fault.json"))]);
                        browser::focus_invalid();
                        return;
                    }
                },
            };
            busy.set(true);
            match actions::run_event(&id, input).await {
                Ok(job) => {
                    started(&job);
                    close();
                    navigator.push(Route::run(locale, job.id.inner()));
                }
                Err(Refusal::Refused(wrong))
                    if wrong.iter().any(|error| error.path().starts_with("input")) =>
                {
                    let inner = |path: String| {
                        path.trim_start_matches("input")
                            .trim_start_matches('.')
                            .to_owned()
                    };
                    errors.set(
                        wrong
                            .iter()
                            .map(|error| (inner(error.path()), error.words()))
                            .collect(),
                    );
                    browser::focus_invalid();
                }
                Err(refusal) => say(t("events.run_failed"), &refusal),
            }
            busy.set(false);
        }
    };
    let by_key = start.clone();
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
                id: "run-event-form",
                novalidate: true,
                onsubmit: move |event| {
                    event.prevent_default();
                    by_key()
                },
                InputForm {
                    id: "run-input",
                    schema: wish.schema.clone(),
                    text: text(),
                    errors: errors(),
                    onchange: move |next| {
                        text.set(next);
                        errors.write().clear();
                    },
                }
            }
        }
    }
}
