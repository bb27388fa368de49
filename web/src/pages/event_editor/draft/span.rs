//! Lengths of time as people type them: `30s`, `5m`, `1h 30m`. A bare number is of seconds. Pure.

const UNITS: [(&str, u64); 9] = [
    ("ms", 1),
    ("s", 1_000),
    ("sec", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("seg", 1_000),
    ("", 1_000),
];
/// Longer than anything that is asked for, and far from where a float loses milliseconds.
const MOST: f64 = 1e13;

/// Milliseconds of what was typed; none where it is no length of time.
pub fn read(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase().replace(',', ".");
    if text.is_empty() {
        return None;
    }
    let mut rest = text.as_str();
    let mut all = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let millis = number.parse::<f64>().ok()? * *length as f64;
        if !(0.0..=MOST).contains(&millis) {
            return None;
        }
        all += millis.round() as u64;
        rest = after.trim_start();
    }
    Some(all)
}

/// The same as text, in the largest units that say it exactly.
pub fn write(millis: u64) -> String {
    let mut left = millis;
    let mut parts = Vec::new();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if left >= length {
            parts.push(format!("{}{unit}", left / length));
            left %= length;
        }
    }
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// As the API takes it.
pub fn iso(millis: u64) -> String {
    match millis % 1_000 {
        0 => format!("PT{}S", millis / 1_000),
        rest => format!("PT{}.{rest:03}S", millis / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        for (text, millis) in [
            ("10s", 10_000),
            (" 5 m ", 300_000),
            ("1h30m", 5_400_000),
            ("1H 30 min", 5_400_000),
            ("1,5 s", 1_500),
            ("90", 90_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("0", 0),
        ] {
            assert_eq!(read(text), Some(millis), "{text}");
        }
        for wrong in [
            "",
            " ",
            "soon",
            "s",
            "5 parsecs",
            "-5s",
            "1..2s",
            "1e3s",
            "99999999999d",
            "5m x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (millis, text) in [
            (0, "0s"),
            (10_000, "10s"),
            (600_000, "10m"),
            (5_430_000, "1h 30m 30s"),
            (1_500, "1s 500ms"),
            (86_400_000, "24h"),
        ] {
            assert_eq!(write(millis), text);
            assert_eq!(read(text), Some(millis));
        }
        assert_eq!(
            (iso(10_000), iso(1_050)),
            ("PT10S".to_owned(), "PT1.050S".to_owned())
        );
    }
}
