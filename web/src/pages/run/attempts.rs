//! The attempts of a run in a table, and those on several servers in another: how each ended and why, where and when it
//! ran, and what it took.

use std::time::Duration;

use dioxus::prelude::*;

use super::data::Execution;
use super::lanes::{self, Lane};
use super::usage::{cpu_text, usage};
use crate::api::IsoDuration;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::moment;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{JobStatus, StatusIcon, bytes, duration, elapsed, until};

/// The attempt in view: the one that was asked for, else the newest that has begun. What only waits has no log yet.
pub fn in_view(executions: &[Execution], asked: Option<i32>) -> Option<&Execution> {
    let chosen = asked.and_then(|attempt| executions.iter().find(|one| one.attempt == attempt));
    chosen
        .or_else(|| executions.iter().rev().find(|one| one.has_begun()))
        .or(executions.last())
}

/// The attempt that an address asks for.
pub fn asked(params: &Params) -> Option<i32> {
    params.get("attempt")?.parse().ok()
}

/// The address that shows an attempt; that of the one which is followed anyway names none, so that it follows on.
fn address(params: &Params, executions: &[Execution], attempt: i32) -> Params {
    let followed = in_view(executions, None).is_some_and(|one| one.attempt == attempt);
    let name = if followed {
        String::new()
    } else {
        attempt.to_string()
    };
    params.with("attempt", &name)
}

/// How long user code of an attempt ran, or has run so far.
fn length(one: &Execution, now_ms: f64) -> Option<Duration> {
    let ended = one.timing.run.as_ref().and_then(IsoDuration::get);
    ended.or_else(|| {
        let started = one.started_at.filter(|_| !one.status.is_final())?;
        Some(elapsed(started, now_ms))
    })
}

/// All attempts in one place. For one alone the page says it all already.
#[component]
pub fn Attempts(
    locale: Locale,
    id: String,
    lane: Lane,
    limit: Option<f64>,
    query: ReadSignal<Params>,
    chosen: Option<i32>,
    now: Signal<f64>,
) -> Element {
    if lane.executions.len() < 2 {
        return rsx! {};
    }
    rsx! {
        Grid { label: t("run.attempts"), first: t("run.attempts.number"),
            for one in lane.executions.iter() {
                Row {
                    key: "{one.id.inner()}",
                    one: one.clone(),
                    name: tf("run.attempt", &[("n", &one.attempt.to_string())]),
                    to: Route::Run {
                        locale,
                        id: id.clone(),
                        query: address(&query(), &lane.executions, one.attempt),
                        hash: String::new(),
                    },
                    here: chosen == Some(one.attempt),
                    limit,
                    now: if one.status.is_final() { None } else { Some(now) },
                }
            }
        }
    }
}

/// Each server with its newest attempt.
#[component]
pub fn Everywhere(
    locale: Locale,
    id: String,
    lanes: Vec<Lane>,
    limit: Option<f64>,
    query: ReadSignal<Params>,
    now: Signal<f64>,
) -> Element {
    if lanes.is_empty() {
        return rsx! {};
    }
    rsx! {
        Grid { label: t("targets.title"), first: t("run.server"),
            for lane in lanes.iter() {
                if let Some(one) = lane.last() {
                    Row {
                        key: "{lane.id()}",
                        one: one.clone(),
                        name: lane.name().to_owned(),
                        to: Route::Run {
                            locale,
                            id: id.clone(),
                            query: lanes::address(&query(), lane.id()),
                            hash: String::new(),
                        },
                        limit,
                        now: if one.status.is_final() { None } else { Some(now) },
                    }
                }
            }
        }
    }
}

/// The table; `first` is what its first column is called.
#[component]
fn Grid(label: String, first: String, children: Element) -> Element {
    rsx! {
        div { class: "attempts", tabindex: "0", role: "region", "aria-label": "{label}",
            table { class: "table",
                thead {
                    tr {
                        th { "{first}" }
                        th { {t("run.attempts.reason")} }
                        th { class: "num", {t("run.exit_code")} }
                        th { class: "md", {t("run.orchestrator")} }
                        th { class: "num md", {t("runs.started")} }
                        th { class: "num", {t("runs.duration")} }
                        th { class: "num lo", {t("run.cpu")} }
                        th { class: "num lo", {t("run.memory")} }
                    }
                }
                tbody { {children} }
            }
        }
    }
}

#[component]
fn Row(
    one: Execution,
    name: String,
    to: Route,
    #[props(default)] here: bool,
    limit: Option<f64>,
    now: Option<Signal<f64>>,
) -> Element {
    let now_ms = now.map_or(0.0, |now| now());
    let dash = || "—".to_owned();
    let due = one
        .due_at
        .filter(|at| one.status == JobStatus::Queued && at.timestamp_millis() as f64 > now_ms);
    let (started, ran) = match (due, one.started_at) {
        (Some(at), _) => (
            tf("runs.starts_at", &[("time", &moment(at))]),
            tf("runs.starts_in", &[("time", &duration(until(at, now_ms)))]),
        ),
        (None, Some(at)) => (moment(at), length(&one, now_ms).map_or_else(dash, duration)),
        (None, None) => (dash(), dash()),
    };
    let exit = one.exit_code.map_or_else(dash, |code| code.to_string());
    let used = usage([&one]);
    let memory = used.memory.map_or_else(dash, bytes);
    let memory_of = used
        .memory
        .zip(limit)
        .map(|(peak, limit)| tf("run.of", &[("part", &bytes(peak)), ("whole", &bytes(limit))]));
    let reason = one
        .status_reason
        .clone()
        .filter(|reason| !reason.eq_ignore_ascii_case(one.status.name()));
    rsx! {
        tr { "aria-selected": if here { "true" },
            td {
                span { class: "cell-main",
                    StatusIcon { status: one.status }
                    Link { to, "aria-current": if here { "true" }, "{name}" }
                }
            }
            td { class: "grow",
                if let Some(reason) = reason {
                    span { class: "sub", lang: "en", title: "{reason}", "{reason}" }
                } else {
                    span { class: "sub", {one.status.word()} }
                }
            }
            td { class: "num", "{exit}" }
            td { class: "dim md", {one.orchestrator.clone().unwrap_or_else(dash)} }
            td { class: "num dim md", title: one.started_at.map(|at| at.to_rfc3339()), "{started}" }
            td { class: "num", "{ran}" }
            td { class: "num dim lo", {cpu_text(used.cpu)} }
            td { class: "num dim lo", title: memory_of, "{memory}" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Timestamp;
    use crate::pages::run::data::tests::execution;

    fn number(found: Option<&Execution>) -> Option<i32> {
        found.map(|one| one.attempt)
    }

    #[test]
    fn the_newest_that_has_begun_is_followed() {
        let mut all = vec![execution(1, JobStatus::Failed), execution(2, JobStatus::Queued)];
        assert_eq!(number(in_view(&all, None)), Some(1), "what waits has no log yet");
        all[1].status = JobStatus::Dispatching;
        assert_eq!(number(in_view(&all, None)), Some(2));
        assert_eq!(
            number(in_view(&all, Some(1))),
            Some(1),
            "the address says otherwise"
        );
        assert_eq!(number(in_view(&all, Some(9))), Some(2), "there is no ninth");
        assert_eq!(number(in_view(&[execution(1, JobStatus::Queued)], None)), Some(1));
        assert_eq!(number(in_view(&[], None)), None);
    }

    #[test]
    fn the_address_of_what_is_followed_names_no_attempt() {
        let all = [execution(1, JobStatus::Failed), execution(2, JobStatus::Running)];
        let now = Params::from("attempt=1&x=y");
        assert_eq!(address(&now, &all, 2), Params::from("x=y"));
        assert_eq!(asked(&address(&Params::default(), &all, 1)), Some(1));
        assert_eq!(asked(&Params::from("attempt=first")), None);
    }

    #[test]
    fn an_attempt_grows_until_it_has_ended() {
        let mut one = execution(1, JobStatus::Running);
        assert_eq!(length(&one, 9_000.0), None);
        one.started_at = Timestamp::from_timestamp(5, 0);
        assert_eq!(length(&one, 9_000.0), Some(Duration::from_secs(4)));
        one.timing.run = Some(IsoDuration("PT2S".to_owned()));
        one.status = JobStatus::Succeeded;
        assert_eq!(length(&one, 99_000.0), Some(Duration::from_secs(2)));
    }
}
