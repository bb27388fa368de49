//! Where a script runs: in a container, with its limits, or on servers.

use dioxus::prelude::*;

use super::draft::Draft;
use super::fields::Line;
use super::form::Form;
use super::labels::Labels;
use super::pick::Servers;
use crate::i18n::t;
use crate::ui::Icon;

/// Whether it runs on servers, with the keys of the words for it and of what it means.
const PLACES: [(bool, &str, &str); 2] = [
    (false, "place.container", "place.container_text"),
    (true, "place.servers", "place.servers_text"),
];

/// The section of the settings.
#[component]
pub fn Target(form: Form, read_only: bool) -> Element {
    let on_servers = form.draft.read().servers.on;
    let error = form.error("target").or_else(|| {
        form.error(if on_servers {
            "target.servers"
        } else {
            "target.container"
        })
    });
    rsx! {
        section {
            h2 { {t("settings.target")} }
            fieldset { class: "field",
                legend { class: "label", {t("place.kind")} }
                div { class: "ev-choices",
                    for (on, words, hint) in PLACES {
                        div { key: "{words}", class: "ev-choice",
                            label { class: "check",
                                input {
                                    r#type: "radio",
                                    name: "place",
                                    checked: on_servers == on,
                                    "aria-describedby": "f-{words}",
                                    onchange: move |_| form.edit("target", |d| d.servers.on = on),
                                }
                                {t(words)}
                            }
                            p { class: "hint", id: "f-{words}", {t(hint)} }
                        }
                    }
                }
            }
            if on_servers {
                Servers { form, read_only }
            } else {
                Container { form }
            }
            if let Some(error) = error {
                p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
            }
            Labels { form, read_only }
        }
    }
}

/// The container.
#[component]
fn Container(form: Form) -> Element {
    let draft = form.draft.read().clone();
    let set = move |path: &'static str, change: fn(&mut Draft, String)| {
        move |value: String| form.edit(path, |draft| change(draft, value))
    };
    rsx! {
        Line { form, path: "target.container.image", label: t("field.image"), hint: t("field.image_hint"), optional: true, value: draft.image.clone(), onchange: set("target.container.image", |d, v| d.image = v) }
        div { class: "form-2",
            Line { form, path: "target.container.memoryBytes", label: t("field.memory"), numeric: true, value: draft.memory_mib.clone(), onchange: set("target.container.memoryBytes", |d, v| d.memory_mib = v) }
            Line { form, path: "target.container.cpus", label: t("field.cpus"), numeric: true, value: draft.cpus.clone(), onchange: set("target.container.cpus", |d, v| d.cpus = v) }
            Line { form, path: "target.container.pids", label: t("field.pids"), numeric: true, value: draft.pids.clone(), onchange: set("target.container.pids", |d, v| d.pids = v) }
            Timeout { form }
        }
        label { class: "switch",
            input { r#type: "checkbox", role: "switch", checked: draft.network, onchange: move |event| form.edit("target.container.network", |d| d.network = event.checked()) }
            {t("field.network")}
        }
        if let Some(error) = form.error("target.container.network") {
            p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
        }
    }
}

/// The time limit.
#[component]
pub fn Timeout(form: Form) -> Element {
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
