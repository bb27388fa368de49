//! Fields of the event's forms: each knows its path in the API's input, and shows what is wrong there.

use dioxus::prelude::*;

use super::draft::{Draft, Variable};
use super::form::Form;
use crate::i18n::{t, tf};
use crate::ui::{Field, Icon};

/// A field of one line.
#[component]
pub fn Line(
    form: Form,
    path: String,
    label: String,
    #[props(default)] hint: Option<String>,
    #[props(default)] optional: bool,
    #[props(default)] numeric: bool,
    value: String,
    onchange: EventHandler<String>,
) -> Element {
    let error = form.error_within(&path);
    let id = format!("f-{}", path.replace('.', "-"));
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint, optional,
            input {
                class: "input",
                id: "{id}",
                value: "{value}",
                inputmode: if numeric { "decimal" },
                autocomplete: "off",
                "aria-invalid": if error.is_some() { "true" },
                "aria-describedby": note,
                oninput: move |event| onchange.call(event.value()),
            }
        }
    }
}

/// A field of several lines.
#[component]
pub fn Area(
    form: Form,
    path: String,
    label: String,
    #[props(default)] hint: Option<String>,
    #[props(default)] mono: bool,
    value: String,
    onchange: EventHandler<String>,
) -> Element {
    let error = form.error_within(&path);
    let id = format!("f-{path}");
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint, optional: true,
            textarea {
                class: if mono { "textarea mono" } else { "textarea" },
                id: "{id}",
                value: "{value}",
                spellcheck: if mono { "false" },
                "aria-invalid": if error.is_some() { "true" },
                "aria-describedby": note,
                oninput: move |event| onchange.call(event.value()),
            }
        }
    }
}

/// A list of names with values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum List {
    Environment,
    Headers,
}

impl List {
    /// Its path in the API's input.
    pub fn path(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Headers => "http.headers",
        }
    }

    pub fn rows(self, draft: &mut Draft) -> &mut Vec<Variable> {
        match self {
            Self::Environment => &mut draft.environment,
            Self::Headers => &mut draft.http.headers,
        }
    }

    /// What its columns are called.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Environment => ("env.name", "env.value"),
            Self::Headers => ("http.header", "env.value"),
        }
    }

    /// What the controls of a row are called: its name, its value, and what removes it.
    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Environment => ("env.name_of", "env.value_of", "env.remove"),
            Self::Headers => ("http.name_of", "http.value_of", "http.remove"),
        }
    }

    /// The list of names that the browser offers.
    fn suggestions(self) -> Option<&'static str> {
        (self == Self::Headers).then_some("http-common")
    }
}

/// The rows of a list, each with a name and a value.
#[component]
pub fn Rows(form: Form, list: List, rows: Vec<Variable>) -> Element {
    let (name, value) = list.columns();
    let error = form.error(list.path());
    rsx! {
        if !rows.is_empty() {
            div { class: "ev-env",
                span { class: "label", {t(name)} }
                span { class: "label", {t(value)} }
                span {}
                for (at, row) in rows.into_iter().enumerate() {
                    Row { key: "{at}", form, list, at, row }
                }
            }
        }
        if let Some(error) = error {
            p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
        }
    }
}

#[component]
fn Row(form: Form, list: List, at: usize, row: Variable) -> Element {
    let path = list.path();
    let (name_path, value_path) = (format!("{path}.{at}.name"), format!("{path}.{at}.value"));
    let (name_of, value_of, remove) = list.row();
    let note = format!("{}-{at}-note", path.replace('.', "-"));
    let (name_error, value_error) = (form.error(&name_path), form.error(&value_path));
    let error = name_error.clone().or(value_error.clone());
    let described = error.is_some().then(|| note.clone());
    let number = (at + 1).to_string();
    rsx! {
        input {
            class: "input",
            value: "{row.name}",
            list: list.suggestions(),
            autocomplete: "off",
            spellcheck: "false",
            "aria-label": tf(name_of, &[("n", &number)]),
            "aria-invalid": if name_error.is_some() { "true" },
            "aria-describedby": described.clone(),
            oninput: move |event| {
                form.edit(&name_path, |d| {
                    if let Some(row) = list.rows(d).get_mut(at) {
                        row.name = event.value();
                    }
                });
            },
        }
        input {
            class: "input",
            value: "{row.value}",
            autocomplete: "off",
            spellcheck: "false",
            "aria-label": tf(value_of, &[("n", &number)]),
            "aria-invalid": if value_error.is_some() { "true" },
            "aria-describedby": described.clone(),
            oninput: move |event| {
                form.edit(&value_path, |d| {
                    if let Some(row) = list.rows(d).get_mut(at) {
                        row.value = event.value();
                    }
                });
            },
        }
        button {
            class: "icon-btn",
            r#type: "button",
            "aria-label": tf(remove, &[("n", &number)]),
            title: tf(remove, &[("n", &number)]),
            onclick: move |_| {
                form.edit(path, |d| {
                    let rows = list.rows(d);
                    if at < rows.len() {
                        rows.remove(at);
                    }
                });
            },
            Icon { name: "trash" }
        }
        if let Some(error) = error {
            p { class: "error", id: "{note}", role: "alert", Icon { name: "alert" } "{error}" }
        }
    }
}

/// Settings that most people leave as they are: the summary says how they are, and opens them. Opens by itself where
/// something is wrong.
#[component]
pub fn Disclosure(title: String, now: String, changed: bool, wrong: bool, children: Element) -> Element {
    let mut open = use_signal(|| false);
    let shown = open() || wrong;
    rsx! {
        details { class: "ev-more", open: shown,
            summary {
                onclick: move |event| {
                    event.prevent_default();
                    open.set(!shown);
                },
                Icon { name: "right" }
                span { class: "title", "{title}" }
                span { class: if changed { "now changed" } else { "now" }, "{now}" }
            }
            div { class: "ev-more-body", {children} }
        }
    }
}
