//! Figures as people read them: lengths of time, moments, sizes. Knows the language of the page.

use std::time::Duration;

use dioxus::prelude::*;

use crate::api::Timestamp;
use crate::browser;
use crate::i18n::{Locale, group_digits, t, tf};

/// A length of time in at most two units: `320ms`, `6.4s`, `1m 52s`, `3h 49m`, `2d 4h`.
pub fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    let seconds = time.as_secs();
    if millis < 1_000 {
        format!("{millis}ms")
    } else if seconds < 10 && millis % 1_000 >= 50 {
        format!("{}s", number(time.as_secs_f64(), 1))
    } else if seconds < 60 {
        format!("{seconds}s")
    } else if seconds < 3_600 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else if seconds < 86_400 {
        format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60)
    } else {
        format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600)
    }
}

/// The time between two moments, none when the first is the later.
pub fn elapsed(from: Timestamp, to_ms: f64) -> Duration {
    Duration::try_from_secs_f64((to_ms - from.timestamp_millis() as f64) / 1_000.0).unwrap_or_default()
}

/// The time from now to a moment, none when it has passed.
pub fn until(to: Timestamp, now_ms: f64) -> Duration {
    let millis = to.timestamp_millis() as f64 - now_ms;
    // Whole seconds, the one that runs included: a clock that counts down.
    Duration::try_from_secs_f64((millis / 1_000.0).ceil()).unwrap_or_default()
}

/// How long ago a moment was, in one unit.
pub fn ago(at: Timestamp, now_ms: f64) -> String {
    let seconds = elapsed(at, now_ms).as_secs();
    let (key, count) = match seconds {
        0..5 => return t("time.now"),
        5..60 => ("time.seconds", seconds),
        60..3_600 => ("time.minutes", seconds / 60),
        3_600..86_400 => ("time.hours", seconds / 3_600),
        _ => ("time.days", seconds / 86_400),
    };
    tf(key, &[("n", &group_digits(count))])
}

/// A number with a fixed count of decimals, with the language's own decimal mark.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match Locale::current() {
        Locale::En => text,
        Locale::Es => text.replace('.', ","),
    }
}

/// A size in the unit that leaves one to three digits before the mark.
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count.max(0.0);
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 10.0);
    format!("{} {}", number(value, decimals), UNITS[unit])
}

/// A moment on the clock of the person's place: `09:41`, with seconds `09:41:19`.
pub fn clock(at_ms: f64, seconds: bool) -> String {
    let local = (at_ms / 1_000.0 - browser::utc_offset_minutes(at_ms) * 60.0).rem_euclid(86_400.0) as u32;
    let (hours, minutes) = (local / 3_600, local % 3_600 / 60);
    if seconds {
        format!("{hours:02}:{minutes:02}:{:02}", local % 60)
    } else {
        format!("{hours:02}:{minutes:02}")
    }
}

/// The time now in milliseconds, renewed as often as `every` says.
pub fn use_now(every: Duration) -> Signal<f64> {
    let mut now = use_signal(browser::now_ms);
    use_future(move || async move {
        loop {
            browser::sleep(every).await;
            now.set(browser::now_ms());
        }
    });
    now
}

/// How long ago, with the exact moment for whoever wants it.
#[component]
pub fn TimeAgo(at: Timestamp, now: Signal<f64>) -> Element {
    let exact = at.to_rfc3339();
    rsx! {
        time { datetime: "{exact}", title: "{exact}", {ago(at, now())} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_two_units_at_most() {
        // Whole units only: the decimal mark needs the language, which needs a running application.
        let text = |seconds: u64| duration(Duration::from_secs(seconds));
        assert_eq!(duration(Duration::from_millis(320)), "320ms");
        assert_eq!(text(6), "6s");
        assert_eq!(text(52), "52s");
        assert_eq!(text(112), "1m 52s");
        assert_eq!(text(13_740), "3h 49m");
        assert_eq!(text(187_200), "2d 4h");
    }

    #[test]
    fn clocks_wrap_at_midnight() {
        assert_eq!(clock(0.0, false), "00:00");
        assert_eq!(clock(86_399_000.0, true), "23:59:59");
    }

    #[test]
    fn a_moment_to_come_is_no_time_ago() {
        let at = Timestamp::from_timestamp(100, 0).unwrap();
        assert_eq!(elapsed(at, 50_000.0), Duration::ZERO);
        assert_eq!(elapsed(at, 101_500.0), Duration::from_millis(1_500));
        assert_eq!(until(at, 98_500.0), Duration::from_secs(2));
        assert_eq!(until(at, 101_500.0), Duration::ZERO);
    }
}
