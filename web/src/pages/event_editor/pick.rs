//! Choosing the servers that a script runs on: those that were chosen, in their order, and those that there are.

use std::time::Duration;

use dioxus::prelude::*;

use super::draft::servers::{Chosen, MOST};
use super::fields::Line;
use super::form::Form;
use super::place::{self, Choice};
use super::target::Timeout;
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::servers::status::ServerMark;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Field, Icon, Skeleton, use_query};

/// Path of the field in the API's input.
const PATH: &str = "target.servers.servers";
const ID: &str = "f-target-servers-servers";
const FIND: &str = "f-target-servers-find";

/// The fields.
#[component]
pub fn Servers(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read();
    let error = form.error_within(PATH);
    rsx! {
        fieldset {
            class: "field",
            id: ID,
            // Takes the focus where something is wrong: no single control is.
            tabindex: if error.is_some() { "-1" },
            "aria-invalid": if error.is_some() { "true" },
            "aria-describedby": if error.is_some() { "{ID}-note" },
            legend { class: "label", {t("place.chosen")} }
            if draft.servers.chosen.is_empty() {
                p { class: "hint", {t("place.none_chosen")} }
            } else {
                ol { class: "place-chosen",
                    for (at, one) in draft.servers.chosen.iter().cloned().enumerate() {
                        ChosenServer { key: "{one.id}", form, read_only, at, one }
                    }
                }
            }
            if let Some(error) = &error {
                p { class: "error", id: "{ID}-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
        }
        if !read_only {
            Choices { form }
        }
        div { class: "form-2",
            Line {
                form,
                path: "target.servers.maxParallel",
                label: t("place.parallel"),
                hint: t("place.parallel_hint"),
                optional: true,
                numeric: true,
                value: draft.servers.max_parallel.clone(),
                onchange: move |value| form.edit("target.servers.maxParallel", |d| d.servers.max_parallel = value),
            }
            Timeout { form }
        }
    }
}

/// One that was chosen.
#[component]
fn ChosenServer(form: Form, read_only: bool, at: usize, one: Chosen) -> Element {
    let remove = tf("place.remove", &[("name", &one.name)]);
    let id = one.id.clone();
    rsx! {
        li {
            span { class: "num dim", "{at + 1}" }
            span { class: "grow",
                span { class: "name", "{one.name}" }
                if one.place.is_empty() {
                    span { class: "hint http-warn", Icon { name: "alert" } {t("place.gone")} }
                } else {
                    span { class: "sub mono", "{one.place}" }
                }
            }
            if !read_only {
                button {
                    class: "icon-btn icon-btn-sm",
                    r#type: "button",
                    "aria-label": "{remove}",
                    title: "{remove}",
                    onclick: move |_| {
                        form.edit(PATH, |d| d.servers.remove(&id));
                        // The button goes, and would take the focus along.
                        browser::focus(FIND);
                    },
                    Icon { name: "x" }
                }
            }
        }
    }
}

/// The servers that there are, each with a tick.
#[component]
fn Choices(form: Form) -> Element {
    let mut typed = use_signal(String::new);
    let mut found = use_query(move || {
        let text = typed();
        async move {
            if !session::may(Scope::ReadServers) {
                return Ok((text, Vec::new(), false));
            }
            if !text.is_empty() {
                browser::sleep(Duration::from_millis(120)).await;
            }
            let (servers, more) = place::choices(&text).await?;
            Ok((text, servers, more))
        }
    });
    let owner = form.event.read().as_ref().map(|event| event.owner.id.clone());
    let owner = owner.or_else(|| session::viewer().map(|viewer| viewer.id));
    let held = found.data.read();
    let Some((asked, servers, more)) = &*held else {
        return rsx! {
            if let Some(error) = (found.error)() {
                ErrorNotice { error, onretry: move |()| found.reload() }
            } else {
                Skeleton { lines: 3 }
            }
        };
    };
    let is_for = |one: &&Choice| owner.as_ref().is_some_and(|owner| one.is_for(owner.inner()));
    let usable: Vec<Choice> = servers.iter().filter(is_for).cloned().collect();
    if usable.is_empty() && !more && asked.trim().is_empty() && typed.read().trim().is_empty() {
        return rsx! { NoServers {} };
    }
    let draft = form.draft.read();
    let full = draft.servers.is_full();
    let (found_none, more) = (usable.is_empty(), *more);
    rsx! {
        div { class: "field",
            Field { id: FIND, label: t("place.choose"),
                div { class: "affix",
                    Icon { name: "search" }
                    input {
                        class: "input",
                        id: FIND,
                        r#type: "search",
                        autocomplete: "off",
                        spellcheck: "false",
                        placeholder: t("place.find"),
                        value: "{typed}",
                        oninput: move |event| typed.set(event.value()),
                    }
                }
            }
            if found_none {
                p { class: "hint", role: "status", {t("place.none_match")} }
            } else {
                ul { class: "place-list", tabindex: "0", "aria-label": t("place.choose"),
                    for one in usable {
                        OneChoice { key: "{one.id.inner()}", form, on: draft.servers.has(one.id.inner()), full, one }
                    }
                }
            }
            if more {
                p { class: "hint", {t("place.more")} }
            }
            if full {
                p { class: "hint", role: "status", {tf("place.most", &[("n", &MOST.to_string())])} }
            }
        }
    }
}

#[component]
fn OneChoice(form: Form, on: bool, full: bool, one: Choice) -> Element {
    let chosen = one.chosen();
    rsx! {
        li {
            label { class: "check",
                input {
                    r#type: "checkbox",
                    checked: on,
                    disabled: full && !on,
                    onchange: move |event| {
                        form.edit(PATH, |d| {
                            if event.checked() {
                                d.servers.add(chosen.clone());
                            } else {
                                d.servers.remove(&chosen.id);
                            }
                        });
                    },
                }
                span { class: "name", "{one.name}" }
                span { class: "sub mono", {one.place()} }
                ServerMark { status: one.status }
                for tag in one.tags.iter() {
                    span { key: "{tag}", class: "badge badge-line", "{tag}" }
                }
            }
        }
    }
}

/// There is nothing to choose from, and where that changes.
#[component]
fn NoServers() -> Element {
    if !session::may(Scope::ReadServers) {
        return rsx! { p { class: "hint", {t("place.not_yours")} } };
    }
    let locale = Locale::current();
    rsx! {
        Empty { icon: "server", title: t("place.none"), text: t("place.none_text"),
            Link { class: "btn", to: Route::Servers { locale, query: Params::default() }, {t("place.to_servers")} }
        }
    }
}
