//! The events that run on a server, as far as the viewer may see them.

use dioxus::prelude::*;

use super::data;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::EventRef;
use crate::routes::Route;
use crate::ui::{Icon, error_text, use_query};

/// So many are told.
const MOST: usize = 100;

/// The events as a list.
#[component]
fn List(locale: Locale, events: Vec<EventRef>) -> Element {
    let full = events.len() >= MOST;
    rsx! {
        ul { class: "vars-used", tabindex: "0", "aria-label": t("servers.used_by"),
            for event in events {
                li { key: "{event.id.inner()}", Link { to: Route::event(locale, event.id.inner()), "{event.name}" } }
            }
        }
        if full {
            p { class: "hint", {tf("servers.used_more", &[("n", &MOST.to_string())])} }
        }
    }
}

/// What runs on a server.
#[component]
pub fn UsedBy(locale: Locale, server: cynic::Id) -> Element {
    let used = use_query(move || {
        let id = server.inner().to_owned();
        async move { data::used_by(&id).await }
    });
    let events = used.data.read();
    rsx! {
        match (&*events, (used.error)()) {
            (Some(events), _) if events.is_empty() => rsx! { p { class: "hint", {t("servers.used_none")} } },
            (Some(events), _) => rsx! { List { locale, events: events.clone() } },
            (None, Some(error)) => rsx! { p { class: "hint", role: "alert", {error_text(&error)} } },
            (None, None) => rsx! { span { class: "skel skel-60", role: "status", "aria-busy": "true", "aria-label": t("loading") } },
        }
    }
}

/// What would break without a server; nothing where nothing would.
#[component]
pub fn Breaks(locale: Locale, server: cynic::Id) -> Element {
    let used = use_query(move || {
        let id = server.inner().to_owned();
        async move { data::used_by(&id).await }
    });
    let events = used.data.read();
    match &*events {
        Some(events) if !events.is_empty() => rsx! {
            div { class: "banner", role: "status", "data-status": "PARTIAL",
                Icon { name: "alert" }
                span { {t("servers.delete_breaks")} }
            }
            List { locale, events: events.clone() }
        },
        _ => rsx! {},
    }
}
