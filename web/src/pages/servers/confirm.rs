//! Pinning a host's key after the server was made: it has none yet, or the host shows another one.

use dioxus::prelude::*;

use super::changes::{self, ProbeServerInput};
use super::data::Detail;
use super::form::said;
use super::keys::{Keys, use_comparison};
use super::steps::Why;
use super::wizard::Failure;
use crate::browser;
use crate::i18n::{t, tf};
use crate::pages::runs::data::Refusal;
use crate::pages::runs::say;
use crate::ui::{Dialog, Icon, JobStatus, Skeleton, toast};

/// Asks the host for its keys, and a person whether they are the host's. `onclose` hears of the server where one was
/// pinned.
#[component]
pub fn ConfirmKey(server: Detail, onclose: EventHandler<Option<Detail>>) -> Element {
    // What is asked about stays what it was, though the server goes on meanwhile.
    let server = use_hook(|| server);
    let mut comparison = use_comparison();
    let mut busy = use_signal(|| false);
    let asked = ProbeServerInput {
        address: server.address.clone(),
        port: server.port,
        jump_server_id: server.jump_server_id.clone(),
    };
    let mut answer = use_resource(move || {
        let asked = asked.clone();
        async move {
            let answer = changes::probe(asked).await;
            if let Ok(found) = &answer {
                comparison.begin(&found.host_keys);
            }
            answer
        }
    });
    let (id, version) = (server.id.clone(), server.version);
    let submit = move |event: FormEvent| {
        let id = id.clone();
        async move {
            event.prevent_default();
            let keys = match &*answer.peek() {
                Some(Ok(found)) => found.host_keys.clone(),
                _ => Vec::new(),
            };
            if busy() || keys.is_empty() {
                return;
            }
            let Some(fingerprint) = comparison.confirmed(&keys) else {
                return;
            };
            busy.set(true);
            match changes::pin(id, version, fingerprint).await {
                Ok(server) => {
                    toast(JobStatus::Succeeded, t("servers.pinned"), server.name.clone());
                    onclose.call(Some(server));
                }
                Err(Refusal::Refused(errors))
                    if errors.iter().any(|one| one.path() == "hostKeyFingerprint") =>
                {
                    let words = errors.iter().map(said).collect::<Vec<_>>().join(" ");
                    comparison.fault.set(Some(words));
                    browser::focus_invalid();
                }
                Err(refusal) => say(t("servers.not_saved"), &refusal),
            }
            busy.set(false);
        }
    };
    let name = server.name.clone();
    let pinned = server.host_key_fingerprint;
    let held = answer.read();
    let ready = matches!(&*held, Some(Ok(found)) if !found.host_keys.is_empty());
    rsx! {
        Dialog { id: "host-key", title: tf("servers.confirm_title", &[("name", &name)]), onclose: move |()| onclose.call(None),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(None), {t("dialog.cancel")} }
                if ready {
                    button { class: "btn btn-primary", r#type: "submit", form: "host-key-form", "aria-busy": if busy() { "true" }, {t("servers.confirm_pin")} }
                } else {
                    button { class: "btn btn-primary", r#type: "button",
                        onclick: move |_| {
                            answer.clear();
                            answer.restart();
                        },
                        Icon { name: "retry" }
                        {t("servers.ask_again")}
                    }
                }
            },
            match &*held {
                None => rsx! {
                    p { role: "status", {t("servers.asking")} }
                    Skeleton { lines: 3 }
                },
                Some(Ok(found)) if ready => rsx! {
                    form { class: "form", id: "host-key-form", novalidate: true, onsubmit: submit,
                        p { {t(if pinned.is_some() { "servers.key_changed_text" } else { "servers.key_text" })} }
                        Keys { keys: found.host_keys.clone(), pinned, comparison }
                    }
                },
                Some(Ok(found)) => rsx! { Why { failure: Failure::from(found.clone()) } },
                Some(Err(refusal)) => rsx! {
                    p { class: "error", role: "alert", Icon { name: "alert" } {refusal.text()} }
                },
            }
        }
    }
}
