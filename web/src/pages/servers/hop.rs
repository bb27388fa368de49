//! The server on the way to another: what is typed finds those that there are, and one of them is chosen.

use std::time::Duration;

use dioxus::prelude::*;

use super::data::{self, Hop};
use super::form::Form;
use crate::browser;
use crate::i18n::t;
use crate::ui::{Field, Icon};

const ID: &str = "server-jumpServerId";
const LIST: &str = "server-hops";

/// The field. `except` is the server itself: it can't be its own way.
#[component]
pub fn HopField(form: Form, except: Option<cynic::Id>) -> Element {
    let mut open = use_signal(|| false);
    let mut at = use_signal(|| 0_usize);
    let mut hits = use_signal(Vec::<Hop>::new);
    let typed = use_memo(move || form.draft.read().hop_text.clone());
    use_resource(move || {
        let (on, text, except) = (open(), typed(), except.clone());
        async move {
            if !on {
                return;
            }
            browser::sleep(Duration::from_millis(120)).await;
            // Without an answer nothing is offered; what is typed is judged when it is sent.
            if let Ok(found) = data::hops(&text).await {
                let others = found.into_iter().filter(|hop| Some(&hop.id) != except.as_ref());
                hits.set(others.collect());
                at.set(0);
            }
        }
    });
    let choose = move |hop: Hop| {
        let mut open = open;
        form.edit("jumpServerId", |draft| {
            hop.name.clone_into(&mut draft.hop_text);
            draft.hop = Some(hop);
        });
        open.set(false);
    };
    let onkeydown = move |event: KeyboardEvent| {
        let count = hits.peek().len();
        match event.key() {
            Key::ArrowDown | Key::ArrowUp if !open() => {
                event.prevent_default();
                open.set(true);
            }
            Key::ArrowDown if count > 0 => {
                event.prevent_default();
                at.set((at() + 1) % count);
            }
            Key::ArrowUp if count > 0 => {
                event.prevent_default();
                at.set((at() + count - 1) % count);
            }
            Key::Enter if open() => {
                let hop = hits.peek().get(at()).cloned();
                if let Some(hop) = hop {
                    event.prevent_default();
                    choose(hop);
                }
            }
            Key::Escape if open() => {
                event.prevent_default();
                event.stop_propagation();
                open.set(false);
            }
            _ => {}
        }
    };
    // Whoever wrote a name out and went on has chosen it.
    let onblur = move |_| {
        let (text, chosen) = {
            let draft = form.draft.peek();
            (draft.hop_text.trim().to_owned(), draft.hop.is_some())
        };
        let hop = hits.peek().iter().find(|hop| hop.name == text).cloned();
        match hop {
            Some(hop) if !chosen => choose(hop),
            _ => open.set(false),
        }
    };
    let draft = form.draft.read();
    let error = form.error("jumpServerId");
    let (now, shown) = (at(), open() && !hits.read().is_empty());
    rsx! {
        Field { id: ID, label: t("servers.hop"), error: error.clone(), hint: t("servers.hop_hint"), optional: true,
            div { class: "affix",
                input {
                    class: "input",
                    id: ID,
                    role: "combobox",
                    autocomplete: "off",
                    spellcheck: "false",
                    "aria-expanded": if shown { "true" } else { "false" },
                    "aria-controls": shown.then_some(LIST),
                    "aria-autocomplete": "list",
                    "aria-activedescendant": if shown { "server-hop-{now}" },
                    "aria-invalid": error.is_some().then_some("true"),
                    "aria-describedby": "{ID}-note",
                    value: "{draft.hop_text}",
                    oninput: move |event| {
                        form.edit("jumpServerId", |draft| {
                            draft.hop_text = event.value();
                            draft.hop = None;
                        });
                        open.set(true);
                    },
                    onclick: move |_| open.set(true),
                    onkeydown,
                    onblur,
                }
                if !draft.hop_text.is_empty() {
                    span { class: "end",
                        button {
                            class: "icon-btn icon-btn-sm",
                            r#type: "button",
                            "aria-label": t("servers.hop_none"),
                            title: t("servers.hop_none"),
                            onclick: move |_| {
                                form.edit("jumpServerId", |draft| {
                                    draft.hop_text.clear();
                                    draft.hop = None;
                                });
                                browser::focus(ID);
                            },
                            Icon { name: "x" }
                        }
                    }
                }
                if shown {
                    ul { class: "menu srv-hops", id: LIST, role: "listbox", "aria-label": t("servers.hop"),
                        for (n, hop) in hits.read().iter().cloned().enumerate() {
                            li {
                                key: "{hop.id.inner()}",
                                class: "menu-item",
                                id: "server-hop-{n}",
                                role: "option",
                                "aria-selected": if n == now { "true" } else { "false" },
                                "data-active": if n == now { "true" },
                                // The focus stays in the field.
                                onmousedown: move |event| event.prevent_default(),
                                onclick: {
                                    let hop = hop.clone();
                                    move |_| choose(hop.clone())
                                },
                                Icon { name: "server" }
                                span { class: "name", "{hop.name}" }
                                span { class: "sub mono", {hop.place()} }
                            }
                        }
                    }
                }
            }
        }
    }
}
