//! The controls for an input: those that the schema gives, or its text as JSON.

use dioxus::prelude::*;

use super::schema::{self, Kind, Property};
use crate::api::Json;
use crate::i18n::t;
use crate::ui::{Field, Icon};

/// What is typed as the input of a run. `errors` are paths within the input and what is wrong there.
#[component]
pub fn InputForm(
    id: String,
    schema: Option<Json>,
    text: String,
    errors: Vec<(String, String)>,
    #[props(default)] read_only: bool,
    onchange: EventHandler<String>,
) -> Element {
    let mut raw = use_signal(|| false);
    let properties = schema.as_ref().and_then(schema::properties);
    let object = schema::object(&text);
    let (Some(properties), Some(object), false) = (properties.clone(), object, raw()) else {
        let form = properties.is_some();
        return rsx! {
            div { class: "ev-test-input",
                Raw { id, text, errors, read_only, onchange,
                    if form {
                        button { class: "btn btn-ghost btn-sm", r#type: "button", onclick: move |_| raw.set(false), {t("input.as_form")} }
                    }
                }
            }
        };
    };
    let mut of: Vec<(String, String)> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    for (path, message) in errors {
        match schema::at(&path, &properties) {
            Some(name) => of.push((name.to_owned(), message)),
            None if path.is_empty() => rest.push(message),
            None => rest.push(format!("{path}: {message}")),
        }
    }
    rsx! {
        fieldset { class: "input-form", disabled: read_only, "aria-label": t("test.input"),
            div { class: "form-2",
                for property in properties {
                    Control {
                        key: "{property.name}",
                        id: "{id}-{property.name}",
                        value: object.get(&property.name).cloned(),
                        error: of.iter().find(|(name, _)| *name == property.name).map(|(_, words)| words.clone()),
                        onchange: {
                            let (text, name) = (text.clone(), property.name.clone());
                            move |value| onchange.call(schema::with(&text, &name, value))
                        },
                        property,
                    }
                }
            }
            div { class: "toolbar",
                for error in rest {
                    p { key: "{error}", class: "error", role: "alert", Icon { name: "alert" } "{error}" }
                }
                span { class: "end",
                    button { class: "btn btn-ghost btn-sm", r#type: "button", onclick: move |_| raw.set(true), {t("input.as_json")} }
                }
            }
        }
    }
}

#[component]
fn Raw(
    id: String,
    text: String,
    errors: Vec<(String, String)>,
    read_only: bool,
    onchange: EventHandler<String>,
    children: Element,
) -> Element {
    let wrong = errors.into_iter().map(|(path, message)| {
        if path.is_empty() {
            message
        } else {
            format!("{path}: {message}")
        }
    });
    let error = Some(wrong.collect::<Vec<_>>().join(" ")).filter(|error| !error.is_empty());
    rsx! {
        div { class: "toolbar between",
            label { class: "label", r#for: "{id}", {t("test.input")} span { class: "opt", "JSON" } }
            {children}
        }
        textarea {
            class: "textarea",
            id: "{id}",
            rows: "3",
            spellcheck: "false",
            disabled: read_only,
            "aria-invalid": if error.is_some() { "true" },
            "aria-describedby": "{id}-note",
            value: "{text}",
            oninput: move |event| onchange.call(event.value()),
        }
        if let Some(error) = &error {
            p { class: "error", id: "{id}-note", role: "alert", Icon { name: "alert" } "{error}" }
        } else {
            p { class: "sr", id: "{id}-note", {t("test.input_hint")} }
        }
    }
}

#[component]
fn Control(
    id: String,
    property: Property,
    value: Option<Json>,
    error: Option<String>,
    onchange: EventHandler<Option<Json>>,
) -> Element {
    let shown = schema::shown(value.as_ref());
    let kind = property.kind.clone();
    let note = (error.is_some() || property.hint.is_some()).then(|| format!("{id}-note"));
    let invalid = error.is_some().then_some("true");
    if kind == Kind::Switch {
        return rsx! {
            label { class: "switch",
                input {
                    r#type: "checkbox",
                    role: "switch",
                    id: "{id}",
                    checked: shown == "true",
                    "aria-invalid": invalid,
                    onchange: move |event| onchange.call(Some(Json::Bool(event.checked()))),
                }
                "{property.title}"
            }
        };
    }
    let choices = if let Kind::Choice(choices) = &kind {
        choices.clone()
    } else {
        Vec::new()
    };
    let multiline = kind == Kind::Json;
    let numeric = kind == Kind::Number;
    rsx! {
        Field { id: id.clone(), label: property.title, error, hint: property.hint, optional: !property.required,
            if !choices.is_empty() {
                select {
                    class: "select",
                    id: "{id}",
                    "aria-invalid": invalid,
                    "aria-describedby": note,
                    onchange: move |event| onchange.call(schema::typed(&kind, &event.value())),
                    option { value: "", selected: shown.is_empty(), "–" }
                    for choice in choices.iter().map(|choice| schema::shown(Some(choice))) {
                        option { key: "{choice}", value: "{choice}", selected: choice == shown, "{choice}" }
                    }
                }
            } else if multiline {
                textarea {
                    class: "textarea mono",
                    id: "{id}",
                    rows: "2",
                    spellcheck: "false",
                    value: "{shown}",
                    "aria-invalid": invalid,
                    "aria-describedby": note,
                    oninput: move |event| onchange.call(schema::typed(&kind, &event.value())),
                }
            } else {
                input {
                    class: "input",
                    id: "{id}",
                    autocomplete: "off",
                    inputmode: if numeric { "decimal" },
                    value: "{shown}",
                    "aria-invalid": invalid,
                    "aria-describedby": note,
                    oninput: move |event| onchange.call(schema::typed(&kind, &event.value())),
                }
            }
        }
    }
}
