//! One run: how it stands and why, its phases, its log, what went in and came out. Live.

mod attempts;
pub mod data;
pub mod json;
mod lineage;
mod phases;
mod receipt;
mod side;
mod usage;
mod waiting;

use std::ops::ControlFlow;
use std::time::Duration;

use dioxus::prelude::*;

use self::attempts::Attempts;
use self::data::{Execution, JobDetail};
use self::lineage::Kin;
use self::phases::Phases;
use self::receipt::Receipt;
use self::side::Side;
use self::waiting::Waiting;
use crate::api::{self, Feed};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::log::LogViewer;
use crate::pages::runs::data::{JobStatus, Permission};
use crate::pages::runs::{actions, moment, say, trigger_text};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{
    Dialog, Empty, ErrorNotice, Icon, Query, Skeleton, StatusPill, duration, elapsed, toast, use_now,
    use_query,
};

/// The line that a fragment such as `L120` names.
fn line_of(hash: &str) -> Option<i64> {
    hash.trim_start_matches('#')
        .strip_prefix('L')?
        .parse()
        .ok()
        .filter(|line| *line > 0)
}

/// Without a connection for news, a job that has not ended is looked at so often.
const LOOK: Duration = Duration::from_secs(5);

/// Loads a job and keeps it up to date.
pub fn use_job(id: ReadSignal<String>) -> Query<Option<JobDetail>> {
    let mut job = use_query(move || {
        let id = id();
        async move { data::job(&id).await }
    });
    use_resource(move || {
        let id = id();
        api::insist(
            move || data::updates(id.clone()),
            move |event| {
                // The first word is the job as it is, also after a loss of the connection: nothing need be asked again.
                let Feed::Data(update) = event else {
                    return ControlFlow::Continue(());
                };
                let news = update.job_updated;
                let over = news.status.is_final();
                job.change(move |held| *held = Some(Some(news.clone())));
                if over {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    });
    use_future(move || async move {
        loop {
            browser::sleep(LOOK).await;
            let open = job.data.peek().iter().flatten().any(|job| !job.status.is_final());
            if open && api::is_lost() && !*job.busy.peek() {
                job.reload();
            }
        }
    });
    job
}

/// One run.
#[component]
pub fn Run(
    locale: Locale,
    id: ReadSignal<String>,
    query: ReadSignal<Params>,
    hash: ReadSignal<String>,
) -> Element {
    let mut job = use_job(id);
    let held = job.data.read();
    let name = held
        .iter()
        .flatten()
        .map(|job| format!("{} #{}", job.title, job.number))
        .next();
    use_crumbs(vec![
        Crumb::link(
            t("nav.runs"),
            Route::Runs {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(name.unwrap_or_else(|| t("run.title"))),
    ]);
    match (&*held, (job.error)()) {
        (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| job.reload() } },
        (None, None) => rsx! { Skeleton { lines: 8 } },
        (Some(None), _) => rsx! {
            Empty { icon: "runs", title: t("run.none"), text: t("error.not_found"),
                Link { class: "btn", to: Route::Runs { locale, query: Params::default() }, {t("run.all")} }
            }
        },
        (Some(Some(held)), _) => {
            rsx! { RunPage { key: "{held.id.inner()}", locale, job: held.clone(), query, hash } }
        }
    }
}

#[component]
fn RunPage(locale: Locale, job: JobDetail, query: ReadSignal<Params>, hash: ReadSignal<String>) -> Element {
    let now = use_now(Duration::from_millis(500));
    let navigator = use_navigator();
    let execution = attempts::in_view(&job.executions, attempts::asked(&query())).cloned();
    let id = job.id.inner().to_owned();
    let online = {
        let id = id.clone();
        move |line: i64| {
            navigator.replace(Route::Run {
                locale,
                id: id.clone(),
                query: query.peek().clone(),
                hash: format!("L{line}"),
            });
        }
    };
    rsx! {
        Head { locale, job: job.clone(), now }
        Waiting { job: job.clone(), now }
        if let Some(receipt) = job.cancellation.clone() {
            Receipt { receipt, ended: job.status.is_final() }
        }
        Phases { job: job.clone(), now }
        div { class: "run-body",
            div { class: "run-log",
                Attempts { locale, job: job.clone(), query, chosen: execution.as_ref().map(|one| one.attempt), now }
                LogOf { title: job.title.clone(), execution: execution.clone(), line: line_of(&hash()), online }
            }
            Side { locale, job: job.clone(), execution }
        }
    }
}

/// The log of the attempt in view, or why there is none.
#[component]
fn LogOf(
    title: String,
    execution: Option<Execution>,
    line: Option<i64>,
    online: EventHandler<i64>,
) -> Element {
    match execution {
        Some(one) if one.log_dropped_at.is_some() => rsx! {
            Empty {
                icon: "history",
                title: t("run.log_dropped"),
                text: tf("run.log_dropped_text", &[("time", &one.log_dropped_at.map(moment).unwrap_or_default())]),
            }
        },
        Some(one) if one.has_begun() => rsx! {
            // A list of one: a viewer keeps the log that it began with, and only in a list does its key give it up.
            for one in [one] {
                LogViewer {
                    key: "{one.id.inner()}",
                    execution: one.id.inner().to_owned(),
                    label: tf("run.log_of", &[("title", &title)]),
                    line,
                    online,
                    truncated: one.log_truncated,
                }
            }
        },
        _ => rsx! { Empty { icon: "clock", title: t("run.waiting"), text: t("run.waiting_text") } },
    }
}

#[component]
fn Head(locale: Locale, job: JobDetail, now: Signal<f64>) -> Element {
    let begun = job.started_at.unwrap_or(job.created_at);
    // What waits says for what, and since when, further down.
    let waits = matches!(job.status, JobStatus::Queued | JobStatus::Dispatching);
    let reason = job
        .status_reason
        .clone()
        .filter(|reason| !waits && !reason.eq_ignore_ascii_case(job.status.name()));
    let length = match (job.status.is_final(), job.started_at) {
        (true, _) => job
            .duration
            .as_ref()
            .and_then(crate::api::IsoDuration::get)
            .map(duration),
        (false, Some(at)) => Some(duration(elapsed(at, now()))),
        (false, None) => None,
    };
    let mut trigger = trigger_text(job.trigger);
    if let Some(actor) = &job.actor {
        trigger = format!("{trigger} · {}", actor.name);
    }
    let version = if job.event_version.ad_hoc {
        t("runs.draft")
    } else {
        format!("v{}", job.event_version.number)
    };
    let kind = job.event_version.kind;
    rsx! {
        div { class: "page-head",
            div { class: "titles",
                div { class: "line",
                    h1 { "{job.title}" }
                    span { class: "kind", title: kind.title(), {kind.mark()} }
                    span { class: "num dim", "#{job.number}" }
                    span { role: "status", StatusPill { status: job.status, large: true } }
                }
                if let Some(reason) = reason {
                    p { lang: "en", "{reason}" }
                }
                div { class: "facts",
                    span { Icon { name: "play" } "{trigger}" }
                    span { Icon { name: "clock" } {moment(begun)} if let Some(length) = length { " · {length}" } }
                    if let Some(image) = &job.event_version.target.image {
                        span { Icon { name: "box" } span { class: "num", "{image}" } }
                    }
                    span { Icon { name: "history" } "{version}" }
                    Kin { locale, job: job.clone() }
                }
            }
            Actions { locale, job }
        }
    }
}

#[component]
fn Actions(locale: Locale, job: JobDetail) -> Element {
    let navigator = use_navigator();
    let mut busy = use_signal(|| false);
    let mut asking = use_signal(|| false);
    let id = job.id.inner().to_owned();
    let (cancelling, retrying) = (id.clone(), id);
    let open = !job.status.is_final();
    let asked = job.cancellation.is_some();
    let number = job.number.to_string();
    rsx! {
        div { class: "acts",
            if let Some(event) = &job.event {
                Link { class: "btn", to: Route::event(locale, event.id.inner()), Icon { name: "event" } {t("run.open_event")} }
            }
            if open && job.viewer_can.contains(&Permission::Cancel) {
                button {
                    class: "btn btn-danger",
                    r#type: "button",
                    // Not disabled: the focus would be lost that comes back to it.
                    "aria-disabled": if busy() || asked { "true" },
                    "aria-busy": if busy() { "true" },
                    onclick: move |_| asking.set(!busy() && !asked),
                    Icon { name: "stop" }
                    {if asked { t("run.cancelling") } else { t("run.cancel") }}
                }
            }
            if !open && job.viewer_can.contains(&Permission::Retry) {
                button {
                    class: "btn btn-primary",
                    r#type: "button",
                    disabled: busy(),
                    "aria-busy": if busy() { "true" },
                    onclick: move |_| {
                        let id = retrying.clone();
                        async move {
                            busy.set(true);
                            match actions::retry(&id).await {
                                Ok(job) => {
                                    toast(job.status, tf("runs.retry_asked", &[("number", &job.number.to_string())]), "");
                                    navigator.push(Route::run(locale, job.id.inner()));
                                }
                                Err(refusal) => say(t("runs.retry_failed"), &refusal),
                            }
                            busy.set(false);
                        }
                    },
                    Icon { name: "retry" }
                    {t("run.retry")}
                }
            }
        }
        if asking() {
            Dialog {
                id: "cancel-run",
                title: tf("run.cancel_title", &[("number", &number)]),
                onclose: move |()| asking.set(false),
                foot: rsx! {
                    button { class: "btn", r#type: "button", onclick: move |_| asking.set(false), {t("run.keep")} }
                    button {
                        class: "btn btn-danger-solid",
                        r#type: "button",
                        onclick: move |_| {
                            let id = cancelling.clone();
                            async move {
                                asking.set(false);
                                busy.set(true);
                                match actions::cancel(&id).await {
                                    Ok(job) => {
                                        let text = if job.status == JobStatus::Cancelled { t("run.cancel_done") } else { t("run.cancel_under_way") };
                                        toast(JobStatus::Cancelled, tf("runs.cancel_asked", &[("number", &job.number.to_string())]), text);
                                    }
                                    Err(refusal) => say(t("runs.cancel_failed"), &refusal),
                                }
                                busy.set(false);
                            }
                        },
                        {t("run.cancel")}
                    }
                },
                p { {t("run.cancel_text")} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_names_a_line() {
        assert_eq!(line_of("L120"), Some(120));
        assert_eq!(line_of("#L7"), Some(7));
        assert_eq!(line_of(""), None);
        assert_eq!(line_of("L0"), None);
        assert_eq!(line_of("Lx"), None);
    }
}
