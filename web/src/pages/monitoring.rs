//! How the installation is: database, queue, and every orchestrator with its machine. Live.

use std::time::Duration;

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::session::{self, Scope};
use crate::status::{self, Orchestrator, SAMPLES, STATUS, STATUS_LIVE, SystemStatus};
use crate::ui::{
    Empty, ErrorNotice, JobStatus, Live, Meter, Skeleton, Spark, StatusDot, TimeAgo, bytes, duration,
    elapsed, number, toast, use_now, use_query,
};

#[derive(cynic::InputObject)]
struct SetOrchestratorDrainingInput {
    id: cynic::Id,
    draining: bool,
}

#[derive(cynic::QueryVariables)]
struct DrainVariables {
    input: SetOrchestratorDrainingInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DrainVariables")]
struct SetOrchestratorDraining {
    #[arguments(input: $input)]
    set_orchestrator_draining: SetOrchestratorDrainingPayload,
}

crate::api::listed!(Mutation SetOrchestratorDraining, DrainVariables);

#[derive(cynic::QueryFragment)]
struct SetOrchestratorDrainingPayload {
    orchestrator: Option<Drained>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Orchestrator")]
#[expect(dead_code, reason = "that it is there says enough")]
struct Drained {
    id: cynic::Id,
}

async fn set_draining(id: cynic::Id, draining: bool) -> Result<(), Refusal> {
    let input = SetOrchestratorDrainingInput { id, draining };
    let answer = api::run(SetOrchestratorDraining::build(DrainVariables { input }))
        .await?
        .set_orchestrator_draining;
    settled(answer.orchestrator.map(|_| ()), answer.user_errors)
}

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
                        Orchestrators { all: status.orchestrators.clone(), now }
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
                dd { class: "delta", "{status.database.detail}" }
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

fn state(one: &Orchestrator) -> (JobStatus, String) {
    match (one.connected, one.draining) {
        (false, _) => (JobStatus::Failed, t("monitoring.away")),
        (true, true) => (JobStatus::Partial, t("monitoring.draining")),
        (true, false) => (JobStatus::Succeeded, t("monitoring.connected")),
    }
}

#[component]
fn Orchestrators(all: Vec<Orchestrator>, now: Signal<f64>) -> Element {
    let steers = session::may(Scope::ManageSettings);
    rsx! {
        div { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("overview.orchestrators"),
            table { class: "table",
                thead {
                    tr {
                        th { {t("monitoring.col.name")} }
                        th { {t("overview.col.status")} }
                        th { {t("overview.slots")} }
                        th { class: "md", {t("monitoring.col.cpu")} }
                        th { class: "md", {t("monitoring.col.memory")} }
                        th { class: "md", {t("monitoring.col.disk")} }
                        th { class: "lo num", {t("monitoring.col.load")} }
                        th { class: "lo num", {t("monitoring.col.up")} }
                        th { class: "md num", {t("monitoring.col.seen")} }
                        if steers {
                            th { span { class: "visually-hidden", {t("monitoring.col.action")} } }
                        }
                    }
                }
                tbody {
                    for one in all {
                        Row { key: "{one.id.inner()}", one, now, steers }
                    }
                }
            }
        }
    }
}

#[component]
fn Row(one: Orchestrator, now: Signal<f64>, steers: bool) -> Element {
    let (status, word) = state(&one);
    let host = one.host.as_ref();
    let share = |used: f64, total: f64| if total > 0.0 { used / total } else { 0.0 };
    let samples = SAMPLES.read();
    let course: Vec<f64> = samples
        .iter()
        .filter_map(|sample| {
            sample
                .orchestrators
                .iter()
                .find(|other| other.id == one.id)?
                .host
                .as_ref()
        })
        .map(|host| host.cpu_percent)
        .collect();
    let in_short = host.map(|host| {
        format!(
            "{} {} % · {} {} % · {} {} %",
            t("monitoring.col.cpu"),
            number(host.cpu_percent, 0),
            t("monitoring.col.memory"),
            number(share(host.memory_used_bytes, host.memory_total_bytes) * 100.0, 0),
            t("monitoring.col.disk"),
            number(share(host.disk_used_bytes, host.disk_total_bytes) * 100.0, 0),
        )
    });
    rsx! {
        tr {
            td {
                span { class: "cell-main", span { class: "name", "{one.name}" } span { class: "num dim lo", "{one.version}" } }
                if !one.labels.is_empty() || one.outdated {
                    span { class: "sub tags",
                        for label in &one.labels {
                            span { key: "{label}", class: "badge badge-line", "{label}" }
                        }
                        if one.outdated {
                            span { class: "badge badge-partial", title: t("monitoring.outdated_text"), {t("monitoring.outdated")} }
                        }
                    }
                }
                if let Some(words) = in_short {
                    span { class: "sub host-under", "{words}" }
                }
            }
            td {
                span { class: "cell-main", StatusDot { status } "{word}" }
            }
            td {
                Figure {
                    share: share(f64::from(one.running), f64::from(one.capacity)),
                    text: tf("overview.of", &[("n", &one.running.to_string()), ("all", &one.capacity.to_string())]),
                    label: t("overview.slots"),
                }
            }
            if let Some(host) = host {
                td { class: "md",
                    span { class: "mfigure",
                        Figure { share: host.cpu_percent / 100.0, text: format!("{} %", number(host.cpu_percent, 0)), label: t("monitoring.col.cpu") }
                        span { class: "lo", Spark { values: course } }
                    }
                }
                td { class: "md",
                    Figure {
                        share: share(host.memory_used_bytes, host.memory_total_bytes),
                        text: tf("overview.of", &[("n", &bytes(host.memory_used_bytes)), ("all", &bytes(host.memory_total_bytes))]),
                        label: t("monitoring.col.memory"),
                    }
                }
                td { class: "md",
                    Figure {
                        share: share(host.disk_used_bytes, host.disk_total_bytes),
                        text: tf("overview.of", &[("n", &bytes(host.disk_used_bytes)), ("all", &bytes(host.disk_total_bytes))]),
                        label: t("monitoring.col.disk"),
                    }
                }
                td { class: "lo num", {number(host.load_average, 2)} }
            } else {
                td { class: "md dim", "–" }
                td { class: "md dim", "–" }
                td { class: "md dim", "–" }
                td { class: "lo num dim", "–" }
            }
            td { class: "lo num dim", {duration(Duration::from_secs(elapsed(one.started_at, now()).as_secs()))} }
            td { class: "md num dim", TimeAgo { at: one.last_seen_at, now } }
            if steers {
                td { class: "num", DrainButton { id: one.id.clone(), name: one.name.clone(), draining: one.draining } }
            }
        }
    }
}

/// Lets an orchestrator finish its work, or take some again.
#[component]
fn DrainButton(id: cynic::Id, name: String, draining: bool) -> Element {
    let mut busy = use_signal(|| false);
    let word = if draining {
        t("monitoring.resume")
    } else {
        t("monitoring.drain")
    };
    rsx! {
        button { class: "btn btn-sm", r#type: "button", "aria-busy": if busy() { "true" },
            "aria-label": "{word}: {name}",
            title: if draining { t("monitoring.resume_text") } else { t("monitoring.drain_text") },
            onclick: move |_| {
                let id = id.clone();
                async move {
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    match set_draining(id, !draining).await {
                        Ok(()) if draining => toast(JobStatus::Succeeded, t("monitoring.resumed"), ""),
                        Ok(()) => toast(JobStatus::Succeeded, t("monitoring.drained"), t("monitoring.drain_text")),
                        Err(refusal) => say(t("account.not_saved"), &refusal),
                    }
                    // What the page shows follows by itself; at once is better than within seconds.
                    let _ = status::load().await;
                    busy.set(false);
                }
            },
            "{word}"
        }
    }
}

#[component]
fn Figure(share: f64, text: String, label: String) -> Element {
    rsx! {
        span { class: "mfigure", Meter { share, label } span { class: "num", "{text}" } }
    }
}
