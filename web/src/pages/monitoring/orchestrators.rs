//! Every orchestrator with its load and its machine: how it stands, and what can be done about it.

use std::time::Duration;

use dioxus::prelude::*;

use super::drain::{DrainButton, DrainDialog};
use crate::api::Timestamp;
use crate::i18n::{t, tf, tn};
use crate::pages::runs::moment;
use crate::session::Permission;
use crate::status::{Orchestrator, SAMPLES};
use crate::ui::{JobStatus, Meter, Spark, StatusDot, bytes, duration, elapsed, number};

/// How an orchestrator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Takes,
    /// It finishes so many runs.
    Draining(i32),
    /// It has finished them.
    Drained,
    /// It is not heard of since then; whether it takes runs when it comes back.
    Away(Timestamp, bool),
}

fn state(one: &Orchestrator) -> State {
    match (one.connected, one.draining, one.running) {
        (false, draining, _) => State::Away(one.last_seen_at, !draining),
        (true, true, 0) => State::Drained,
        (true, true, running) => State::Draining(running),
        (true, false, _) => State::Takes,
    }
}

impl State {
    fn status(self) -> JobStatus {
        match self {
            Self::Takes => JobStatus::Succeeded,
            Self::Draining(_) => JobStatus::Partial,
            Self::Drained => JobStatus::Skipped,
            // That one that was emptied is switched off is no fault.
            Self::Away(_, false) => JobStatus::Skipped,
            Self::Away(_, true) => JobStatus::Failed,
        }
    }

    fn word(self) -> String {
        t(match self {
            Self::Takes => "monitoring.connected",
            Self::Draining(_) => "monitoring.draining",
            Self::Drained => "monitoring.drained",
            Self::Away(..) => "monitoring.away",
        })
    }

    /// What follows from it.
    fn note(self) -> Option<String> {
        let whole = |count: i32| u64::try_from(count).unwrap_or(0);
        match self {
            Self::Takes => None,
            Self::Draining(running) => Some(tn("monitoring.draining_note", whole(running))),
            Self::Drained => Some(t("monitoring.drained_note")),
            Self::Away(since, takes) => {
                let since = tf("monitoring.since", &[("time", &moment(since))]);
                let after = (!takes).then(|| t("monitoring.away_drained"));
                Some(after.map_or(since.clone(), |after| format!("{since} · {after}")))
            }
        }
    }
}

fn takes(one: &Orchestrator) -> bool {
    state(one) == State::Takes
}

/// Those that are connected first, each kind by name.
fn sorted(mut all: Vec<Orchestrator>) -> Vec<Orchestrator> {
    all.sort_by(|a, b| {
        let key = |one: &Orchestrator| (!one.connected, one.name.clone());
        key(a).cmp(&key(b))
    });
    all
}

/// The table. `waiting` runs are in the queue.
#[component]
pub fn Orchestrators(all: Vec<Orchestrator>, waiting: i32, now: Signal<f64>) -> Element {
    let steers = all.iter().any(|one| one.viewer_can.contains(&Permission::Change));
    let taking = all.iter().filter(|one| takes(one)).count();
    let all = sorted(all);
    let mut asking = use_signal(|| None::<cynic::Id>);
    let asked = all
        .iter()
        .find(|one| Some(&one.id) == asking.read().as_ref())
        .cloned();
    rsx! {
        div { class: "table-wrap workers", tabindex: "0", role: "region", "aria-label": t("overview.orchestrators"),
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
                        if steers {
                            th { span { class: "sr", {t("monitoring.col.action")} } }
                        }
                    }
                }
                tbody {
                    for one in all {
                        Row { key: "{one.id.inner()}", one, now, steers, onask: move |id| asking.set(Some(id)) }
                    }
                }
            }
        }
        // A dialog in the table would be drawn as part of it.
        if let Some(one) = asked {
            DrainDialog {
                key: "{one.id.inner()}",
                others: taking - usize::from(takes(&one)),
                one,
                waiting,
                onclose: move |()| asking.set(None),
            }
        }
    }
}

#[component]
fn Row(one: Orchestrator, now: Signal<f64>, steers: bool, onask: EventHandler<cynic::Id>) -> Element {
    let state = state(&one);
    // Figures of a machine that is not heard of are none.
    let host = one.host.as_ref().filter(|_| one.connected);
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
                span { class: "cell-main", StatusDot { status: state.status() } span { {state.word()} } }
                if let Some(note) = state.note() {
                    span { class: "sub block", "{note}" }
                }
            }
            td {
                if one.connected {
                    Figure {
                        share: share(f64::from(one.running), f64::from(one.capacity)),
                        text: tf("overview.of", &[("n", &one.running.to_string()), ("all", &one.capacity.to_string())]),
                        label: t("overview.slots"),
                    }
                } else {
                    span { class: "dim", "–" }
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
                        text: percent(share(host.memory_used_bytes, host.memory_total_bytes)),
                        label: t("monitoring.col.memory"),
                        more: tf("overview.of", &[("n", &bytes(host.memory_used_bytes)), ("all", &bytes(host.memory_total_bytes))]),
                    }
                }
                td { class: "md",
                    Figure {
                        share: share(host.disk_used_bytes, host.disk_total_bytes),
                        text: percent(share(host.disk_used_bytes, host.disk_total_bytes)),
                        label: t("monitoring.col.disk"),
                        more: tf("overview.of", &[("n", &bytes(host.disk_used_bytes)), ("all", &bytes(host.disk_total_bytes))]),
                    }
                }
                td { class: "lo num", {number(host.load_average, 2)} }
            } else {
                td { class: "md dim", "–" }
                td { class: "md dim", "–" }
                td { class: "md dim", "–" }
                td { class: "lo num dim", "–" }
            }
            td { class: "lo num dim",
                if one.connected {
                    {duration(Duration::from_secs(elapsed(one.started_at, now()).as_secs()))}
                } else {
                    "–"
                }
            }
            if steers {
                td { class: "act",
                    if one.viewer_can.contains(&Permission::Change) {
                        DrainButton {
                            name: one.name.clone(),
                            draining: one.draining,
                            onclick: {
                                let id = one.id.clone();
                                move |()| onask.call(id.clone())
                            },
                        }
                    }
                }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0, 0))
}

/// A share as a bar and a figure; `more` is the exact one for whoever asks.
#[component]
fn Figure(share: f64, text: String, label: String, #[props(default)] more: Option<String>) -> Element {
    let label = more
        .as_ref()
        .map_or(label.clone(), |more| format!("{label}: {more}"));
    rsx! {
        span { class: "mfigure", title: more, Meter { share, label } span { class: "num", "{text}" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, connected: bool, draining: bool, running: i32) -> Orchestrator {
        Orchestrator {
            id: name.into(),
            name: name.to_owned(),
            version: String::new(),
            connected,
            draining,
            labels: Vec::new(),
            outdated: false,
            capacity: 4,
            running,
            last_seen_at: Timestamp::from_timestamp(50, 0).unwrap(),
            started_at: Timestamp::from_timestamp(0, 0).unwrap(),
            host: None,
            viewer_can: Vec::new(),
        }
    }

    #[test]
    fn one_that_drains_is_drained_when_nothing_is_left() {
        let away = Timestamp::from_timestamp(50, 0).unwrap();
        for (one, expected) in [
            (one("a", true, false, 2), State::Takes),
            (one("a", true, true, 2), State::Draining(2)),
            (one("a", true, true, 0), State::Drained),
            (one("a", false, false, 2), State::Away(away, true)),
            (one("a", false, true, 0), State::Away(away, false)),
        ] {
            assert_eq!(state(&one), expected);
        }
        assert_eq!(State::Away(away, true).status(), JobStatus::Failed);
        assert_ne!(State::Away(away, false).status(), JobStatus::Failed);
    }

    #[test]
    fn those_that_are_there_come_first() {
        let all = sorted(vec![
            one("b", false, false, 0),
            one("d", true, true, 0),
            one("a", false, false, 0),
            one("c", true, false, 0),
        ]);
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["c", "d", "a", "b"]);
    }
}
