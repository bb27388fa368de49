//! Scalars of the API that async-graphql does not bring.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// ISO 8601 duration, for example `PT30M` or `PT1.25S`; milliseconds inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

#[Scalar(
    name = "Duration",
    specified_by_url = "https://scalars.graphql.org/andimarek/duration.html"
)]
impl ScalarType for Duration {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Self::from_iso(text)
                .ok_or_else(|| InputValueError::custom("a duration is ISO 8601, for example PT30M")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_iso())
    }
}

impl Duration {
    /// Between two moments, never negative.
    pub fn between(from: super::Timestamp, to: super::Timestamp) -> Self {
        Self((to - from).num_milliseconds().max(0))
    }

    /// Reads `PnDTnHnMnS` with a fraction of seconds at most; None when it is anything else.
    pub fn from_iso(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (days, time) = rest.split_once('T').map_or((rest, ""), |(d, t)| (d, t));
        if rest.ends_with('T') || rest.is_empty() {
            return None;
        }
        let mut total: i64 = 0;
        for (part, units) in [
            (days, &[('D', 86_400_000_i64)][..]),
            (time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)]),
        ] {
            let (mut number, mut units) = (String::new(), units);
            for c in part.chars() {
                if c.is_ascii_digit() || c == '.' {
                    number.push(c);
                    continue;
                }
                let at = units.iter().position(|(u, _)| *u == c)?;
                let scale = units[at].1;
                units = &units[at + 1..];
                total = total.checked_add(scaled(&number, scale, c == 'S')?)?;
                number.clear();
            }
            if !number.is_empty() {
                return None;
            }
        }
        Some(Self(total))
    }

    pub fn to_iso(self) -> String {
        let (hours, rest) = (self.0 / 3_600_000, self.0 % 3_600_000);
        let (minutes, millis) = (rest / 60_000, rest % 60_000);
        let mut out = String::from("PT");
        if hours != 0 {
            out += &format!("{hours}H");
        }
        if minutes != 0 {
            out += &format!("{minutes}M");
        }
        if millis % 1000 != 0 {
            let text = format!("{}.{:03}", millis / 1000, millis % 1000);
            out += text.trim_end_matches('0');
            out.push('S');
        } else if millis != 0 || out == "PT" {
            out += &format!("{}S", millis / 1000);
        }
        out
    }
}

fn scaled(number: &str, scale: i64, fraction: bool) -> Option<i64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && (!fraction || part.is_empty())) {
        return None;
    }
    let millis: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(if fraction { millis } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn durations_read_and_write_iso_8601() {
        for (text, millis) in [
            ("PT30M", 1_800_000),
            ("PT1.25S", 1250),
            ("P1DT2H", 93_600_000),
            ("PT0S", 0),
        ] {
            assert_eq!(Duration::from_iso(text), Some(Duration(millis)), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "30M",
            "PT1.5M",
            "PTS",
            "PT1S2M",
            "P1H",
            "PT99999999999999999999S",
            "PT-1S",
        ] {
            assert_eq!(Duration::from_iso(text), None, "{text}");
        }
        assert_eq!(Duration(93_601_250).to_iso(), "PT26H1.25S");
        assert_eq!(Duration(0).to_iso(), "PT0S");
    }
}
