//! Runs over time as stacked bars on one axis that ends now. Drawn at the width that it has.

use std::time::Duration;

use dioxus::prelude::*;

use super::data::{Point, Range};
use crate::browser;
use crate::i18n::{Locale, group_digits, t, tf};
use crate::ui::{JobStatus, StatusDot, clock};

const TOP: f64 = 20.0;
const GROUND: f64 = 114.0;
/// Where the figures of the scale stand.
const MARGIN: f64 = 38.0;

/// The smallest of 3, 6, 12, 15, 30, 60, … that is not below the highest bar, so that thirds are whole.
fn scale(highest: i32) -> i32 {
    let mut decade = 1;
    loop {
        for step in [3, 6, 12, 15] {
            if step * decade >= highest {
                return step * decade;
            }
        }
        decade = match i32::checked_mul(decade, 10) {
            Some(next) if next < i32::MAX / 15 => next,
            _ => return highest,
        };
    }
}

struct Bar {
    status: JobStatus,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn bars(series: &[Point], width: f64, top: i32) -> Vec<Bar> {
    let slot = width / series.len().max(1) as f64;
    let gap = if slot > 6.0 { 2.0 } else { slot / 4.0 };
    let mut bars = Vec::new();
    for (at, point) in series.iter().enumerate() {
        let mut ground = GROUND - 0.6;
        for (status, count) in [
            (JobStatus::Succeeded, point.succeeded),
            (JobStatus::Cancelled, point.cancelled),
            (JobStatus::Queued, point.other),
            (JobStatus::Failed, point.failed),
        ] {
            if count > 0 {
                // One failure among hundreds must still be seen.
                let height = (f64::from(count) / f64::from(top) * (GROUND - TOP)).max(2.4);
                ground -= height;
                bars.push(Bar {
                    status,
                    x: at as f64 * slot + gap / 2.0,
                    y: ground,
                    width: slot - gap,
                    height,
                });
                ground -= 0.6;
            }
        }
    }
    bars
}

/// Moments that fall on whole steps of the person's own clock, with the place of each.
fn ticks(from_ms: f64, to_ms: f64, width: f64, step_minutes: f64) -> Vec<(f64, f64)> {
    let step = step_minutes * 60_000.0;
    let offset = browser::utc_offset_minutes(to_ms) * 60_000.0;
    let mut at = ((from_ms - offset) / step).ceil() * step + offset;
    let mut found = Vec::new();
    while step > 0.0 && at <= to_ms && found.len() < 64 {
        found.push((at, (at - from_ms) / (to_ms - from_ms) * width));
        at += step;
    }
    found
}

/// The chart with its legend.
#[component]
pub(super) fn Rail(series: Vec<Point>, range: Range) -> Element {
    let mut measured = use_signal(|| 1_100.0_f64);
    let locale = Locale::current();
    let full = measured().max(240.0);
    let width = full - MARGIN;
    let top = scale(series.iter().map(Point::total).max().unwrap_or(0).max(1));
    let (Some(first), Some(last)) = (series.first(), series.last()) else {
        return rsx! {};
    };
    let (from_ms, to_ms) = (
        first.from.timestamp_millis() as f64,
        last.to.timestamp_millis() as f64,
    );
    // The last bucket is not over yet: now lies within it.
    let now_ms = browser::now_ms().clamp(from_ms, to_ms);
    let now_x = (now_ms - from_ms) / (to_ms - from_ms).max(1.0) * width;
    let labels = if width < 480.0 {
        range.label_minutes() * 2.0
    } else {
        range.label_minutes()
    };
    let word = |at: f64| match range {
        Range::Hour | Range::Day => clock(at, false),
        Range::Week | Range::Month => browser::date_label(at, locale.tag()),
    };
    let sum = |count: fn(&Point) -> i32| -> u64 {
        series
            .iter()
            .map(|point| u64::try_from(count(point)).unwrap_or(0))
            .sum()
    };
    let legend = [
        (
            JobStatus::Succeeded,
            t("status.succeeded"),
            sum(|point| point.succeeded),
        ),
        (JobStatus::Failed, t("status.failed"), sum(|point| point.failed)),
        (
            JobStatus::Cancelled,
            t("status.cancelled"),
            sum(|point| point.cancelled),
        ),
        (JobStatus::Queued, t("overview.other"), sum(|point| point.other)),
    ];
    let spoken = legend
        .iter()
        .map(|(_, word, count)| format!("{word} {count}"))
        .collect::<Vec<_>>()
        .join(", ");
    rsx! {
        section { class: "ov-rail", "aria-label": t("overview.chart"),
            div {
                // Drawing anew changes the size again, which must not happen while sizes are being told.
                onresize: move |event| async move {
                    browser::sleep(Duration::ZERO).await;
                    if let Ok(size) = event.get_content_box_size() && (size.width - *measured.peek()).abs() > 1.0 {
                        measured.set(size.width);
                    }
                },
                svg {
                    class: "rail",
                    view_box: "0 0 {full:.0} 132",
                    role: "img",
                    "aria-label": tf("overview.chart_spoken", &[("range", range.label()), ("counts", &spoken)]),
                    for third in 1..=3_i32 {
                        line { class: "grid", x1: "0", x2: "{width:.1}", y1: "{height(third):.1}", y2: "{height(third):.1}" }
                        text { x: "{full - 2.0:.1}", y: "{height(third) + 4.0:.1}", text_anchor: "end", {group_digits(u64::from((top * third / 3).unsigned_abs()))} }
                    }
                    for bar in bars(&series, width, top) {
                        rect {
                            class: "bar",
                            "data-status": bar.status.name(),
                            x: "{bar.x:.1}", y: "{bar.y:.1}", width: "{bar.width:.1}", height: "{bar.height:.1}",
                        }
                    }
                    line { class: "axis", x1: "0", x2: "{width:.1}", y1: "{GROUND}", y2: "{GROUND}" }
                    for (at, x) in ticks(from_ms, to_ms, width, labels) {
                        line { class: "tick", x1: "{x:.1}", x2: "{x:.1}", y1: "{GROUND}", y2: "120" }
                        if x > 20.0 && x < width - 14.0 {
                            text { x: "{x:.1}", y: "131", text_anchor: "middle", {word(at)} }
                        }
                    }
                    line { class: "now", x1: "{now_x:.1}", x2: "{now_x:.1}", y1: "14", y2: "117" }
                    rect { class: "now-tag", x: "{now_x - 20.0:.1}", y: "0", width: "40", height: "16", rx: "3" }
                    text { class: "now-text", x: "{now_x:.1}", y: "11.5", text_anchor: "middle", {clock(now_ms, false)} }
                }
            }
            div { class: "legend",
                for (status, word, count) in legend {
                    span { key: "{status:?}", StatusDot { status } "{word} " b { {group_digits(count)} } }
                }
            }
        }
    }
}

/// The height of a third of the scale.
fn height(third: i32) -> f64 {
    GROUND - f64::from(third) / 3.0 * (GROUND - TOP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Timestamp;

    fn point(succeeded: i32, failed: i32) -> Point {
        let at = Timestamp::from_timestamp(0, 0).unwrap();
        Point {
            from: at,
            to: at,
            succeeded,
            failed,
            cancelled: 0,
            other: 0,
        }
    }

    #[test]
    fn the_scale_has_whole_thirds_and_room_for_the_highest() {
        for highest in [1, 3, 4, 13, 48, 999, 123_456] {
            let top = scale(highest);
            assert!(top >= highest && top % 3 == 0, "{highest} gives {top}");
        }
    }

    #[test]
    fn one_failure_among_hundreds_is_seen() {
        let drawn = bars(&[point(500, 1)], 100.0, scale(501));
        let failed = drawn.iter().find(|bar| bar.status == JobStatus::Failed).unwrap();
        assert!(failed.height >= 2.4);
        assert!(drawn.iter().all(|bar| bar.x >= 0.0 && bar.x + bar.width <= 100.0));
    }

    #[test]
    fn labels_fall_on_whole_steps() {
        let hour = 3_600_000.0;
        let found = ticks(hour * 0.5, hour * 24.5, 480.0, 180.0);
        assert_eq!(found.len(), 8);
        assert!((found[0].0 - 3.0 * hour).abs() < 1.0);
    }
}
