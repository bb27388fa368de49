//! The phases of each attempt on one axis of time; of a run on several servers, those of each server.

use std::time::Duration;

use dioxus::prelude::*;

use super::data::{Execution, JobDetail, JobTiming};
use super::lanes::Lane;
use crate::api::{IsoDuration, Timestamp};
use crate::i18n::{t, tf};
use crate::ui::{JobStatus, StatusIcon, duration, elapsed};

/// One attempt's phases, in seconds: what class and word, where it begins, how long it is.
#[derive(Debug, Clone, PartialEq)]
struct Bar {
    class: &'static str,
    key: &'static str,
    start: f64,
    length: f64,
}

fn seconds(length: Option<&IsoDuration>) -> Option<f64> {
    length
        .and_then(IsoDuration::get)
        .map(|length| length.as_secs_f64())
}

/// The bars of an attempt that begins at `start`. While it is open, the first phase that has not ended
/// grows up to `now`.
fn bars(timing: &JobTiming, start: f64, now: Option<f64>) -> Vec<Bar> {
    let phases = [
        ("ph-queued", "run.phase.queued", seconds(timing.queued.as_ref())),
        ("ph-setup", "run.phase.setup", seconds(timing.setup.as_ref())),
        ("ph-run", "run.phase.run", seconds(timing.run.as_ref())),
        (
            "ph-cleanup",
            "run.phase.cleanup",
            seconds(timing.cleanup.as_ref()),
        ),
    ];
    let mut at = start;
    let mut bars: Vec<Bar> = Vec::new();
    let ended = phases.iter().take_while(|phase| phase.2.is_some()).count();
    for (class, key, length) in phases {
        let Some(length) = length else { continue };
        bars.push(Bar {
            class,
            key,
            start: at,
            length,
        });
        at += length;
    }
    let going = phases.get(bars.len()).filter(|_| bars.len() == ended);
    if let (Some(now), Some((class, key, _))) = (now, going) {
        bars.push(Bar {
            class,
            key,
            start: at,
            length: (now - at).max(0.0),
        });
    }
    bars
}

/// When an attempt could begin, in seconds after the origin and not before the last one's end. Worked out from what is
/// known to be at a moment, since phases tell of lengths only.
fn begin(execution: &Execution, origin: Timestamp, floor: f64) -> f64 {
    let timing = &execution.timing;
    let sum = |phases: &[&Option<IsoDuration>]| -> f64 {
        let known = phases.iter().filter_map(|phase| seconds(phase.as_ref()));
        known.sum()
    };
    let after = |at: Timestamp| (at - origin).num_milliseconds() as f64 / 1_000.0;
    let (queued, setup) = (&timing.queued, &timing.setup);
    let begun = match (execution.started_at, execution.finished_at, execution.due_at) {
        (Some(started), ..) => after(started) - sum(&[queued, setup]),
        (None, Some(finished), _) => after(finished) - sum(&[queued, setup, &timing.run, &timing.cleanup]),
        (None, None, Some(due)) => after(due),
        (None, None, None) => floor,
    };
    begun.max(floor)
}

/// The bars of all attempts on one axis, with the waits between them. `now`: while the job is open.
fn timeline(executions: &[Execution], origin: Timestamp, now: Option<f64>) -> Vec<Vec<Bar>> {
    let last = executions.len().saturating_sub(1);
    let mut end = 0.0;
    let mut rows = Vec::new();
    for (at, execution) in executions.iter().enumerate() {
        let start = begin(execution, origin, end);
        let growing = now.filter(|_| at == last && !execution.status.is_final());
        let mut row = Vec::new();
        let waited = growing.map_or(start, |now| start.min(now)) - end;
        if at > 0 && waited > 0.05 {
            row.push(Bar {
                class: "ph-wait",
                key: "run.phase.wait",
                start: end,
                length: waited,
            });
        }
        if growing.is_none_or(|now| now >= start) {
            row.extend(bars(&execution.timing, start, growing));
        }
        end = row.last().map_or(end, |bar| bar.start + bar.length);
        rows.push(row);
    }
    rows
}

/// A step of the axis that gives two to five marks.
fn step(total: f64) -> f64 {
    let rough = total / 4.0;
    let steps = [
        0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    ];
    steps
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(7200.0 * (rough / 7200.0).ceil())
}

fn text(seconds: f64) -> String {
    if seconds <= 0.0 {
        return "0s".to_owned();
    }
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A row of the chart: what it is of, how that stands, and its bars.
type Row = (String, JobStatus, Vec<Bar>);

/// A row for each attempt of the only lane, or one for each of several lanes with all its attempts. `name` is what an
/// attempt is called.
fn rows(lanes: &[Lane], origin: Timestamp, now: Option<f64>, name: impl Fn(i32) -> String) -> Vec<Row> {
    if let [only] = lanes {
        let drawn = timeline(&only.executions, origin, now);
        let attempts = only.executions.iter().zip(drawn);
        return attempts
            .map(|(one, bars)| (name(one.attempt), one.status, bars))
            .collect();
    }
    lanes
        .iter()
        .map(|lane| {
            let drawn = timeline(&lane.executions, origin, now);
            (lane.name().to_owned(), lane.status(), drawn.concat())
        })
        .collect()
}

/// How long user code of a row ran, in seconds; None where it did not begin.
fn ran(bars: &[Bar]) -> Option<f64> {
    let mut lengths = bars
        .iter()
        .filter(|bar| bar.class == "ph-run")
        .map(|bar| bar.length);
    let first = lengths.next()?;
    Some(lengths.fold(first, |sum, length| sum + length))
}

/// Rows that there is room for; more of them are scrolled, for which the keyboard needs a stop.
const ROOM: usize = 4;

/// The timeline of a job.
#[component]
pub fn Phases(job: JobDetail, lanes: Vec<Lane>, now: Signal<f64>) -> Element {
    let origin = job.run_at.map_or(job.created_at, |at| at.max(job.created_at));
    let age = (!job.status.is_final()).then(|| elapsed(origin, now()).as_secs_f64());
    let name = |attempt: i32| tf("run.attempt", &[("n", &attempt.to_string())]);
    let mut rows = rows(&lanes, origin, age, name);
    if rows.is_empty() {
        rows.push((name(1), job.status, bars(&job.timing, 0.0, age)));
    }
    let of = if lanes.len() > 1 {
        "targets.title"
    } else {
        "run.attempts"
    };
    let scrolls = rows.len() > ROOM;
    let waited = rows
        .iter()
        .any(|row| row.2.iter().any(|bar| bar.class == "ph-wait"));
    let total = rows
        .iter()
        .filter_map(|row| row.2.last())
        .map(|bar| bar.start + bar.length)
        .fold(0.1, f64::max);
    let step = step(total);
    let width = total * 1.02;
    let x = move |seconds: f64| seconds / width * 1000.0;
    let marks: Vec<f64> = (0..)
        .map(|n| f64::from(n) * step)
        .take_while(|at| *at <= total)
        .take(8)
        .collect();
    rsx! {
        section { class: "run-top", tabindex: if scrolls { "0" }, "aria-label": t("run.phases"),
            div { class: "phases",
                span { class: "sub", {t(of)} }
                svg { class: "phase-scale", height: "14", role: "presentation", "aria-hidden": "true",
                    for at in marks.clone() {
                        text { key: "{at}", x: "{x(at) / 10.0}%", y: "11", {text(at)} }
                    }
                }
                span { class: "sub", {t("run.run_time")} }
                for (at, (name, status, bars)) in rows.into_iter().enumerate() {
                    span { key: "{at}", class: "phase-name", StatusIcon { status } span { class: "name", title: "{name}", "{name}" } }
                    span { "data-status": status.name(),
                        svg {
                            class: "phase-bar",
                            view_box: "0 0 1000 12",
                            preserve_aspect_ratio: "none",
                            role: "img",
                            "aria-label": described(&name, &bars),
                            for mark in marks.iter().skip(1) {
                                line { key: "{mark}", class: "grid", x1: "{x(*mark)}", x2: "{x(*mark)}", y1: "-8", y2: "20" }
                            }
                            for (nth, bar) in bars.iter().enumerate() {
                                rect {
                                    key: "{nth}",
                                    class: bar.class,
                                    x: "{x(bar.start):.1}",
                                    y: if bar.class == "ph-wait" { "5.5" } else { "1" },
                                    width: "{x(bar.length).max(1.5) - 1.0:.1}",
                                    height: if bar.class == "ph-wait" { "1" } else { "10" },
                                    title { {format!("{} {}", t(bar.key), text(bar.length))} }
                                }
                            }
                        }
                    }
                    span { class: "num dim",
                        {ran(&bars).map_or("—".to_owned(), text)}
                    }
                }
            }
            div { class: "legend",
                for (class, key) in [("ph-queued", "run.phase.queued"), ("ph-setup", "run.phase.setup"), ("ph-run", "run.phase.run"), ("ph-cleanup", "run.phase.cleanup")] {
                    span { key: "{class}", "data-status": job.status.name(),
                        svg { width: "8", height: "8", "aria-hidden": "true", rect { class, width: "8", height: "8", rx: "2" } }
                        {t(key)}
                    }
                }
                if waited {
                    span {
                        svg { width: "12", height: "8", "aria-hidden": "true", rect { class: "ph-wait", y: "3.5", width: "12", height: "1" } }
                        {t("run.phase.wait")}
                    }
                }
            }
        }
    }
}

fn described(name: &str, bars: &[Bar]) -> String {
    let parts: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", t(bar.key), text(bar.length)))
        .collect();
    format!("{name}: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::run::data::tests::{execution, on};
    use crate::pages::run::lanes::lanes;

    fn timing(lengths: [Option<&str>; 4]) -> JobTiming {
        let [queued, setup, run, cleanup] = lengths.map(|l| l.map(|l| IsoDuration(l.to_owned())));
        JobTiming {
            queued,
            setup,
            run,
            cleanup,
        }
    }

    fn spans(bars: &[Bar]) -> Vec<(&str, f64, f64)> {
        bars.iter().map(|b| (b.class, b.start, b.length)).collect()
    }

    #[test]
    fn phases_follow_each_other() {
        let done = bars(
            &timing([Some("PT1S"), Some("PT2S"), Some("PT4S"), Some("PT0.5S")]),
            0.0,
            None,
        );
        assert_eq!(
            spans(&done),
            [
                ("ph-queued", 0.0, 1.0),
                ("ph-setup", 1.0, 2.0),
                ("ph-run", 3.0, 4.0),
                ("ph-cleanup", 7.0, 0.5)
            ]
        );
    }

    #[test]
    fn the_phase_that_goes_on_grows() {
        let open = bars(&timing([Some("PT1S"), Some("PT2S"), None, None]), 0.0, Some(10.0));
        assert_eq!(
            spans(&open),
            [
                ("ph-queued", 0.0, 1.0),
                ("ph-setup", 1.0, 2.0),
                ("ph-run", 3.0, 7.0)
            ]
        );
        let waiting = bars(&timing([None; 4]), 0.0, Some(3.0));
        assert_eq!(spans(&waiting), [("ph-queued", 0.0, 3.0)]);
        assert!(bars(&timing([None; 4]), 0.0, None).is_empty());
    }

    #[test]
    fn attempts_stand_where_they_were_with_the_wait_between_them() {
        let at = |seconds: i64| Timestamp::from_timestamp(1_000 + seconds, 0);
        let mut first = execution(1, JobStatus::Failed);
        first.timing = timing([Some("PT1S"), Some("PT1S"), Some("PT3S"), Some("PT0.5S")]);
        (first.started_at, first.finished_at) = (at(2), at(6));
        let mut second = execution(2, JobStatus::Queued);
        second.due_at = at(16);
        let origin = at(0).unwrap();
        let rows = timeline(&[first.clone(), second.clone()], origin, Some(9.5));
        assert_eq!(spans(&rows[0]).last(), Some(&("ph-cleanup", 5.0, 0.5)));
        assert_eq!(
            spans(&rows[1]),
            [("ph-wait", 5.5, 4.0)],
            "it has waited so long by now"
        );
        second.due_at = None;
        second.status = JobStatus::Running;
        second.timing = timing([Some("PT2S"), Some("PT1S"), None, None]);
        second.started_at = at(19);
        let rows = timeline(&[first, second], origin, Some(21.0));
        assert_eq!(
            spans(&rows[1]),
            [
                ("ph-wait", 5.5, 10.5),
                ("ph-queued", 16.0, 2.0),
                ("ph-setup", 18.0, 1.0),
                ("ph-run", 19.0, 2.0)
            ]
        );
    }

    #[test]
    fn each_of_several_servers_has_one_row_with_all_its_attempts() {
        let at = |seconds: i64| Timestamp::from_timestamp(1_000 + seconds, 0);
        let mut first = on("web", 1, JobStatus::Failed);
        first.timing = timing([Some("PT1S"), Some("PT1S"), Some("PT3S"), Some("PT1S")]);
        first.started_at = at(2);
        let mut second = on("web", 2, JobStatus::Succeeded);
        second.timing = timing([Some("PT0.5S"), Some("PT0.5S"), Some("PT2S"), Some("PT1S")]);
        second.started_at = at(11);
        let mut other = on("db", 1, JobStatus::Queued);
        other.timing = timing([None; 4]);
        let found = rows(&lanes(&[first, other, second]), at(0).unwrap(), Some(20.0), |n| {
            n.to_string()
        });
        let names: Vec<(&str, JobStatus)> = found.iter().map(|row| (row.0.as_str(), row.1)).collect();
        assert_eq!(names, [("web", JobStatus::Succeeded), ("db", JobStatus::Queued)]);
        let runs: Vec<_> = spans(&found[0].2)
            .into_iter()
            .filter(|bar| bar.0 == "ph-run")
            .collect();
        assert_eq!(runs, [("ph-run", 2.0, 3.0), ("ph-run", 11.0, 2.0)]);
        assert_eq!(ran(&found[0].2), Some(5.0));
        assert_eq!(
            spans(&found[1].2),
            [("ph-queued", 0.0, 20.0)],
            "it waits for its turn"
        );
        assert_eq!(ran(&found[1].2), None);
    }

    #[test]
    fn what_failed_before_it_began_stands_before_its_end() {
        let mut one = execution(1, JobStatus::Failed);
        one.timing = timing([Some("PT2S"), Some("PT3S"), None, None]);
        one.finished_at = Timestamp::from_timestamp(1_005, 0);
        let origin = Timestamp::from_timestamp(1_000, 0).unwrap();
        assert!(begin(&one, origin, 0.0).abs() < 0.001);
        assert!(
            (begin(&one, origin, 0.4) - 0.4).abs() < 0.001,
            "not before the last one's end"
        );
    }

    #[test]
    fn the_axis_has_a_few_round_marks() {
        for total in [0.3, 2.0, 41.0, 125.0, 5000.0, 90_000.0] {
            let marks = (total / step(total)) as usize;
            assert!((1..=5).contains(&marks), "{total}: {marks}");
        }
    }
}
