//! The table of runs, one row a job, with what can be done to it.

use std::collections::BTreeSet;

use dioxus::prelude::*;

use super::data::{JobRow, JobStatus, Permission};
use super::{keys, moment, trigger_text};
use crate::i18n::{Locale, t, tf};
use crate::routes::Route;
use crate::ui::{Icon, Status, StatusIcon, duration, elapsed, until};

/// What a person asks for in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A row on or off; at last whether all rows since the last choice go with it.
    Select(String, bool, bool),
    SelectAll(bool),
    Cancel(String),
    Retry(String),
}

/// Whether a job can be cancelled by the viewer now.
pub fn can_cancel(job: &JobRow) -> bool {
    !job.status.is_final() && job.viewer_can.contains(&Permission::Cancel)
}

/// Whether a job can be run again by the viewer now.
pub fn can_retry(job: &JobRow) -> bool {
    job.status.is_final() && job.viewer_can.contains(&Permission::Retry)
}

/// Jobs in rows. `selected` is none where rows can't be chosen.
#[component]
pub fn RunsTable(
    locale: Locale,
    jobs: Vec<JobRow>,
    now: Signal<f64>,
    #[props(default)] selected: Option<BTreeSet<String>>,
    onask: EventHandler<Ask>,
) -> Element {
    let chosen = selected.as_ref().map_or(0, |ids| {
        let chosen = jobs.iter().filter(|job| ids.contains(job.id.inner()));
        chosen.count()
    });
    let all = chosen > 0 && chosen == jobs.len();
    let mixed = chosen > 0 && !all;
    use_effect(use_reactive((&mixed,), |(mixed,)| keys::show_mixed(mixed)));
    let choosing = selected.is_some();
    let onkeydown = move |event: KeyboardEvent| {
        if !choosing {
            return;
        }
        let modifiers = event.modifiers();
        let command = modifiers.ctrl() || modifiers.meta();
        match event.key() {
            key @ (Key::ArrowDown | Key::ArrowUp) if keys::on_box() => {
                event.prevent_default();
                if let Some(id) = keys::step(key == Key::ArrowDown)
                    && modifiers.shift()
                {
                    onask.call(Ask::Select(id, true, true));
                }
            }
            Key::Character(letter) if command && letter.eq_ignore_ascii_case("a") => {
                event.prevent_default();
                onask.call(Ask::SelectAll(true));
            }
            Key::Escape => onask.call(Ask::SelectAll(false)),
            _ => {}
        }
    };
    rsx! {
        table { class: "table", onkeydown,
            thead {
                tr {
                    if selected.is_some() {
                        th { class: "tight",
                            input { class: "box", id: keys::HEAD, r#type: "checkbox", "aria-label": t("runs.select_all"), checked: all, onchange: move |event| onask.call(Ask::SelectAll(event.checked())) }
                        }
                    }
                    th { class: "md", {t("runs.status")} }
                    th { {t("runs.event")} }
                    th { class: "num md", {t("runs.number")} }
                    th { class: "md", {t("runs.trigger")} }
                    th { class: "num lo", {t("runs.version")} }
                    th { class: "num md", "aria-sort": "descending", {t("runs.started")} }
                    th { class: "num", {t("runs.duration")} }
                    th { class: "tight md", span { class: "sr", {t("runs.actions")} } }
                }
            }
            tbody {
                for job in jobs {
                    Row {
                        key: "{job.id.inner()}",
                        locale,
                        chosen: selected.as_ref().map(|s| s.contains(job.id.inner())),
                        now: if job.status.is_final() { None } else { Some(now) },
                        job,
                        onask,
                    }
                }
            }
        }
    }
}

#[component]
fn Row(
    locale: Locale,
    job: JobRow,
    now: Option<Signal<f64>>,
    chosen: Option<bool>,
    onask: EventHandler<Ask>,
) -> Element {
    // A click tells of the shift key, the change that follows of the box.
    let mut range = use_signal(|| false);
    let id = job.id.inner().to_owned();
    let number = format!("#{}", job.number);
    let mut trigger = trigger_text(job.trigger);
    if let Some(actor) = &job.actor {
        trigger = format!("{trigger} · {}", actor.name);
    }
    let now_ms = now.map_or(0.0, |now| now());
    let starts = job.starts_at(now_ms);
    let (started, ran) = match (job.started_at.or(starts), job.status) {
        (Some(at), JobStatus::Queued) if starts.is_some() => (
            tf("runs.starts_at", &[("time", &moment(at))]),
            tf("runs.starts_in", &[("time", &duration(until(at, now_ms)))]),
        ),
        (None, JobStatus::Queued | JobStatus::Dispatching) => (
            tf(
                "runs.queued_for",
                &[("time", &duration(elapsed(job.ready_at(), now_ms)))],
            ),
            "—".to_owned(),
        ),
        (None, _) => (moment(job.created_at), "—".to_owned()),
        (Some(at), status) if !status.is_final() => (moment(at), duration(elapsed(at, now_ms))),
        (Some(at), _) => (
            moment(at),
            job.duration
                .as_ref()
                .and_then(crate::api::IsoDuration::get)
                .map_or("—".to_owned(), duration),
        ),
    };
    let version = if job.event_version.ad_hoc {
        t("runs.draft")
    } else {
        format!("v{}", job.event_version.number)
    };
    let kind = job.event_version.kind;
    // A reason that only repeats the status, or the moment beside it, says nothing.
    let reason = job.status_reason.clone().filter(|reason| {
        job.status != JobStatus::Succeeded
            && starts.is_none()
            && !reason.eq_ignore_ascii_case(job.status.name())
    });
    rsx! {
        tr { "aria-selected": if chosen == Some(true) { "true" },
            if let Some(chosen) = chosen {
                td { class: "tight",
                    input {
                        class: "box",
                        r#type: "checkbox",
                        value: "{id}",
                        checked: chosen,
                        "aria-label": tf("runs.select", &[("number", &number)]),
                        onclick: move |event: MouseEvent| range.set(event.modifiers().shift()),
                        onchange: {
                            let id = id.clone();
                            move |event: FormEvent| onask.call(Ask::Select(id.clone(), event.checked(), range()))
                        },
                    }
                }
            }
            td { class: "md", Status { status: job.status } }
            td { class: "grow",
                span { class: "cell-main",
                    span { class: "only-phone", StatusIcon { status: job.status } }
                    span { class: "md", span { class: "kind", title: kind.title(), {kind.mark()} } }
                    Link { to: Route::run(locale, &id), "{job.title}" }
                    if let Some(reason) = reason {
                        span { class: "sub", lang: "en", title: "{reason}", "{reason}" }
                    }
                }
                span { class: "sub under", "{number} · {trigger} · {started}" }
            }
            td { class: "num dim md", "{number}" }
            td { class: "dim md", "{trigger}" }
            td { class: "num dim lo", "{version}" }
            td { class: "num dim md", title: job.created_at.to_rfc3339(), "{started}" }
            td { class: "num", "{ran}" }
            td { class: "tight md",
                if can_cancel(&job) {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": tf("runs.cancel_one", &[("number", &number)]),
                        title: tf("runs.cancel_one", &[("number", &number)]),
                        onclick: {
                            let id = id.clone();
                            move |_| onask.call(Ask::Cancel(id.clone()))
                        },
                        Icon { name: "stop" }
                    }
                } else if can_retry(&job) {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": tf("runs.retry_one", &[("number", &number)]),
                        title: tf("runs.retry_one", &[("number", &number)]),
                        onclick: {
                            let id = id.clone();
                            move |_| onask.call(Ask::Retry(id.clone()))
                        },
                        Icon { name: "retry" }
                    }
                }
            }
        }
    }
}

/// Rows that stand until the first answer.
#[component]
pub fn TableSkeleton(#[props(default = 8)] rows: usize) -> Element {
    rsx! {
        table { class: "table", "aria-busy": "true", "aria-label": t("loading"),
            tbody {
                for row in 0..rows {
                    tr { key: "{row}",
                        td { class: "tight", span { class: "skel skel-90" } }
                        td { class: "grow", span { class: if row % 2 == 0 { "skel skel-40" } else { "skel skel-60" } } }
                        td { class: "md", span { class: "skel skel-60" } }
                    }
                }
            }
        }
    }
}
