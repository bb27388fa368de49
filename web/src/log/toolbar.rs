//! The controls above a log: search, streams, follow, times, wrapping, copying and downloads.

use dioxus::prelude::*;

use super::model::Stream;
use super::state::{Flow, Viewer};
use super::viewer::{Origin, name_of};
use crate::browser;
use crate::i18n::{group_digits, t, tf, tn};
use crate::params::encode;
use crate::ui::{Icon, JobStatus, toast};

/// A small button with an icon that can be on or off.
#[component]
fn Toggle(icon: String, label: String, on: bool, onclick: EventHandler) -> Element {
    rsx! {
        button {
            class: "icon-btn icon-btn-sm",
            r#type: "button",
            "aria-label": "{label}",
            title: "{label}",
            "aria-pressed": "{on}",
            onclick: move |_| onclick.call(()),
            Icon { name: icon }
        }
    }
}

/// The bar of a viewer. `online` hears of the line that a copied link names; `execution` is the one whose log can be
/// downloaded.
#[component]
pub fn LogBar(
    viewer: Viewer,
    execution: Option<String>,
    origins: Vec<Origin>,
    compact: bool,
    online: Option<EventHandler<i64>>,
) -> Element {
    let (follow, wrap, times) = ((viewer.follow)(), (viewer.wrap)(), (viewer.times)());
    let flow = (viewer.flow)();
    let log = viewer.log.read();
    let (filter, errors, lines) = (log.filter(), log.errors(), log.len());
    let running = !matches!(flow, Flow::Complete | Flow::Failed(_));
    let file = |execution: &str, kind: &str| format!("/api/executions/{}/log.{kind}", encode(execution));
    let streams = [
        (None, "log.all"),
        (Some(Stream::Stdout), "log.output"),
        (Some(Stream::Stderr), "log.errors"),
    ];
    rsx! {
        div { class: "log-bar",
            if compact {
                if running && follow {
                    span { class: "live", {t("log.following")} }
                } else {
                    span { class: "sub", role: "status",
                        match flow {
                            Flow::Complete => t("log.complete_short"),
                            Flow::Down => t("live.off"),
                            _ => t("log.paused"),
                        }
                    }
                }
            }
            SearchField { viewer }
            if !compact {
                div { class: "seg seg-sm md", role: "group", "aria-label": t("log.stream"),
                    for (stream, key) in streams {
                        button {
                            key: "{key}",
                            r#type: "button",
                            "aria-pressed": "{filter == stream}",
                            onclick: move |_| viewer.set_filter(stream),
                            {t(key)}
                            if stream == Some(Stream::Stderr) && errors > 0 {
                                span { class: "dim", {group_digits(errors as u64)} }
                            }
                        }
                    }
                }
            }
            span { class: "toolbar end",
                if compact {
                    span { class: "sub", {tn("log.lines", lines as u64)} }
                }
                if !follow {
                    button { class: "btn btn-sm", r#type: "button", onclick: move |_| viewer.set_follow(true),
                        Icon { name: "follow" }
                        {if running { t("log.jump") } else { t("log.end") }}
                    }
                } else if running {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": t("log.pause"),
                        title: t("log.pause"),
                        onclick: move |_| viewer.set_follow(false),
                        Icon { name: "pause" }
                    }
                }
                if !compact {
                    Toggle { icon: "clock", label: t("log.times"), on: times, onclick: move |()| viewer.set_times(!times) }
                }
                Toggle { icon: "wrap", label: t("log.wrap"), on: wrap, onclick: move |()| viewer.set_wrap(!wrap) }
                if let (Some(line), Some(online)) = ((viewer.here)(), online) {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": tf("log.copy_link", &[("n", &line.to_string())]),
                        title: tf("log.copy_link", &[("n", &line.to_string())]),
                        onclick: move |_| {
                            online.call(line);
                            copy(link_to(line));
                        },
                        Icon { name: "link" }
                    }
                }
                button {
                    class: "icon-btn icon-btn-sm",
                    r#type: "button",
                    "aria-label": t("log.copy"),
                    title: t("log.copy"),
                    onclick: move |_| copy(viewer.text(|source| name_of(&viewer, &origins, source))),
                    Icon { name: "copy" }
                }
                if let Some(execution) = &execution {
                    a {
                        class: "icon-btn icon-btn-sm",
                        href: file(execution, "txt"),
                        download: "",
                        "aria-label": t("log.download"),
                        title: t("log.download"),
                        Icon { name: "download" }
                    }
                    if !compact {
                        a {
                            class: "icon-btn icon-btn-sm md",
                            href: file(execution, "ndjson"),
                            download: "",
                            "aria-label": t("log.download_json"),
                            title: t("log.download_json"),
                            Icon { name: "code" }
                        }
                    }
                }
            }
        }
    }
}

/// The address of a line of the page that is open.
fn link_to(line: i64) -> String {
    let address = browser::address();
    let page = address.split('#').next().unwrap_or_default();
    format!("{}{page}#L{line}", browser::origin())
}

/// Puts text on the clipboard and says whether that worked.
pub fn copy(text: String) {
    spawn(async move {
        if browser::copy(&text).await {
            toast(JobStatus::Succeeded, t("copy.done"), "");
        } else {
            toast(JobStatus::Failed, t("copy.failed"), "");
        }
    });
}

#[component]
fn SearchField(viewer: Viewer) -> Element {
    let search = viewer.search.read();
    let query = search.query().to_owned();
    let count = match search.current() {
        Some((at, _)) => {
            let more = if search.is_cut() { "+" } else { "" };
            let all = format!("{}{more}", group_digits(search.len() as u64));
            tf("log.matches", &[("at", &group_digits(at as u64)), ("all", &all)])
        }
        None => t("log.no_match"),
    };
    let id = format!("{}-search", viewer.id);
    let list = viewer.id.peek().clone();
    rsx! {
        div { class: "affix log-search",
            Icon { name: "search" }
            input {
                class: "input input-sm",
                id,
                r#type: "search",
                value: "{query}",
                placeholder: t("log.search"),
                "aria-label": t("log.search"),
                oninput: move |event| viewer.set_query(&event.value()),
                onkeydown: move |event| match event.key() {
                    Key::Enter => {
                        event.prevent_default();
                        viewer.step(!event.modifiers().shift());
                    }
                    Key::Escape => {
                        event.prevent_default();
                        viewer.set_query("");
                        browser::focus(&list);
                    }
                    _ => {}
                },
            }
            span { class: "end",
                if query.is_empty() {
                    kbd { class: "kbd", "/" }
                } else {
                    span { class: "num", role: "status", "{count}" }
                    button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": t("log.previous"), title: t("log.previous"), onclick: move |_| viewer.step(false),
                        Icon { name: "up" }
                    }
                    button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": t("log.next"), title: t("log.next"), onclick: move |_| viewer.step(true),
                        Icon { name: "down" }
                    }
                }
            }
        }
    }
}
