//! What forms share: entries with their errors, and what a refusal says at which of them.

use dioxus::prelude::*;

use super::runs::data::Refusal;
use super::runs::say;
use crate::browser;
use crate::i18n::t;
use crate::ui::{Field, Icon};

/// Words for what is wrong, by the path of the field in the mutation's input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    /// What was refused; what has no field is told in passing, under this title.
    pub fn of(title: &str, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Refused(errors) if errors.iter().all(|error| !error.path().is_empty()) => {
                browser::focus_invalid();
                Self(errors.iter().map(|error| (error.path(), error.words())).collect())
            }
            _ => {
                say(t(title), refusal);
                Self::default()
            }
        }
    }

    /// The same, where the form asks for the person's own present password.
    pub fn of_confirmation(title: &str, refusal: &Refusal) -> Self {
        let mut faults = Self::of(title, refusal);
        if let Refusal::Refused(errors) = refusal {
            for (fault, error) in faults.0.iter_mut().zip(errors) {
                if fault.0 == "password" {
                    fault.1 = error.words_at("currentPassword");
                }
            }
        }
        faults
    }

    /// What is wrong with one field, or with what is in it.
    pub fn at(&self, path: &str) -> Option<String> {
        let within = |at: &str| {
            at.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = self.0.iter().find(|(at, _)| within(at));
        found.map(|(_, words)| words.clone())
    }
}

/// A value that is typed in.
#[component]
pub fn Entry(
    id: String,
    label: String,
    #[props(default = "text".to_owned())] kind: String,
    #[props(default = "off".to_owned())] complete: String,
    #[props(default = "input".to_owned())] class: String,
    value: Signal<String>,
    error: Option<String>,
    #[props(default)] hint: Option<String>,
    #[props(default)] optional: bool,
) -> Element {
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint, optional,
            input {
                class: "{class}",
                id: "{id}",
                name: "{id}",
                r#type: "{kind}",
                autocomplete: "{complete}",
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": note,
                value: "{value}",
                oninput: move |event| value.set(event.value()),
            }
        }
    }
}

/// One of a few values; each with its words.
#[component]
pub fn Choice(
    id: String,
    label: String,
    value: Signal<String>,
    choices: Vec<(String, String)>,
    #[props(default)] error: Option<String>,
    #[props(default)] hint: Option<String>,
) -> Element {
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint,
            select {
                class: "select",
                id: "{id}",
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": note,
                onchange: move |event| value.set(event.value()),
                for (one, words) in choices {
                    option { key: "{one}", value: "{one}", selected: value() == one, "{words}" }
                }
            }
        }
    }
}

/// A box that is ticked or not.
#[component]
pub fn Tick(
    on: bool,
    label: String,
    #[props(default)] disabled: bool,
    onchange: EventHandler<bool>,
) -> Element {
    rsx! {
        label { class: "check",
            input { r#type: "checkbox", checked: on, disabled, onchange: move |event| onchange.call(event.checked()) }
            "{label}"
        }
    }
}

/// A value to take along, with a way to do so.
#[component]
pub fn CopyField(id: String, label: String, value: String, hint: String) -> Element {
    let mut copied = use_signal(|| false);
    let text = value.clone();
    rsx! {
        Field { id: id.clone(), label, hint,
            div { class: "affix",
                input { class: "input mono", id: "{id}", readonly: true, "aria-describedby": "{id}-note", value: "{value}" }
                span { class: "end",
                    button { class: "icon-btn", r#type: "button", "aria-label": t("copy"), title: t("copy"),
                        onclick: move |_| {
                            let text = text.clone();
                            async move { copied.set(browser::copy(&text).await) }
                        },
                        Icon { name: if copied() { "check" } else { "copy" } }
                    }
                }
            }
        }
    }
}
