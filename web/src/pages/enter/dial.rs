//! The day as a dial: what stands beside the forms of people who are not signed in.

use dioxus::prelude::*;

use crate::browser;

/// The day as a dial, with its hand at this moment.
#[component]
pub fn Dial() -> Element {
    let minutes = {
        let now = browser::now_ms();
        (now / 60_000.0 - browser::utc_offset_minutes(now)).rem_euclid(1_440.0)
    };
    let (hand_x, hand_y) = at(minutes / 1_440.0, 205.0);
    rsx! {
        svg { class: "dial", view_box: "0 0 520 520", "aria-hidden": "true",
            for tick in 0..96_u32 {
                Tick { key: "{tick}", tick, passed: f64::from(tick) * 15.0 <= minutes }
            }
            for (hour, x, y) in [("00", 260.0, 10.0), ("06", 510.0, 260.0), ("12", 260.0, 510.0), ("18", 10.0, 260.0)] {
                text { key: "{hour}", x: "{x}", y: "{y}", "{hour}" }
            }
            line { class: "hand", x1: "260", y1: "260", x2: "{hand_x:.1}", y2: "{hand_y:.1}" }
            circle { cx: "260", cy: "260", r: "5" }
        }
    }
}

/// A point at a share of the day and a distance from the middle.
fn at(share: f64, distance: f64) -> (f64, f64) {
    let angle = share * std::f64::consts::TAU;
    (260.0 + distance * angle.sin(), 260.0 - distance * angle.cos())
}

#[component]
fn Tick(tick: u32, passed: bool) -> Element {
    let share = f64::from(tick) / 96.0;
    let hour = tick.is_multiple_of(4);
    let (x1, y1) = at(share, 222.0);
    let (x2, y2) = at(share, if hour { 234.0 } else { 228.0 });
    let (x3, y3) = at(share, 212.0);
    let (x4, y4) = at(share, if hour { 186.0 } else { 196.0 });
    rsx! {
        line { class: if hour { "tick-hour" } else { "tick" }, x1: "{x1:.1}", y1: "{y1:.1}", x2: "{x2:.1}", y2: "{y2:.1}" }
        line {
            class: if passed { "bar" } else { "next" },
            "data-status": passed.then_some("SUCCEEDED"),
            x1: "{x3:.1}", y1: "{y3:.1}", x2: "{x4:.1}", y2: "{y4:.1}",
        }
    }
}
