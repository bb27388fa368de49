//! Ranges of time and their buckets. Pure.

use chrono::TimeDelta;

use crate::kernel::Timestamp;

/// Which part of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRange {
    /// The last hour, in steps of five minutes.
    LastHour,
    /// The last 24 hours, in steps of an hour.
    Last24Hours,
    /// The last 7 days, in steps of six hours.
    Last7Days,
    /// The last 30 days, in steps of a day.
    Last30Days,
}

/// Buckets of equal length, aligned to it; the last one holds the present moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    pub from: Timestamp,
    pub to: Timestamp,
    pub step_seconds: i64,
}

impl TimeRange {
    pub fn buckets(self, now: Timestamp) -> Buckets {
        let (step, count) = match self {
            Self::LastHour => (300, 12),
            Self::Last24Hours => (3_600, 24),
            Self::Last7Days => (21_600, 28),
            Self::Last30Days => (86_400, 30),
        };
        let into = now.timestamp().rem_euclid(step);
        let whole = now - TimeDelta::nanoseconds(i64::from(now.timestamp_subsec_nanos()));
        let to = whole + TimeDelta::seconds(step - into);
        Buckets {
            from: to - TimeDelta::seconds(step * count),
            to,
            step_seconds: step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_aligned_and_hold_the_present() {
        let now = "2026-03-01T12:34:56.789Z".parse().unwrap();
        let hour = TimeRange::LastHour.buckets(now);
        assert_eq!(hour.to, "2026-03-01T12:35:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(hour.from, "2026-03-01T11:35:00Z".parse::<Timestamp>().unwrap());
        let edge = TimeRange::Last24Hours.buckets("2026-03-01T12:00:00Z".parse().unwrap());
        assert_eq!(edge.to, "2026-03-01T13:00:00Z".parse::<Timestamp>().unwrap());
    }
}
