//! Small charts: a meter for a share, a sparkline for a course. Sized by attributes, since the
//! content policy forbids inline style.

use dioxus::prelude::*;

/// How full something is. `share` is between 0 and 1; above `warn` it is amber, above `bad` red.
#[component]
pub fn Meter(
    share: f64,
    label: String,
    #[props(default)] wide: bool,
    #[props(default = 0.8)] warn: f64,
    #[props(default = 0.95)] bad: f64,
) -> Element {
    let share = share.clamp(0.0, 1.0);
    let colour = if share >= bad {
        "bad"
    } else if share >= warn {
        "warn"
    } else {
        ""
    };
    let width = share * 100.0;
    rsx! {
        svg {
            class: if wide { "meter meter-wide" } else { "meter" },
            view_box: "0 0 100 5",
            preserve_aspect_ratio: "none",
            role: "img",
            "aria-label": "{label}",
            rect { class: "{colour}", width: "{width:.1}", height: "5" }
        }
    }
}

/// Points of a course on 72 by 22, highest value on top. Fewer than two values make no course.
fn course(values: &[f64]) -> Option<Vec<(f64, f64)>> {
    if values.len() < 2 {
        return None;
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = 72.0 / (values.len() - 1) as f64;
    let height = |value: f64| {
        if high > low {
            20.0 - (value - low) / (high - low) * 18.0
        } else {
            11.0
        }
    };
    Some(
        values
            .iter()
            .enumerate()
            .map(|(at, value)| (at as f64 * step, height(*value)))
            .collect(),
    )
}

/// At most a dozen means of neighbours: more would be noise on so little room.
fn calmed(values: &[f64]) -> Vec<f64> {
    let group = values.len().div_ceil(12).max(1);
    values
        .chunks(group)
        .map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64)
        .collect()
}

/// The course of some values; nothing where there are too few.
#[component]
pub fn Spark(values: Vec<f64>) -> Element {
    let Some(points) = course(&calmed(&values)) else {
        return rsx! {};
    };
    let line = points
        .iter()
        .map(|(x, y)| format!("{x:.1} {y:.1}"))
        .collect::<Vec<_>>()
        .join(" ");
    let (last_x, last_y) = points.last().copied().unwrap_or_default();
    rsx! {
        svg { class: "spark", view_box: "0 0 72 22", "aria-hidden": "true",
            path { class: "area", d: "M{line} 72 22 0 22z" }
            path { d: "M{line}" }
            circle { cx: "{last_x:.1}", cy: "{last_y:.1}", r: "2" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_stays_inside_its_box() {
        let points = course(&[3.0, 9.0, -2.0, 4.0]).unwrap();
        assert!(
            points
                .iter()
                .all(|(x, y)| (0.0..=72.0).contains(x) && (0.0..=22.0).contains(y))
        );
        assert!(points[1].1 < points[2].1, "the higher value is nearer the top");
    }

    #[test]
    fn many_values_are_calmed_to_a_dozen() {
        let values: Vec<f64> = (0..48).map(f64::from).collect();
        let calm = calmed(&values);
        assert_eq!(calm.len(), 12);
        assert!((calm[0] - 1.5).abs() < f64::EPSILON);
        assert!(calmed(&[]).is_empty());
    }

    #[test]
    fn an_even_course_is_level_and_one_value_is_none() {
        assert!(
            course(&[5.0, 5.0])
                .unwrap()
                .iter()
                .all(|(_, y)| (y - 11.0).abs() < f64::EPSILON)
        );
        assert!(course(&[5.0]).is_none());
    }
}
