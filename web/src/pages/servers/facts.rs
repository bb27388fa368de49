//! What is known of a server beside its figures: the machine, the keys, the way there, who has it.

use dioxus::prelude::*;

use super::data::{Detail, Hop, ServerSignIn};
use super::fields::interval_words;
use super::used::UsedBy;
use crate::i18n::{Locale, t, tf};
use crate::log::copy;
use crate::pages::runs::moment;
use crate::routes::Route;
use crate::ui::Icon;

/// The panel beside the figures.
#[component]
pub fn Facts(locale: Locale, server: Detail) -> Element {
    rsx! {
        aside { class: "run-side", tabindex: "0", "aria-label": t("servers.facts"),
            Machine { server: server.clone() }
            Keys { server: server.clone() }
            Ways { locale, server: server.clone() }
            section {
                h2 { {t("servers.used_by")} }
                UsedBy { locale, server: server.id.clone() }
            }
            About { server }
        }
    }
}

#[component]
fn Machine(server: Detail) -> Element {
    let check = server.last_check;
    let system = check.as_ref().and_then(|check| check.system.clone());
    let machine = check.as_ref().and_then(|check| check.machine.clone());
    let processors = check.as_ref().and_then(|check| check.processors);
    let runner = check.as_ref().and_then(|check| check.runner_version.clone());
    let facts = [
        ("servers.system", system),
        ("servers.machine", machine),
        ("servers.processors", processors.map(|count| count.to_string())),
        ("servers.runner", runner),
    ];
    rsx! {
        section {
            h2 { {t("servers.part_machine")} }
            dl { class: "kv",
                // A runner is there only once something has run.
                for (key, value) in facts.into_iter().filter(|(key, value)| *key != "servers.runner" || value.is_some()) {
                    Fact { key: "{key}", name: t(key), value }
                }
            }
        }
    }
}

#[component]
fn Fact(name: String, value: Option<String>) -> Element {
    rsx! {
        dt { "{name}" }
        dd { class: "mono",
            if let Some(value) = value {
                "{value}"
            } else {
                span { class: "dim", "–" }
            }
        }
    }
}

/// The host's key, and the half of ours that the host has to know.
#[component]
fn Keys(server: Detail) -> Element {
    let algorithm = server.host_key_algorithm.clone().unwrap_or_default();
    let username = server.username.clone();
    rsx! {
        section {
            h2 { {t("servers.part_keys")} }
            dl { class: "kv",
                dt { {t("servers.host_key")} }
                dd {
                    if let Some(fingerprint) = server.host_key_fingerprint {
                        span { class: "sub mono block", "{algorithm}" }
                        Copied { name: t("servers.host_key"), value: fingerprint }
                    } else {
                        span { class: "dim", {t("servers.no_host_key")} }
                    }
                }
                dt { {t("servers.sign_in")} }
                dd {
                    {t(match server.sign_in {
                        ServerSignIn::Key => "servers.by_key",
                        ServerSignIn::Password => "servers.by_password",
                    })}
                }
                if let Some(line) = server.public_key {
                    dt { {t("servers.public_key")} }
                    dd {
                        Copied { name: t("servers.public_key"), value: line }
                        span { class: "hint", {tf("servers.public_key_hint", &[("user", &username)])} }
                    }
                }
            }
        }
    }
}

/// A long value, and a button that copies it.
#[component]
fn Copied(name: String, value: String) -> Element {
    let text = value.clone();
    rsx! {
        span { class: "copied",
            code { class: "mono srv-long", "{value}" }
            button {
                class: "icon-btn icon-btn-sm",
                r#type: "button",
                "aria-label": "{t(\"run.copy\")}: {name}",
                title: "{t(\"run.copy\")}: {name}",
                onclick: move |_| copy(text.clone()),
                Icon { name: "copy" }
            }
        }
    }
}

/// The server on the way there, and those that are reached through this one.
#[component]
fn Ways(locale: Locale, server: Detail) -> Element {
    if server.jump_server.is_none() && server.jump_for.is_empty() {
        return rsx! {};
    }
    rsx! {
        section {
            h2 { {t("servers.part_ways")} }
            if let Some(hop) = server.jump_server {
                h3 { {t("servers.jump_server")} }
                ul { class: "lineage", Way { locale, hop } }
            }
            if !server.jump_for.is_empty() {
                h3 { {t("servers.jump_for")} }
                ul { class: "lineage",
                    for hop in server.jump_for {
                        Way { key: "{hop.id.inner()}", locale, hop }
                    }
                }
            }
        }
    }
}

#[component]
fn Way(locale: Locale, hop: Hop) -> Element {
    rsx! {
        li {
            Icon { name: "server" }
            Link { to: Route::server(locale, hop.id.inner()), title: hop.place(), "{hop.name}" }
        }
    }
}

#[component]
fn About(server: Detail) -> Element {
    let owner = server.owner.as_ref().map(|owner| owner.name.clone());
    rsx! {
        section {
            h2 { {t("servers.part_about")} }
            dl { class: "kv",
                dt { {t("servers.interval")} }
                dd { {interval_words(server.check_interval_seconds)} }
                if let Some(owner) = owner {
                    dt { {t("vars.owner")} }
                    dd { "{owner}" }
                }
                dt { {t("servers.who")} }
                dd { {t(if server.shared { "servers.shared" } else { "servers.own" })} }
                dt { {t("servers.created")} }
                dd { class: "num", {moment(server.created_at)} }
                dt { {t("events.changed")} }
                dd { class: "num", {moment(server.updated_at)} }
            }
        }
    }
}
