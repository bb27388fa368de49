//! The settings of an event: what it is called, where it runs, with what environment.

use dioxus::prelude::*;

use super::draft::{Draft, Variable};
use super::fields::{Area, Line, List, Rows};
use super::form::Form;
use super::labels::Labels;
use super::policies::Policies;
use super::target::{Target, Timeout};
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
