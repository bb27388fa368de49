//! The fields of a server: where it is, who signs in, what it is called and how often it is looked at.

use dioxus::prelude::*;

use super::data::{Detail, ServerSignIn};
use super::draft::{Draft, INTERVALS};
use super::form::Form;
use super::hop::HopField;
use crate::browser;
use crate::i18n::{t, tn};
use crate::ui::{Field, Icon, JobStatus, toast};

/// How often a server is looked at, in words.
pub fn interval_words(seconds: i32) -> String {
    let count = u64::try_from(seconds).unwrap_or(0);
    match count {
        0 => t("servers.every_never"),
        n if n.is_multiple_of(86_400) => tn("servers.every_days", n / 86_400),
        n if n.is_multiple_of(3_600) => tn("servers.every_hours", n / 3_600),
        n if n.is_multiple_of(60) => tn("servers.every_minutes", n / 60),
        n => tn("servers.every_seconds", n),
    }
}

/// A field of one line.
#[component]
fn Line(
    form: Form,
    path: String,
    label: String,
    #[props(default)] hint: Option<String>,
    #[props(default)] optional: bool,
    #[props(default = "text".to_owned())] kind: String,
    #[props(default = "input".to_owned())] class: String,
    value: String,
    onchange: EventHandler<String>,
) -> Element {
    let error = form.error(&path);
    let id = format!("server-{path}");
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    // The browser is to keep no password of a server as one of this site.
    let complete = if kind == "password" { "new-password" } else { "off" };
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint, optional,
            input {
                class: "{class}",
                id: "{id}",
                r#type: "{kind}",
                value: "{value}",
                autocomplete: complete,
                spellcheck: "false",
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": note,
                oninput: move |event| onchange.call(event.value()),
            }
        }
    }
}

/// All fields. `server` is the one that is changed: what it keeps need not be given again.
#[component]
pub fn Details(form: Form, server: Option<Detail>) -> Element {
    let draft = form.draft.read().clone();
    let set = move |path: &'static str, change: fn(&mut Draft, String)| {
        move |value: String| form.edit(path, |draft| change(draft, value))
    };
    let address_error = form.error("address");
    rsx! {
        section {
            h2 { {t("servers.part_host")} }
            Field { id: "server-address", label: t("servers.address"), error: address_error.clone(), hint: t("servers.address_hint"),
                input {
                    class: "input mono",
                    id: "server-address",
                    value: "{draft.address}",
                    autocomplete: "off",
                    autocapitalize: "off",
                    spellcheck: "false",
                    "aria-invalid": address_error.is_some().then_some("true"),
                    "aria-describedby": "server-address-note",
                    oninput: move |event| {
                        form.edit("address", |draft| {
                            draft.address = event.value();
                            draft.suggest();
                        });
                    },
                    onblur: move |_| form.tidy(),
                }
            }
            div { class: "form-2",
                Line { form, path: "port", label: t("servers.port"), class: "input num", value: draft.port.clone(), onchange: set("port", |d, v| d.port = v) }
                Line { form, path: "username", label: t("servers.username"), class: "input mono", value: draft.username.clone(), onchange: set("username", |d, v| d.username = v) }
            }
            HopField { form, except: server.as_ref().map(|server| server.id.clone()) }
        }
        SignIn { form, kept: server.as_ref().map(|server| server.sign_in) }
        section {
            h2 { {t("servers.part_about")} }
            Line { form, path: "name", label: t("field.name"), value: draft.name.clone(),
                onchange: move |value: String| {
                    form.edit("name", |draft| {
                        // One that is wiped follows the address again.
                        draft.named = !value.trim().is_empty();
                        draft.name = value;
                    });
                },
            }
            Line { form, path: "tags", label: t("field.tags"), hint: t("field.tags_hint"), optional: true, value: draft.tags.clone(), onchange: set("tags", |d, v| d.tags = v) }
            Interval { form, now: draft.interval }
            label { class: "switch",
                input { r#type: "checkbox", role: "switch", checked: draft.shared, onchange: move |event| form.edit("shared", |draft| draft.shared = event.checked()) }
                {t("servers.share")}
            }
        }
    }
}

/// How often the server is looked at.
#[component]
fn Interval(form: Form, now: i32) -> Element {
    let error = form.error("checkIntervalSeconds");
    let mut choices = INTERVALS.to_vec();
    // Another client may have set what is not offered here.
    if !choices.contains(&now) {
        choices.insert(0, now);
    }
    rsx! {
        Field { id: "server-interval", label: t("servers.interval"), error: error.clone(),
            select {
                class: "select",
                id: "server-interval",
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": error.is_some().then_some("server-interval-note"),
                onchange: move |event| {
                    if let Ok(seconds) = event.value().parse() {
                        form.edit("checkIntervalSeconds", |draft| draft.interval = seconds);
                    }
                },
                for seconds in choices {
                    option { key: "{seconds}", value: "{seconds}", selected: seconds == now, {interval_words(seconds)} }
                }
            }
        }
    }
}

/// A key with its passphrase, or a password. `kept` is the way that the server has one for already.
#[component]
fn SignIn(form: Form, kept: Option<ServerSignIn>) -> Element {
    let draft = form.draft.read().clone();
    let ways = [
        (false, "servers.by_key", "servers.by_key_hint"),
        (true, "servers.by_password", "servers.by_password_hint"),
    ];
    let password_hint = (kept == Some(ServerSignIn::Password)).then(|| t("servers.password_kept"));
    rsx! {
        section {
            h2 { {t("servers.part_sign_in")} }
            fieldset { class: "field",
                legend { class: "label", {t("servers.sign_in")} }
                div { class: "ev-choices",
                    for (by_password, words, hint) in ways {
                        div { key: "{words}", class: "ev-choice",
                            label { class: "check",
                                input {
                                    r#type: "radio",
                                    name: "server-way",
                                    checked: draft.by_password == by_password,
                                    "aria-describedby": "{words}",
                                    onchange: move |_| form.edit("signIn", |draft| draft.by_password = by_password),
                                }
                                {t(words)}
                            }
                            p { class: "hint", id: "{words}", {t(hint)} }
                        }
                    }
                }
            }
            if draft.by_password {
                Line {
                    form,
                    path: "password",
                    label: t("servers.password"),
                    kind: "password",
                    hint: password_hint,
                    value: draft.password.clone(),
                    onchange: move |value| form.edit("password", |draft| draft.password = value),
                }
            } else {
                PrivateKey { form, kept: kept == Some(ServerSignIn::Key) }
                Line {
                    form,
                    path: "passphrase",
                    label: t("servers.passphrase"),
                    kind: "password",
                    hint: t("servers.passphrase_hint"),
                    optional: true,
                    value: draft.passphrase.clone(),
                    onchange: move |value| form.edit("passphrase", |draft| draft.passphrase = value),
                }
            }
        }
    }
}

/// The private key: pasted, or read from a file.
#[component]
fn PrivateKey(form: Form, kept: bool) -> Element {
    let draft = form.draft.read();
    let error = form.error("privateKey");
    let hint = if kept {
        t("servers.key_kept")
    } else {
        t("servers.key_hint")
    };
    rsx! {
        Field { id: "server-privateKey", label: t("servers.private_key"), error: error.clone(), hint,
            textarea {
                class: "textarea mono",
                id: "server-privateKey",
                rows: "5",
                spellcheck: "false",
                autocomplete: "off",
                placeholder: if kept { "••••••••" } else { "-----BEGIN OPENSSH PRIVATE KEY-----" },
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": "server-privateKey-note",
                value: "{draft.private_key}",
                oninput: move |event| form.edit("privateKey", |draft| draft.private_key = event.value()),
            }
        }
        button { class: "btn btn-sm fit vars-up", r#type: "button", onclick: move |_| browser::press("server-key-file"), Icon { name: "download" } {t("vars.file")} }
        input { id: "server-key-file", r#type: "file", hidden: true,
            onchange: move |_| async move {
                match browser::chosen_text("server-key-file").await {
                    Some(text) => form.edit("privateKey", |draft| draft.private_key = text),
                    None => toast(JobStatus::Failed, t("servers.key_unread"), t("vars.file_unread")),
                }
            },
        }
    }
}
