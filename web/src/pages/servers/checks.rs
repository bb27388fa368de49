//! The history of checks, page by page.

use dioxus::prelude::*;

use super::actions::{latency_words, percent};
use super::data::{Check, CheckPage};
use super::figures::{Share, load_more, load_words, of_words};
use super::status::ServerTrouble;
use crate::i18n::{Locale, t};
use crate::pages::runs::{Pager, moment};
use crate::params::Params;
use crate::ui::{Empty, ErrorNotice, JobStatus, Query, Skeleton, StatusDot};

/// The table. `onpage` leads to another page of it.
#[component]
pub fn History(history: Query<Option<CheckPage>>, params: Params, onpage: EventHandler<Params>) -> Element {
    let mut load = history;
    let held = history.data.read();
    let gone = matches!(&*held, Some(None));
    let page = held.as_ref().and_then(Option::as_ref);
    rsx! {
        section { class: "srv-history",
            div { class: "pane-head", h2 { {t("servers.checks")} } }
            match (page, (history.error)()) {
                (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| load.reload() } },
                // The page itself says so.
                (None, None) if gone => rsx! {},
                (None, None) => rsx! { Skeleton { lines: 5 } },
                (Some(page), _) if page.nodes.is_empty() => rsx! {
                    Empty { icon: "history", title: t("servers.no_checks"), text: t("servers.no_checks_text") }
                },
                (Some(page), _) => rsx! {
                    div { class: "table-wrap srv-table", tabindex: "0", role: "region", "aria-label": t("servers.checks"),
                        table { class: "table",
                            thead {
                                tr {
                                    th { {t("servers.result")} }
                                    th { class: "num", {t("servers.time")} }
                                    th { class: "num", {t("servers.latency")} }
                                    th { class: "md", {t("monitoring.col.load")} }
                                    th { class: "md", {t("monitoring.col.memory")} }
                                    th { class: "md", {t("monitoring.col.disk")} }
                                }
                            }
                            tbody {
                                for check in page.nodes.iter().cloned() {
                                    Line { key: "{check.id.inner()}", check }
                                }
                            }
                        }
                    }
                    Pager { shown: page.nodes.len(), total: page.total_count, info: page.page_info.clone(), params, onchange: onpage }
                },
            }
        }
    }
}

#[component]
fn Line(check: Check) -> Element {
    let good = check.is_good();
    let (status, word) = if good {
        (JobStatus::Succeeded, t("servers.check_good"))
    } else {
        (JobStatus::Failed, t("servers.check_bad"))
    };
    let trouble = (!good).then(|| check.trouble.unwrap_or(ServerTrouble::Other).words());
    // What was said is English; in English our own words of the trouble need not stand beside it.
    let said = check.message.clone().filter(|_| !good);
    let own = trouble.filter(|_| said.is_none() || Locale::current() != Locale::En);
    rsx! {
        tr {
            td { class: "grow",
                span { class: "cell-main", StatusDot { status } span { "{word}" } }
                if let Some(own) = own {
                    span { class: "sub srv-why", "{own}" }
                }
                if let Some(said) = said {
                    span { class: "sub srv-why", lang: "en", "{said}" }
                }
            }
            td { class: "num dim", time { datetime: check.at.to_rfc3339(), title: check.at.to_rfc3339(), {moment(check.at)} } }
            td { class: "num", {check.latency_ms.map_or_else(|| "–".to_owned(), latency_words)} }
            td { class: "md", Share { share: check.load(), text: load_words(&check), label: t("monitoring.col.load"), more: load_more(&check) } }
            td { class: "md",
                Share {
                    share: check.memory(),
                    text: check.memory().map(percent).unwrap_or_default(),
                    label: t("monitoring.col.memory"),
                    more: of_words(check.memory_used, check.memory_total),
                }
            }
            td { class: "md",
                Share {
                    share: check.disk(),
                    text: check.disk().map(percent).unwrap_or_default(),
                    label: t("monitoring.col.disk"),
                    more: of_words(check.disk_used, check.disk_total),
                }
            }
        }
    }
}
