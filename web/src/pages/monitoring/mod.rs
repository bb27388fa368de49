//! How the installation is: database, queue, and every orchestrator with its machine. Live.

mod drain;
mod orchestrators;

use std::time::Duration;

use dioxus::prelude::*;

use self::orchestrators::Orchestrators;
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::status::{self, SAMPLES, STATUS, STATUS_LIVE, SystemStatus};
use crate::ui::{Empty, ErrorNotice, Live, Skeleton, Spark, duration, number, use_now, use_query};

/// The monitoring page.
#[component]
pub fn Monitoring(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.monitoring"))]);
    let mut load = use_query(status::load);
    let now = use_now(Duration::from_secs(5));
    let known = STATUS.read().clone();
    rsx! {
        div { class: "pane",
            div { class: "pane-head",
                h2 { {t("monitoring.title")} }
                Live { on: *STATUS_LIVE.read() }
            }
            if let Some(status) = known {
                Figures { status: status.clone() }
                section {
                    div { class: "pane-head monitoring-head",
                        h2 { {t("overview.orchestrators")} }
                        span { class: "count", "{status.orchestrators.len()}" }
                    }
                    if status.orchestrators.is_empty() {
                        Empty { icon: "server", title: t("overview.no_orchestrator"), text: t("monitoring.no_orchestrator_text") }
                    } else {
                        Orchestrators { all: status.orchestrators.clone(), waiting: status.queue_depth, now }
                    }
                }
            } else if let Some(error) = (load.error)() {
                ErrorNotice { error, onretry: move |()| load.reload() }
            } else {
                Skeleton { lines: 8 }
            }
        }
    }
}

#[component]
fn Figures(status: SystemStatus) -> Element {
    let samples = SAMPLES.read();
    let course = |figure: fn(&SystemStatus) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
    let connected = status.orchestrators.iter().filter(|one| one.connected).count();
    let capacity: i32 = status
        .orchestrators
        .iter()
        .filter(|one| one.connected)
        .map(|one| one.capacity)
        .sum();
    let oldest = status
        .oldest_queued_seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or_else(
            || t("overview.queue_empty"),
            |time| tf("overview.oldest", &[("time", &duration(time))]),
        );
    let latency = status
        .database
        .latency_ms
        .map_or_else(|| "–".to_owned(), |latency| number(latency, 1));
    rsx! {
        dl { class: "stats",
            div { class: "stat",
                dt { {t("overview.database")} }
                dd { "{latency} " small { "ms" } }
                Spark { values: course(|status| status.database.latency_ms.unwrap_or(0.0)) }
                dd { class: "delta", {status.database.words()} }
            }
            div { class: "stat",
                dt { {t("overview.queue")} }
                dd { "{status.queue_depth} " small { {t("overview.waiting")} } }
                Spark { values: course(|status| f64::from(status.queue_depth)) }
                dd { class: "delta", "{oldest}" }
            }
            div { class: "stat",
                dt { {t("overview.running_now")} }
                dd { "{status.running}" }
                Spark { values: course(|status| f64::from(status.running)) }
                dd { class: "delta", {tf("overview.slots_used", &[("n", &status.running.to_string()), ("all", &capacity.to_string())])} }
            }
            div { class: "stat",
                dt { {t("overview.orchestrators")} }
                dd { "{connected}" }
                dd { class: "delta", {tf("overview.connected", &[("n", &connected.to_string()), ("all", &status.orchestrators.len().to_string())])} }
            }
        }
    }
}
