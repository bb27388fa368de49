//! The settings of an event: what it is called, where it runs, with what environment.

use dioxus::prelude::*;

use super::draft::{Draft, Variable};
use super::form::Form;
use crate::i18n::{t, tf};
use crate::ui::{Field, Icon};

/// A field of one line.
#[component]
fn Line(
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
fn Area(
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

/// The settings as a form.
#[component]
pub fn Settings(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read().clone();
    let set = move |path: &'static str, change: fn(&mut Draft, String)| {
        move |value: String| form.edit(path, |draft| change(draft, value))
    };
    rsx! {
        div { class: "ev-scroll", tabindex: "0", role: "region", "aria-label": t("event.tab.settings"),
            fieldset { class: "ev-form", disabled: read_only,
                section {
                    h2 { {t("settings.general")} }
                    Line { form, path: "name", label: t("field.name"), value: draft.name.clone(), onchange: set("name", |d, v| d.name = v) }
                    Area { form, path: "description", label: t("field.description"), value: draft.description.clone(), onchange: set("description", |d, v| d.description = v) }
                    Line { form, path: "tags", label: t("field.tags"), hint: t("field.tags_hint"), optional: true, value: draft.tags.clone(), onchange: set("tags", |d, v| d.tags = v) }
                    label { class: "switch",
                        input { r#type: "checkbox", role: "switch", checked: draft.shared, onchange: move |event| form.edit("shared", |d| d.shared = event.checked()) }
                        {t("field.shared")}
                    }
                }
                section {
                    h2 { {t("settings.target")} }
                    Line { form, path: "target.image", label: t("field.image"), hint: t("field.image_hint"), optional: true, value: draft.image.clone(), onchange: set("target.image", |d, v| d.image = v) }
                    div { class: "form-2",
                        Line { form, path: "target.memoryBytes", label: t("field.memory"), numeric: true, value: draft.memory_mib.clone(), onchange: set("target.memoryBytes", |d, v| d.memory_mib = v) }
                        Line { form, path: "target.cpus", label: t("field.cpus"), numeric: true, value: draft.cpus.clone(), onchange: set("target.cpus", |d, v| d.cpus = v) }
                        Line { form, path: "target.pids", label: t("field.pids"), numeric: true, value: draft.pids.clone(), onchange: set("target.pids", |d, v| d.pids = v) }
                        Timeout { form }
                    }
                    label { class: "switch",
                        input { r#type: "checkbox", role: "switch", checked: draft.network, onchange: move |event| form.edit("target.network", |d| d.network = event.checked()) }
                        {t("field.network")}
                    }
                    if let Some(error) = form.error("target.network").or_else(|| form.error("target")) {
                        p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
                    }
                }
                Environment { form }
                section {
                    h2 { {t("settings.input")} }
                    Area { form, path: "inputSchema", label: t("field.schema"), hint: t("field.schema_hint"), mono: true, value: draft.input_schema.clone(), onchange: set("inputSchema", |d, v| d.input_schema = v) }
                }
            }
        }
    }
}

#[component]
fn Timeout(form: Form) -> Element {
    let error = form.error("timeout");
    let invalid = error.is_some().then_some("true");
    let draft = form.draft.read();
    rsx! {
        fieldset { class: "field",
            legend { class: "label", {t("field.timeout")} }
            div { class: "toolbar",
                span { class: "affix timeout",
                    input {
                        class: "input",
                        inputmode: "numeric",
                        autocomplete: "off",
                        "aria-label": t("field.minutes"),
                        "aria-invalid": invalid,
                        "aria-describedby": invalid.map(|_| "f-timeout-note"),
                        value: "{draft.timeout_minutes}",
                        oninput: move |event| form.edit("timeout", |d| d.timeout_minutes = event.value()),
                    }
                    span { class: "end", "min" }
                }
                span { class: "affix timeout",
                    input {
                        class: "input",
                        inputmode: "numeric",
                        autocomplete: "off",
                        "aria-label": t("field.seconds"),
                        "aria-invalid": invalid,
                        "aria-describedby": invalid.map(|_| "f-timeout-note"),
                        value: "{draft.timeout_seconds}",
                        oninput: move |event| form.edit("timeout", |d| d.timeout_seconds = event.value()),
                    }
                    span { class: "end", "s" }
                }
            }
            if let Some(error) = error {
                p { class: "error", id: "f-timeout-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
        }
    }
}

#[component]
fn Environment(form: Form) -> Element {
    let rows = form.draft.read().environment.clone();
    let error = form.error("environment");
    rsx! {
        section {
            h2 { {t("settings.environment")} }
            p { class: "hint", {if rows.is_empty() { t("env.none") } else { t("env.plain") }} }
            if !rows.is_empty() {
                div { class: "ev-env",
                    span { class: "label", {t("env.name")} }
                    span { class: "label", {t("env.value")} }
                    span {}
                    for (at, row) in rows.into_iter().enumerate() {
                        Row { key: "{at}", form, at, row }
                    }
                }
            }
            if let Some(error) = error {
                p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
            }
            div {
                button { class: "btn btn-sm", r#type: "button", onclick: move |_| form.edit("environment", |d| d.environment.push(Variable::default())),
                    Icon { name: "plus" }
                    {t("env.add")}
                }
            }
        }
    }
}

#[component]
fn Row(form: Form, at: usize, row: Variable) -> Element {
    let (name_path, value_path) = (
        format!("environment.{at}.name"),
        format!("environment.{at}.value"),
    );
    let (name_error, value_error) = (form.error(&name_path), form.error(&value_path));
    let error = name_error.clone().or(value_error.clone());
    let number = (at + 1).to_string();
    rsx! {
        input {
            class: "input",
            value: "{row.name}",
            autocomplete: "off",
            spellcheck: "false",
            "aria-label": tf("env.name_of", &[("n", &number)]),
            "aria-invalid": if name_error.is_some() { "true" },
            "aria-describedby": if error.is_some() { "env-{at}-note" },
            oninput: move |event| {
                form.edit(&name_path, |d| {
                    if let Some(row) = d.environment.get_mut(at) {
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
            "aria-label": tf("env.value_of", &[("n", &number)]),
            "aria-invalid": if value_error.is_some() { "true" },
            "aria-describedby": if error.is_some() { "env-{at}-note" },
            oninput: move |event| {
                form.edit(&value_path, |d| {
                    if let Some(row) = d.environment.get_mut(at) {
                        row.value = event.value();
                    }
                });
            },
        }
        button {
            class: "icon-btn",
            r#type: "button",
            "aria-label": tf("env.remove", &[("n", &number)]),
            title: tf("env.remove", &[("n", &number)]),
            onclick: move |_| {
                form.edit("environment", |d| {
                    if at < d.environment.len() {
                        d.environment.remove(at);
                    }
                });
            },
            Icon { name: "trash" }
        }
        if let Some(error) = error.clone() {
            p { class: "error", id: "env-{at}-note", role: "alert", Icon { name: "alert" } "{error}" }
        }
    }
}
