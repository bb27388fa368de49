//! The head of the event page: name, state, and what can be done with the event as a whole.

use std::time::Duration;

use dioxus::prelude::*;

use super::changes;
use super::copy_as;
use super::data::Event;
use super::form::Form;
use super::later::RunLater;
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::log::copy;
use crate::pages::events::data::EventStatus;
use crate::pages::events::exchange::Export;
use crate::pages::events::{StatusBadge, definitions};
use crate::pages::input::{self, Wish};
use crate::pages::runs::data::{EventType, JobStatus, Permission};
use crate::pages::runs::say;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Dialog, Icon, Strip, TimeAgo, toast, use_now};

/// The head. `onsave` saves.
#[component]
pub fn Head(locale: Locale, form: Form, may_change: bool, onsave: EventHandler) -> Element {
    let now = use_now(Duration::from_secs(20));
    let event = form.event.read().clone();
    let draft = form.draft.read();
    let saving = (form.saving)();
    let kind = EventType::from_name(&draft.language).unwrap_or(EventType::Bash);
    let name_error = form.error("name");
    let save = match &event {
        _ if saving => t("event.saving"),
        // A new name is no new version.
        Some(_) if form.dirty() && !form.makes_version() => t("event.save"),
        Some(event) => tf(
            "event.save_version",
            &[("number", &(event.version.number + 1).to_string())],
        ),
        None => t("event.create"),
    };
    rsx! {
        div { class: "page-head",
            div { class: "titles",
                div { class: "line",
                    match &event {
                        Some(event) => rsx! {
                            h1 { "{event.name}" }
                            span { class: "kind", title: kind.title(), {kind.mark()} }
                            StatusBadge { status: event.status }
                            span { class: "facts md",
                                span {
                                    match &event.version.created_by {
                                        Some(person) => tf("event.version_by", &[("number", &event.version.number.to_string()), ("name", &person.name)]),
                                        None => format!("v{}", event.version.number),
                                    }
                                    ", "
                                    TimeAgo { at: event.version.created_at, now }
                                }
                                for tag in event.tags.iter() {
                                    Link { key: "{tag}", class: "sub", to: Route::Events { locale, query: Params::default().with("tag", tag) }, Icon { name: "tag" } "{tag}" }
                                }
                            }
                            span { class: "lo", Strip { runs: event.jobs.clone() } }
                        },
                        None => rsx! {
                            h1 { class: "sr", {t("nav.new_event")} }
                            label { class: "sr", r#for: "new-name", {t("field.name")} }
                            input {
                                class: "input input-lg ev-head-name",
                                id: "new-name",
                                placeholder: t("field.name"),
                                autocomplete: "off",
                                "aria-invalid": if name_error.is_some() { "true" },
                                "aria-describedby": "new-name-note",
                                value: "{draft.name}",
                                oninput: move |event| form.edit("name", |draft| draft.name = event.value()),
                            }
                            span { class: "kind", title: kind.title(), {kind.mark()} }
                            if let Some(error) = name_error.clone() {
                                span { class: "error", id: "new-name-note", role: "alert", Icon { name: "alert" } "{error}" }
                            }
                        },
                    }
                }
            }
            div { class: "acts",
                if event.is_some() && form.dirty() {
                    span { class: "status", "data-status": "PARTIAL", role: "status", {t("event.unsaved")} }
                }
                if let Some(event) = &event {
                    CopyAs { form, id: event.id.inner().to_owned() }
                }
                if may_change {
                    button {
                        class: "btn btn-primary",
                        r#type: "button",
                        disabled: saving || (event.is_some() && !form.dirty()),
                        "aria-busy": if saving { "true" },
                        "aria-keyshortcuts": "Control+S Meta+S",
                        onclick: move |_| onsave.call(()),
                        "{save}"
                        kbd { "{browser::command_key()}S" }
                    }
                }
                if let Some(event) = event {
                    More { locale, form, event }
                }
            }
        }
    }
}

#[component]
fn CopyAs(form: Form, id: String) -> Element {
    let input = move || {
        let text = form.draft.peek().input.clone();
        serde_json::from_str::<serde_json::Value>(text.trim())
            .ok()
            .filter(|value| value != &serde_json::json!({}))
    };
    let other = id.clone();
    rsx! {
        span { class: "md",
            button { class: "btn btn-ghost", r#type: "button", "popovertarget": "copy-as", "aria-haspopup": "menu", Icon { name: "code" } {t("event.copy_as")} }
            div { class: "menu menu-pop copy-menu", id: "copy-as", "popover": "auto", role: "menu", "aria-label": t("event.copy_as"),
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "copy-as",
                    "popovertargetaction": "hide",
                    onclick: move |_| copy(copy_as::graphql(&id, input().as_ref())),
                    Icon { name: "code" }
                    {t("event.copy_graphql")}
                }
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "copy-as",
                    "popovertargetaction": "hide",
                    onclick: move |_| copy(copy_as::curl(&browser::origin(), &other, input().as_ref())),
                    Icon { name: "terminal" }
                    {t("event.copy_curl")}
                }
            }
        }
    }
}

/// Moves the event to another state.
async fn set_status(form: Form, id: cynic::Id, status: EventStatus) {
    match changes::set_status(id.inner(), status).await {
        Ok(changed) => {
            let mut event = form.event;
            if let Some(event) = event.write().as_mut() {
                event.status = changed.status;
                // Active again, it counts from 0.
                event.counted_runs = changed.counted_runs;
            }
        }
        Err(refusal) => say(t("event.status_failed"), &refusal),
    }
}

#[component]
fn More(locale: Locale, form: Form, event: Event) -> Element {
    let navigator = use_navigator();
    let mut asking = use_signal(|| false);
    let mut later = use_signal(|| false);
    let mut exporting = use_signal(|| false);
    let (fork_id, export_id) = (event.id.clone(), event.id.clone());
    let may = |permission| event.viewer_can.contains(&permission);
    let (status_id, archive_id, delete_id) = (event.id.clone(), event.id.clone(), event.id.clone());
    let wish = Wish {
        id: event.id.inner().to_owned(),
        name: event.name.clone(),
        schema: event.version.input_schema.clone(),
        servers: event.version.target.names(),
    };
    let (next, icon, word) = if event.status == EventStatus::Active {
        (EventStatus::Paused, "pause", t("event.pause"))
    } else {
        (EventStatus::Active, "play", t("event.activate"))
    };
    let name = event.name.clone();
    rsx! {
        button { class: "icon-btn icon-btn-line", r#type: "button", "popovertarget": "event-more", "aria-haspopup": "menu", "aria-label": t("event.more"), title: t("event.more"),
            Icon { name: "more" }
        }
        div { class: "menu menu-pop copy-menu", id: "event-more", "popover": "auto", role: "menu", "aria-label": t("event.more"),
            if may(Permission::Run) {
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "event-more",
                    "popovertargetaction": "hide",
                    onclick: move |_| input::run(wish.clone(), locale, form.dirty()),
                    Icon { name: "play" }
                    {t("event.run_now")}
                }
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "event-more",
                    "popovertargetaction": "hide",
                    onclick: move |_| later.set(true),
                    Icon { name: "schedule" }
                    {t("later.open")}
                }
            }
            if may(Permission::Change) {
                div { class: "menu-sep", role: "separator" }
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "event-more",
                    "popovertargetaction": "hide",
                    onclick: move |_| set_status(form, status_id.clone(), next),
                    Icon { name: icon }
                    "{word}"
                }
                if event.status != EventStatus::Archived {
                    button {
                        class: "menu-item",
                        r#type: "button",
                        role: "menuitem",
                        "popovertarget": "event-more",
                        "popovertargetaction": "hide",
                        onclick: move |_| set_status(form, archive_id.clone(), EventStatus::Archived),
                        Icon { name: "box" }
                        {t("event.archive")}
                    }
                }
            }
            if session::may(Scope::CreateEvents) {
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "event-more",
                    "popovertargetaction": "hide",
                    onclick: move |_| {
                        let id = fork_id.clone();
                        async move {
                            match definitions::fork(id.inner()).await {
                                Ok(copy) => {
                                    toast(JobStatus::Succeeded, tf("defs.forked", &[("name", &copy.name)]), t("defs.forked_text"));
                                    navigator.push(Route::event(locale, copy.id.inner()));
                                }
                                Err(refusal) => say(t("defs.not_forked"), &refusal),
                            }
                        }
                    },
                    Icon { name: "copy" }
                    {t("defs.fork")}
                }
            }
            button {
                class: "menu-item",
                r#type: "button",
                role: "menuitem",
                "popovertarget": "event-more",
                "popovertargetaction": "hide",
                onclick: move |_| exporting.set(true),
                Icon { name: "download" }
                {t("defs.export")}
            }
            if may(Permission::Delete) {
                div { class: "menu-sep", role: "separator" }
                button {
                    class: "menu-item menu-danger",
                    r#type: "button",
                    role: "menuitem",
                    "popovertarget": "event-more",
                    "popovertargetaction": "hide",
                    onclick: move |_| asking.set(true),
                    Icon { name: "trash" }
                    {t("event.delete")}
                }
            }
        }
        if later() {
            RunLater { locale, event: event.clone(), unsaved: form.dirty(), onclose: move |()| later.set(false) }
        }
        if exporting() {
            Export {
                events: vec![export_id.inner().to_owned()],
                filter: None,
                about: tf("defs.about_one", &[("name", &event.name), ("number", &event.version.number.to_string())]),
                onclose: move |()| exporting.set(false),
            }
        }
        if asking() {
            Dialog {
                id: "delete-event",
                title: tf("event.delete_title", &[("name", &name)]),
                onclose: move |()| asking.set(false),
                foot: rsx! {
                    button { class: "btn", r#type: "button", onclick: move |_| asking.set(false), {t("dialog.cancel")} }
                    button {
                        class: "btn btn-danger-solid",
                        r#type: "button",
                        onclick: move |_| {
                            let (id, name) = (delete_id.clone(), name.clone());
                            async move {
                                asking.set(false);
                                match changes::delete(id.inner()).await {
                                    Ok(_) => {
                                        form.discard();
                                        toast(JobStatus::Succeeded, tf("event.deleted", &[("name", &name)]), "");
                                        navigator.push(Route::Events { locale, query: Params::default() });
                                    }
                                    Err(refusal) => say(t("event.delete_failed"), &refusal),
                                }
                            }
                        },
                        {t("event.delete")}
                    }
                },
                p { {t("event.delete_text")} }
            }
        }
    }
}
