//! What a server has left, now and over its last checks: load, memory, disk, and how quickly it answers.

use dioxus::prelude::*;

use super::actions::{latency_words, percent};
use super::data::Check;
use crate::i18n::{t, tf, tn};
use crate::ui::{Meter, bytes, number};

/// From where on a share is a warning, and from where on it is bad.
const WARN: f64 = 0.8;
const BAD: f64 = 0.95;

/// A share as a bar and a figure; nothing is known of it where there is none. `more` is the exact one for whoever asks.
#[component]
pub fn Share(
    share: Option<f64>,
    text: String,
    label: String,
    #[props(default)] more: Option<String>,
) -> Element {
    let Some(share) = share else {
        return rsx! {
            if text.is_empty() {
                span { class: "dim", "–" }
            } else {
                span { class: "num", "{text}" }
            }
        };
    };
    let class = if share >= BAD {
        "mcell mcell-bad"
    } else if share >= WARN {
        "mcell mcell-warn"
    } else {
        "mcell"
    };
    let label = more
        .as_ref()
        .map_or_else(|| format!("{label}: {text}"), |more| format!("{label}: {more}"));
    rsx! {
        span { class, title: more,
            Meter { share, label, warn: WARN, bad: BAD }
            span { class: "num", "{text}" }
        }
    }
}

/// So much of so much.
pub fn of_words(used: Option<f64>, total: Option<f64>) -> Option<String> {
    let (used, total) = used.zip(total)?;
    Some(tf("overview.of", &[("n", &bytes(used)), ("all", &bytes(total))]))
}

/// The load as a figure; none where it is not known.
pub fn load_words(check: &Check) -> String {
    check.load_average.map(|load| number(load, 2)).unwrap_or_default()
}

/// What the load is shared by.
pub fn load_more(check: &Check) -> Option<String> {
    let (load, processors) = check.load_average.zip(check.processors)?;
    let processors = tn("servers.processors_n", u64::try_from(processors).unwrap_or(0));
    Some(tf(
        "servers.load_on",
        &[("load", &number(load, 2)), ("processors", &processors)],
    ))
}

/// Lowest and highest of the values that are known, and how many these are.
fn spread(values: &[Option<f64>]) -> Option<(f64, f64, usize)> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let low = known.iter().copied().reduce(f64::min)?;
    let high = known.iter().copied().reduce(f64::max)?;
    Some((low, high, known.len()))
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 40.0;

/// Where the value at a place stands, from left to right.
fn across(at: usize, count: usize) -> f64 {
    if count < 2 {
        return WIDTH;
    }
    at as f64 / (count - 1) as f64 * WIDTH
}

/// The course as a path; where a value is missing it breaks off. `top` is the highest that there can be.
fn path(values: &[Option<f64>], top: f64) -> String {
    let mut out = String::new();
    let mut joined = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            joined = false;
            continue;
        };
        let (x, share) = (
            across(at, values.len()),
            (value / top.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0),
        );
        let y = HEIGHT - 2.0 - share * (HEIGHT - 6.0);
        out.push_str(if joined { " L" } else { " M" });
        out.push_str(&format!("{x:.1} {y:.1}"));
        if !joined {
            // One value alone is a dot.
            out.push_str(" h0.1");
        }
        joined = true;
    }
    out
}

/// One figure with its course. `said` is the course in words.
#[component]
fn Figure(label: String, now: String, values: Vec<Option<f64>>, top: f64, said: String) -> Element {
    let missing: Vec<f64> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_none())
        .map(|(at, _)| (across(at, values.len()) - 1.0).max(0.0))
        .collect();
    let line = path(&values, top);
    rsx! {
        div { class: "stat",
            dt { "{label}" }
            dd { "{now}" }
            dd { class: "srv-course-at",
                svg {
                    class: "srv-course",
                    view_box: "0 0 {WIDTH} {HEIGHT}",
                    preserve_aspect_ratio: "none",
                    role: "img",
                    "aria-label": "{label}: {said}",
                    for x in missing {
                        rect { class: "bad", x: "{x:.1}", y: "{HEIGHT - 4.0}", width: "2", height: "4" }
                    }
                    path { d: "{line}" }
                }
            }
            dd { class: "delta", "{said}" }
        }
    }
}

/// The figures of the last check that has them, with their courses. `checks` are newest first.
#[component]
pub fn Figures(checks: Vec<Check>) -> Element {
    let last = checks.first().cloned();
    let course = |figure: fn(&Check) -> Option<f64>| checks.iter().rev().map(figure).collect::<Vec<_>>();
    let said = |values: &[Option<f64>], words: fn(f64) -> String| {
        spread(values).map_or_else(
            || t("servers.no_figures"),
            |(low, high, count)| {
                tf(
                    "servers.span",
                    &[
                        ("low", &words(low)),
                        ("high", &words(high)),
                        ("checks", &tn("servers.checks_n", count as u64)),
                    ],
                )
            },
        )
    };
    let now = |figure: fn(&Check) -> Option<f64>, words: fn(f64) -> String| {
        last.as_ref()
            .and_then(figure)
            .map_or_else(|| "–".to_owned(), words)
    };
    let two = |value: f64| number(value, 2);
    let load = course(|check| check.load_average);
    // All processors at work is the top, unless there is more to do than they can.
    let processors = last
        .as_ref()
        .and_then(|check| check.processors)
        .map_or(1.0, f64::from);
    let load_top = spread(&load).map_or(processors, |(_, high, _)| high.max(processors));
    let (memory, disk) = (course(Check::memory), course(Check::disk));
    let latency = course(|check| check.latency_ms);
    let latency_top = spread(&latency).map_or(1.0, |(_, high, _)| high);
    rsx! {
        dl { class: "stats srv-stats",
            Figure { label: t("monitoring.col.load"), now: now(|check| check.load_average, two), said: said(&load, two), values: load, top: load_top }
            Figure { label: t("monitoring.col.memory"), now: now(Check::memory, percent), said: said(&memory, percent), values: memory, top: 1.0 }
            Figure { label: t("monitoring.col.disk"), now: now(Check::disk, percent), said: said(&disk, percent), values: disk, top: 1.0 }
            Figure { label: t("servers.latency"), now: now(|check| check.latency_ms, latency_words), said: said(&latency, latency_words), values: latency, top: latency_top }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_breaks_off_where_a_check_has_no_figure() {
        let drawn = path(&[Some(0.0), Some(1.0), None, Some(0.5)], 1.0);
        assert_eq!(drawn.matches('M').count(), 2, "{drawn}");
        assert_eq!(drawn.matches('L').count(), 1, "{drawn}");
        assert!(drawn.starts_with(" M0.0 38.0"), "{drawn}");
        assert!(drawn.contains(" L100.0 4.0"), "{drawn}");
        assert!(path(&[None, None], 1.0).is_empty());
    }

    #[test]
    fn what_is_higher_than_the_top_stays_inside() {
        assert!(path(&[Some(9.0)], 1.0).contains(" M300.0 4.0"));
        assert!(path(&[Some(9.0)], 0.0).contains(" M300.0 4.0"));
    }

    #[test]
    fn the_spread_is_that_of_known_values() {
        assert!(spread(&[None]).is_none());
        let (low, high, count) = spread(&[Some(3.0), None, Some(1.0)]).unwrap();
        assert!((low - 1.0).abs() < f64::EPSILON && (high - 3.0).abs() < f64::EPSILON);
        assert_eq!(count, 2);
    }
}
