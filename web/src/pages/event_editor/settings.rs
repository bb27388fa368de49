//! The settings of an event: what it is called, where it runs, with what environment.

use dioxus::prelude::*;

use super::draft::{Draft, Variable};
use super::fields::{Area, Line, List, Rows};
use super::form::Form;
use super::labels::Labels;
use super::policies::Policies;
use crate::i18n::t;
use crate::ui::Icon;

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
                    if form.event.read().is_none() {
                        label { class: "switch",
                            input { r#type: "checkbox", role: "switch", checked: draft.inactive, onchange: move |event| form.edit("status", |d| d.inactive = event.checked()) }
                            {t("field.as_draft")}
                        }
                    }
                }
                if draft.is_http() {
                    section {
                        h2 { {t("settings.bounds")} }
                        Timeout { form }
                        Labels { form, read_only }
                    }
                } else {
                    Target { form, read_only }
                }
                Policies { form, read_only }
                if !draft.is_http() {
                    Environment { form }
                }
                section {
                    h2 { {t("settings.input")} }
                    Area { form, path: "inputSchema", label: t("field.schema"), hint: t("field.schema_hint"), mono: true, value: draft.input_schema.clone(), onchange: set("inputSchema", |d, v| d.input_schema = v) }
                }
                if !read_only {
                    section {
                        h2 { {t("settings.version")} }
                        Line { form, path: "comment", label: t("field.comment"), hint: t("field.comment_hint"), optional: true, value: draft.comment.clone(), onchange: set("comment", |d, v| d.comment = v) }
                    }
                }
            }
        }
    }
}

/// The container.
#[component]
fn Target(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read().clone();
    let set = move |path: &'static str, change: fn(&mut Draft, String)| {
        move |value: String| form.edit(path, |draft| change(draft, value))
    };
    rsx! {
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
                    Labels { form, read_only }
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
    rsx! {
        section {
            h2 { {t("settings.environment")} }
            p { class: "hint", {if rows.is_empty() { t("env.none") } else { t("env.plain") }} }
            Rows { form, list: List::Environment, rows }
            div {
                button { class: "btn btn-sm", r#type: "button", onclick: move |_| form.edit("environment", |d| d.environment.push(Variable::default())),
                    Icon { name: "plus" }
                    {t("env.add")}
                }
            }
        }
    }
}
