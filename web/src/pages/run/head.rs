//! The head of a run: what it is, how it stands and why, and what can be done with it.

use dioxus::prelude::*;

use super::data::{Execution, JobDetail};
use super::lanes::Lane;
use super::lineage::Kin;
use crate::api::IsoDuration;
use crate::i18n::{Locale, t, tf, tn};
use crate::pages::runs::data::{EventType, JobStatus, Permission};
use crate::pages::runs::{actions, moment, say, trigger_text};
use crate::pages::terminals::{OpenTerminal, Place};
use crate::routes::Route;
use crate::ui::{Dialog, Icon, StatusPill, duration, elapsed, toast};

/// The head. `lanes` says where it runs.
#[component]
pub fn Head(locale: Locale, job: JobDetail, lanes: Vec<Lane>, now: Signal<f64>) -> Element {
    let begun = job.started_at.unwrap_or(job.created_at);
    // What waits says for what, and since when, further down.
    let waits = matches!(job.status, JobStatus::Queued | JobStatus::Dispatching);
    let reason = job
        .status_reason
        .clone()
        .filter(|reason| !waits && !reason.eq_ignore_ascii_case(job.status.name()));
    let length = match (job.status.is_final(), job.started_at) {
        (true, _) => job.duration.as_ref().and_then(IsoDuration::get).map(duration),
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
    let image = job.event_version.target.image().map(str::to_owned);
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
                    if let Some(image) = image {
                        span { Icon { name: "box" } span { class: "num", "{image}" } }
                    }
                    Where { locale, lanes: lanes.clone() }
                    span { Icon { name: "history" } "{version}" }
                    Kin { locale, job: job.clone() }
                }
            }
            Actions { locale, job, lanes }
        }
    }
}

/// The server, or how many there are; nothing for what runs elsewhere.
#[component]
fn Where(locale: Locale, lanes: Vec<Lane>) -> Element {
    match lanes.as_slice() {
        [only] if only.server.is_some() => rsx! {
            span { Icon { name: "server" } ServerLink { locale, lane: only.clone() } }
        },
        [] | [_] => rsx! {},
        all => rsx! { span { Icon { name: "server" } {tn("targets.servers", all.len() as u64)} } },
    }
}

/// A server's name, which leads to its page where that is for these eyes.
#[component]
pub fn ServerLink(locale: Locale, lane: Lane) -> Element {
    let there = lane.server.as_ref().and_then(|server| server.server.as_ref());
    rsx! {
        if let Some(there) = there {
            Link { to: Route::server(locale, there.id.inner()), {lane.name()} }
        } else {
            span { {lane.name()} }
        }
    }
}

/// What a repetition is called: of several servers only those are tried again that did not succeed.
fn retry_words(status: JobStatus, lanes: &[Lane]) -> String {
    let mut left = lanes.iter().filter(|lane| lane.status() != JobStatus::Succeeded);
    match (status, left.next(), left.count()) {
        (JobStatus::Partial, Some(only), 0) => tf("run.retry_on", &[("name", only.name())]),
        (JobStatus::Partial, Some(_), more) => tn("run.retry_some", more as u64 + 1),
        _ => t("run.retry"),
    }
}

/// The execution in whose container something runs that the viewer may change.
fn container(job: &JobDetail) -> Option<cynic::Id> {
    let inside =
        job.event_version.kind != EventType::HttpRequest && job.viewer_can.contains(&Permission::Cancel);
    let is_open = |one: &&Execution| one.status == JobStatus::Running && one.server.is_none();
    let mut running = job.executions.iter().filter(is_open);
    running.next_back().filter(|_| inside).map(|one| one.id.clone())
}

#[component]
fn Actions(locale: Locale, job: JobDetail, lanes: Vec<Lane>) -> Element {
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
            if let Some(id) = container(&job) {
                OpenTerminal { locale, place: Place::Execution(id) }
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
                    {retry_words(job.status, &lanes)}
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
                if lanes.len() > 1 {
                    p { {t("run.cancel_everywhere")} }
                }
            }
        }
    }
}
