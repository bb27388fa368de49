//! The servers of a page of the list: those that ask for somebody as cards, and all of them as rows.

use dioxus::prelude::*;

use super::actions::{check_now, latency_words, percent};
use super::data::{Check, Row};
use super::figures::{Share, load_more, load_words, of_words};
use super::status::ServerMark;
use crate::i18n::{Locale, t};
use crate::pages::runs::filters;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Icon, TimeAgo};

/// Cards that there is room for.
const MOST_CARDS: usize = 3;

/// Those that can't be used, with the reason and what can be done.
#[component]
pub fn Attention(locale: Locale, servers: Vec<Row>, now: Signal<f64>, onchanged: EventHandler) -> Element {
    let asking: Vec<Row> = servers
        .into_iter()
        .filter(|server| server.status.asks())
        .take(MOST_CARDS)
        .collect();
    if asking.is_empty() {
        return rsx! {};
    }
    rsx! {
        div { class: "srv-cards",
            for server in asking {
                Card { key: "{server.id.inner()}", locale, server, now, onchanged }
            }
        }
    }
}

#[component]
fn Card(locale: Locale, server: Row, now: Signal<f64>, onchanged: EventHandler) -> Element {
    let trouble = server.last_check.as_ref().and_then(|check| check.trouble);
    let reason = server
        .status
        .reason(server.status_reason.as_deref(), trouble)
        .unwrap_or_default();
    let checked = server.last_check.as_ref().map(|check| check.at);
    rsx! {
        article { class: "srv-card", "aria-label": "{server.name}",
            div { class: "top",
                ServerMark { status: server.status }
                h2 { "{server.name}" }
                if let Some(at) = checked {
                    span { class: "sub end", TimeAgo { at, now } }
                }
            }
            p { "{reason}" }
            div { class: "acts",
                Link { class: "btn btn-sm", to: Route::server(locale, server.id.inner()), {t("servers.look")} }
                if server.may_check() {
                    CheckButton { id: server.id.clone(), name: server.name.clone(), onchanged }
                }
            }
        }
    }
}

/// Looks at one server now.
#[component]
fn CheckButton(
    id: cynic::Id,
    name: String,
    onchanged: EventHandler,
    #[props(default)] small: bool,
) -> Element {
    let mut busy = use_signal(|| false);
    let check = move |_| {
        let id = id.clone();
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            let done = check_now(id).await.is_some();
            busy.set(false);
            if done {
                onchanged.call(());
            }
        }
    };
    let label = format!("{}: {name}", t("servers.check_now"));
    rsx! {
        if small {
            button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": "{label}", title: "{label}", "aria-busy": if busy() { "true" }, onclick: check,
                Icon { name: "retry" }
            }
        } else {
            button { class: "btn btn-sm btn-ghost", r#type: "button", "aria-label": "{label}", "aria-busy": if busy() { "true" }, onclick: check,
                {t(if busy() { "servers.checking" } else { "servers.check_now" })}
            }
        }
    }
}

/// All servers of the page.
#[component]
pub fn Table(
    locale: Locale,
    servers: Vec<Row>,
    params: Params,
    now: Signal<f64>,
    onchanged: EventHandler,
) -> Element {
    rsx! {
        table { class: "table",
            thead {
                tr {
                    th { class: "tight", span { class: "sr", {t("runs.status")} } }
                    th { {t("servers.one")} }
                    th { class: "grow md", span { class: "sr", {t("servers.state")} } }
                    th { class: "lo", {t("servers.address")} }
                    th { {t("monitoring.col.load")} }
                    th { {t("monitoring.col.memory")} }
                    th { {t("monitoring.col.disk")} }
                    th { class: "num md", {t("servers.latency")} }
                    th { class: "num md", {t("servers.last_check")} }
                    th { class: "lo", {t("vars.owner")} }
                    th { class: "tight md", span { class: "sr", {t("runs.actions")} } }
                }
            }
            tbody {
                for server in servers {
                    Line { key: "{server.id.inner()}", locale, server, params: params.clone(), now, onchanged }
                }
            }
        }
    }
}

#[component]
fn Line(locale: Locale, server: Row, params: Params, now: Signal<f64>, onchanged: EventHandler) -> Element {
    let check = server.last_check.as_ref();
    let figures = check.filter(|check| check.is_good());
    let share = |figure: Option<f64>| figure.map(percent).unwrap_or_default();
    let owner = server.owner.as_ref().map(|owner| owner.name.clone());
    rsx! {
        tr {
            td { class: "tight", ServerMark { status: server.status } }
            td { class: "srv-name",
                span { class: "cell-main", Link { to: Route::server(locale, server.id.inner()), "{server.name}" } }
                span { class: "sub under", {server.status.word()} }
            }
            td { class: "grow md",
                span { class: "cell-main",
                    span { class: "dim", {server.status.word()} }
                    for tag in server.tags.iter() {
                        Link { key: "{tag}", class: "badge badge-line tag", to: Route::Servers { locale, query: filters::with(&params, "tag", tag) }, "{tag}" }
                    }
                }
            }
            td { class: "lo dim mono", {server.place()} }
            td { Share { share: figures.and_then(Check::load), text: figures.map(load_words).unwrap_or_default(), label: t("monitoring.col.load"), more: figures.and_then(load_more) } }
            td {
                Share {
                    share: figures.and_then(Check::memory),
                    text: share(figures.and_then(Check::memory)),
                    label: t("monitoring.col.memory"),
                    more: figures.and_then(|check| of_words(check.memory_used, check.memory_total)),
                }
            }
            td {
                Share {
                    share: figures.and_then(Check::disk),
                    text: share(figures.and_then(Check::disk)),
                    label: t("monitoring.col.disk"),
                    more: figures.and_then(|check| of_words(check.disk_used, check.disk_total)),
                }
            }
            td { class: "num md", {figures.and_then(|check| check.latency_ms).map_or_else(|| "–".to_owned(), latency_words)} }
            td { class: "num dim md",
                if let Some(at) = check.map(|check| check.at) {
                    TimeAgo { at, now }
                } else {
                    "–"
                }
            }
            td { class: "lo",
                if let Some(owner) = owner {
                    "{owner}"
                }
                if server.shared {
                    " "
                    span { class: "badge", {t("servers.shared")} }
                }
            }
            td { class: "tight md",
                if server.may_check() {
                    CheckButton { id: server.id.clone(), name: server.name.clone(), onchanged, small: true }
                }
            }
        }
    }
}
