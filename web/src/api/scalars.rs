//! The contract's own scalar types. Knows how each is written on the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Any JSON value.
pub type Json = serde_json::Value;

/// A length of time as ISO 8601 writes it, for example `PT1M30.5S`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IsoDuration(pub String);

impl IsoDuration {
    /// Reads days, hours, minutes and seconds; months and years have no fixed length and are refused.
    pub fn get(&self) -> Option<Duration> {
        let (days, time) = match self.0.strip_prefix('P')?.split_once('T') {
            Some((days, time)) => (days, time),
            None => (self.0.strip_prefix('P')?, ""),
        };
        let days = match days {
            "" => 0.0,
            days => days.strip_suffix('D')?.parse::<f64>().ok()?,
        };
        let mut seconds = days * 86_400.0;
        let mut rest = time;
        while let Some(at) = rest.find(|unit: char| unit.is_ascii_alphabetic()) {
            let value: f64 = rest[..at].parse().ok()?;
            seconds += value
                * match &rest[at..=at] {
                    "H" => 3_600.0,
                    "M" => 60.0,
                    "S" => 1.0,
                    _ => return None,
                };
            rest = &rest[at + 1..];
        }
        rest.is_empty()
            .then(|| Duration::try_from_secs_f64(seconds).ok())
            .flatten()
    }
}

impl From<Duration> for IsoDuration {
    fn from(time: Duration) -> Self {
        Self(format!("PT{}S", time.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_standard_writes_them() {
        let read = |text: &str| IsoDuration(text.to_owned()).get();
        assert_eq!(read("PT1.25S"), Some(Duration::from_millis(1250)));
        assert_eq!(read("PT30M"), Some(Duration::from_mins(30)));
        assert_eq!(read("P1DT2H3M4S"), Some(Duration::from_secs(93_784)));
        assert_eq!(read("P2D"), Some(Duration::from_hours(48)));
        assert_eq!(read("PT-5S"), None);
        assert_eq!(read("P1M"), None);
        assert_eq!(read("ten seconds"), None);
    }

    #[test]
    fn a_written_duration_reads_back() {
        let time = Duration::from_millis(90_500);
        assert_eq!(IsoDuration::from(time).get(), Some(time));
    }
}
