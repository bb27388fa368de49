//! What an event of the type HTTP sends, as a form in the place of the script's editor.

use dioxus::prelude::*;

use super::draft::Variable;
use super::draft::http::{BODIES, METHODS, OTHER_BODY, Request};
use super::fields::{Line, List, Rows};
use super::form::Form;
use crate::i18n::t;
use crate::ui::{Field, Icon};

/// Headers that people send, for the list that the browser offers.
const COMMON: [&str; 10] = [
    "Accept",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "If-None-Match",
    "Idempotency-Key",
    "Prefer",
    "User-Agent",
    "X-Api-Key",
];

/// What templates may name, and the key of what it is.
const NAMES: [(&str, &str); 7] = [
    ("{{ input.name }}", "template.input"),
    ("{{ input | tojson }}", "template.tojson"),
    ("{{ input.day | urlencode }}", "template.urlencode"),
    ("{{ variables.KEY }}", "template.variables"),
    ("{{ secrets.KEY }}", "template.secrets"),
    ("{{ event.name }}", "template.event"),
    ("{{ job.number }}", "template.job"),
];

const AUTHORIZATION: &str = "Authorization";

/// The request.
#[component]
pub fn RequestForm(form: Form, read_only: bool) -> Element {
    let request = form.draft.read().http.clone();
    let method = request.method.clone();
    let wrong_url = form.error("http.url");
    rsx! {
        div { class: "ev-scroll", tabindex: "0", role: "group", "aria-label": t("http.request"),
            fieldset { class: "ev-form", disabled: read_only,
                section {
                    div { class: "http-line",
                        Field { id: "f-http-method", label: t("http.method"),
                            select {
                                class: "select",
                                id: "f-http-method",
                                onchange: move |event| form.edit("http.method", |d| d.http.method = event.value()),
                                for one in METHODS {
                                    option { key: "{one}", value: one, selected: one == method, "{one}" }
                                }
                            }
                        }
                        Field { id: "f-http-url", label: t("http.url"), error: wrong_url.clone(),
                            input {
                                class: "input mono",
                                id: "f-http-url",
                                r#type: "text",
                                inputmode: "url",
                                autocomplete: "off",
                                autocapitalize: "off",
                                spellcheck: "false",
                                placeholder: "https://api.example.com/orders/{{{{ input.id }}}}",
                                value: "{request.url}",
                                "aria-invalid": if wrong_url.is_some() { "true" },
                                "aria-describedby": if wrong_url.is_some() { "f-http-url-note" } else { "f-http-templates" },
                                oninput: move |event| form.edit("http.url", |d| d.http.url = event.value()),
                            }
                        }
                    }
                    p { class: "hint", id: "f-http-templates", {t("http.templates")} }
                    details { class: "more",
                        summary { {t("template.title")} }
                        dl { class: "kv http-names",
                            for (name, words) in NAMES {
                                dt { key: "{name}", code { "{name}" } }
                                dd { {t(words)} }
                            }
                        }
                        p { class: "hint", {t("template.missing")} }
                    }
                }
                Headers { form, rows: request.headers.clone() }
                Body { form, request: request.clone() }
                section {
                    h2 { {t("http.answer")} }
                    div { class: "form-2",
                        Line {
                            form,
                            path: "http.expectedStatus",
                            label: t("http.expected"),
                            hint: t("http.expected_hint"),
                            value: request.expected_status.clone(),
                            onchange: move |value| form.edit("http.expectedStatus", |d| d.http.expected_status = value),
                        }
                        Line {
                            form,
                            path: "http.maxRedirects",
                            label: t("http.redirects"),
                            hint: t("http.redirects_hint"),
                            numeric: true,
                            value: request.max_redirects.clone(),
                            onchange: move |value| form.edit("http.maxRedirects", |d| d.http.max_redirects = value),
                        }
                    }
                    label { class: "switch",
                        input { r#type: "checkbox", role: "switch", checked: request.verify_tls, onchange: move |event| form.edit("http.verifyTls", |d| d.http.verify_tls = event.checked()) }
                        {t("http.tls")}
                    }
                    if !request.verify_tls {
                        p { class: "hint http-warn", role: "status", Icon { name: "alert" } {t("http.tls_off")} }
                    }
                    p { class: "hint", {t("http.answer_hint")} }
                }
            }
        }
    }
}

#[component]
fn Headers(form: Form, rows: Vec<Variable>) -> Element {
    let authorised = rows
        .iter()
        .any(|row| row.name.trim().eq_ignore_ascii_case(AUTHORIZATION));
    let none = rows.is_empty();
    rsx! {
        section {
            h2 { {t("http.headers")} }
            if none {
                p { class: "hint", {t("http.no_headers")} }
            }
            datalist { id: "http-common",
                for name in COMMON {
                    option { key: "{name}", value: name }
                }
            }
            Rows { form, list: List::Headers, rows }
            div { class: "toolbar",
                button { class: "btn btn-sm", r#type: "button", onclick: move |_| form.edit("http.headers", |d| d.http.headers.push(Variable::default())),
                    Icon { name: "plus" }
                    {t("http.add")}
                }
                if !authorised {
                    button {
                        class: "btn btn-sm btn-ghost",
                        r#type: "button",
                        title: t("http.authorize_hint"),
                        onclick: move |_| {
                            form.edit("http.headers", |d| {
                                d.http.headers.push(Variable {
                                    name: AUTHORIZATION.to_owned(),
                                    value: "Bearer {{ secrets.TOKEN }}".to_owned(),
                                });
                            });
                        },
                        Icon { name: "key" }
                        {t("http.authorize")}
                    }
                }
            }
        }
    }
}

#[component]
fn Body(form: Form, request: Request) -> Element {
    let error = form.error("http.body");
    let kind = request.body_kind();
    let note = error.is_some().then_some("f-http-body-note");
    if !request.has_body() {
        return rsx! {
            section {
                h2 { {t("http.body")} }
                p { class: "hint",
                    {if request.body.is_empty() { t("http.no_body") } else { t("http.body_kept") }}
                }
                if let Some(error) = &error {
                    p { class: "error", role: "alert", Icon { name: "alert" } "{error}" }
                }
            }
        };
    }
    rsx! {
        section {
            div { class: "toolbar between",
                h2 { id: "http-body", {t("http.body")} }
                span { class: "toolbar",
                    label { class: "sub", r#for: "f-http-kind", {t("http.sent_as")} }
                    select {
                        class: "select input-sm fit",
                        id: "f-http-kind",
                        onchange: move |event| form.edit("http.headers", |d| d.http.set_body_kind(&event.value())),
                        option { value: "", selected: kind.is_empty(), {t("http.kind.none")} }
                        option { value: "json", selected: kind == BODIES[0].0, "JSON" }
                        option { value: "form", selected: kind == BODIES[1].0, {t("http.kind.form")} }
                        option { value: "text", selected: kind == BODIES[2].0, {t("http.kind.text")} }
                        if kind == OTHER_BODY {
                            option { value: OTHER_BODY, selected: true, {t("http.kind.other")} }
                        }
                    }
                }
            }
            textarea {
                class: "textarea mono http-body",
                id: "f-http-body",
                rows: "8",
                spellcheck: "false",
                "aria-labelledby": "http-body",
                "aria-invalid": if error.is_some() { "true" },
                "aria-describedby": note.unwrap_or("f-http-body-hint"),
                value: "{request.body}",
                oninput: move |event| form.edit("http.body", |d| d.http.body = event.value()),
            }
            if let Some(error) = &error {
                p { class: "error", id: "f-http-body-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
            p { class: "hint", id: "f-http-body-hint", {t("http.body_hint")} }
        }
    }
}
