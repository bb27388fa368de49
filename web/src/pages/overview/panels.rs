//! The panels below the chart: running now, needs a look, health, slots.

use std::time::Duration;

use dioxus::prelude::*;

use super::count;
use super::data::{FailingEvent, Jobs, OverviewQuery, RunningJob};
use crate::i18n::{Locale, t, tf, tn};
use crate::pages::runs::data::Permission;
use crate::pages::runs::{actions, say, trigger_text};
use crate::pages::targets::servers_words;
use crate::params::Params;
use crate::routes::Route;
use crate::status::STATUS;
use crate::ui::{
    Icon, JobStatus, Kind, Meter, Query, Skeleton, StatusDot, StatusIcon, Strip, TimeAgo, duration, elapsed,
    number, toast, use_now,
};

#[component]
pub(super) fn RunningNow(locale: Locale, jobs: Jobs, load: Query<OverviewQuery>) -> Element {
    let now = use_now(Duration::from_secs(1));
    rsx! {
        section {
            div { class: "pane-head",
                h2 { {t("overview.running_now")} }
                span { class: "count", {count(jobs.total_count)} }
                span { class: "end",
                    Link { class: "btn btn-ghost btn-sm", to: Route::Runs { locale, query: Params::default() }, {t("overview.all_runs")} }
                }
            }
            if jobs.nodes.is_empty() {
                p { class: "pane-body dim", {t("overview.nothing_runs")} }
            } else {
                table { class: "table",
                    thead { class: "sr",
                        tr {
                            th { {t("overview.col.status")} }
                            th { {t("overview.col.event")} }
                            th { class: "lo", {t("overview.col.trigger")} }
                            th { class: "md", {t("overview.col.where")} }
                            th { class: "md", {t("overview.col.progress")} }
                            th { {t("overview.col.elapsed")} }
                            th { class: "md", {t("overview.col.typical")} }
                            th { {t("overview.col.actions")} }
                        }
                    }
                    tbody {
                        for job in jobs.nodes {
                            RunningRow { key: "{job.id.inner()}", locale, job, now, load }
                        }
                    }
                }
            }
        }
    }
}

#[component]
fn RunningRow(locale: Locale, job: RunningJob, now: Signal<f64>, load: Query<OverviewQuery>) -> Element {
    let mut busy = use_signal(|| false);
    let from = job.started_at.unwrap_or(job.created_at);
    let trigger = match &job.actor {
        Some(actor) => format!("{} · {}", trigger_text(job.trigger), actor.name),
        None => trigger_text(job.trigger),
    };
    let label = tf("overview.cancel", &[("name", &job.title)]);
    let over = elapsed(from, now());
    let typical = job.event.as_ref().and_then(|event| event.jobs.typical());
    let share = typical.map(|typical| over.as_secs_f64() / typical.as_secs_f64().max(0.001));
    let target = &job.event_version.target;
    let servers = servers_words(target.servers().iter().map(|one| one.name.as_str()));
    let place = servers
        .or_else(|| target.image().map(str::to_owned))
        .unwrap_or_default();
    let id = job.id.clone();
    let title = job.title.clone();
    let cancel = move |_| {
        let (id, title) = (id.clone(), title.clone());
        async move {
            busy.set(true);
            match actions::cancel(id.inner()).await {
                Ok(_) => toast(
                    JobStatus::Cancelled,
                    tf("overview.cancelling", &[("name", &title)]),
                    "",
                ),
                Err(refusal) => say(t("overview.not_cancelled"), &refusal),
            }
            busy.set(false);
            let mut load = load;
            load.reload();
        }
    };
    rsx! {
        tr {
            td { class: "tight", StatusIcon { status: job.status } }
            td {
                span { class: "cell-main",
                    Kind { of: job.event_version.kind }
                    Link { to: Route::run(locale, job.id.inner()), "{job.title}" }
                    span { class: "num dim md", "#{job.number}" }
                }
            }
            td { class: "dim lo", "{trigger}" }
            td { class: "dim md", "{place}" }
            td { class: "md",
                if let Some(share) = share {
                    Progress { share }
                }
            }
            td { class: "num", {duration(Duration::from_secs(over.as_secs()))} }
            td { class: "num dim md", {typical.map(|time| format!("p50 {}", duration(time))).unwrap_or_default()} }
            td { class: "tight",
                if job.viewer_can.contains(&Permission::Cancel) {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": "{label}",
                        title: "{label}",
                        disabled: busy(),
                        onclick: cancel,
                        Icon { name: "stop" }
                    }
                }
            }
        }
    }
}

/// How far a run is against its usual length; amber when it takes much longer.
#[component]
fn Progress(share: f64) -> Element {
    let percent = (share * 100.0).min(100.0);
    rsx! {
        svg {
            class: "meter",
            view_box: "0 0 100 5",
            preserve_aspect_ratio: "none",
            role: "img",
            "aria-label": tf("overview.progress", &[("n", &number(share * 100.0, 0))]),
            rect { class: if share > 1.2 { "warn" } else { "now" }, width: "{percent:.1}", height: "5" }
        }
    }
}

#[component]
pub(super) fn NeedsALook(locale: Locale, failing: Vec<FailingEvent>) -> Element {
    let now = use_now(Duration::from_secs(20));
    let failed = Params::default().with("status", JobStatus::Failed.name());
    rsx! {
        section {
            div { class: "pane-head",
                h2 { {t("overview.needs_a_look")} }
                span { class: "count", "{failing.len()}" }
                span { class: "end",
                    Link { class: "btn btn-ghost btn-sm", to: Route::Runs { locale, query: failed }, {t("overview.failed_runs")} }
                }
            }
            if failing.is_empty() {
                p { class: "pane-body dim", {t("overview.nothing_fails")} }
            } else {
                table { class: "table",
                    thead { class: "sr",
                        tr {
                            th { {t("overview.col.status")} }
                            th { {t("overview.col.event")} }
                            th { {t("overview.col.reason")} }
                            th { class: "md", {t("overview.col.last_runs")} }
                            th { class: "lo", {t("overview.col.failures")} }
                            th { {t("overview.col.when")} }
                        }
                    }
                    tbody {
                        for row in failing {
                            tr { key: "{row.event.id.inner()}",
                                td { class: "tight", StatusIcon { status: row.last_job.status } }
                                td {
                                    span { class: "cell-main",
                                        Kind { of: row.event.kind }
                                        Link { to: Route::event(locale, row.event.id.inner()), "{row.event.name}" }
                                    }
                                }
                                td { class: "grow sub",
                                    Link { class: "sub", to: Route::run(locale, row.last_job.id.inner()),
                                        {row.last_job.status_reason.clone().unwrap_or_else(|| row.last_job.status.word())}
                                    }
                                }
                                td { class: "md", Strip { runs: row.event.jobs.clone() } }
                                td { class: "num lo", {tn("overview.failures", u64::try_from(row.failures).unwrap_or(0))} }
                                td { class: "num dim", TimeAgo { at: row.last_job.finished_at.unwrap_or(row.last_job.created_at), now } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn good(ok: bool) -> JobStatus {
    if ok {
        JobStatus::Succeeded
    } else {
        JobStatus::Failed
    }
}

#[component]
pub(super) fn Health(locale: Locale) -> Element {
    let Some(status) = STATUS.read().clone() else {
        return rsx! {
            section { Skeleton { lines: 3 } }
        };
    };
    let all = status.orchestrators.len();
    let connected = status.orchestrators.iter().filter(|one| one.connected).count();
    let slots: i32 = status
        .orchestrators
        .iter()
        .filter(|one| one.connected)
        .map(|one| one.capacity)
        .sum();
    let latency = status
        .database
        .latency_ms
        .map(|latency| format!("{} ms", number(latency, 1)));
    rsx! {
        section {
            div { class: "pane-head",
                h2 { {t("overview.health")} }
                span { class: "end",
                    Link { class: "btn btn-ghost btn-sm", to: Route::Monitoring { locale }, {t("nav.monitoring")} }
                }
            }
            ul { class: "rows",
                li {
                    StatusDot { status: if connected > 0 && connected < all { JobStatus::Partial } else { good(connected > 0) } }
                    span { class: "grow",
                        span { class: "name", {t("overview.orchestrators")} }
                        span { class: "sub", {tf("overview.connected", &[("n", &connected.to_string()), ("all", &all.to_string())])} }
                    }
                    span { class: "sub end", {tf("overview.slots_used", &[("n", &status.running.to_string()), ("all", &slots.to_string())])} }
                }
                li {
                    StatusDot { status: good(status.database.ok) }
                    span { class: "grow",
                        span { class: "name", {t("overview.database")} }
                        span { class: "sub", {status.database.words()} }
                    }
                    if let Some(latency) = latency {
                        span { class: "sub end", "{latency}" }
                    }
                }
            }
        }
    }
}

#[component]
pub(super) fn Slots() -> Element {
    let Some(status) = STATUS.read().clone() else {
        return rsx! {};
    };
    rsx! {
        section {
            div { class: "pane-head", h2 { {t("overview.slots")} } }
            if status.orchestrators.is_empty() {
                p { class: "pane-body dim", {t("overview.no_orchestrator")} }
            } else {
                ul { class: "quota pane-body",
                    for one in status.orchestrators {
                        li { key: "{one.id.inner()}",
                            span { "{one.name}" }
                            span { class: "num dim", {tf("overview.of", &[("n", &one.running.to_string()), ("all", &one.capacity.to_string())])} }
                            Meter { share: f64::from(one.running) / f64::from(one.capacity.max(1)), label: one.name.clone(), wide: true, warn: 0.9, bad: 1.1 }
                        }
                    }
                }
            }
        }
    }
}
