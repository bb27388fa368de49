//! Kinds of limits, and which of several levels counts. Pure.

use chrono::{Datelike as _, NaiveDate};
use uuid::Uuid;

use crate::kernel::Timestamp;
use crate::kernel::error::{Checks, UserErrorCode};

/// What is limited. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Events,
    JobsPerMonth,
    ConcurrentJobs,
    LogRetentionDays,
    ApiCostPerMinute,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Events,
        Self::JobsPerMonth,
        Self::ConcurrentJobs,
        Self::LogRetentionDays,
        Self::ApiCostPerMinute,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "EVENTS",
            Self::JobsPerMonth => "JOBS_PER_MONTH",
            Self::ConcurrentJobs => "CONCURRENT_JOBS",
            Self::LogRetentionDays => "LOG_RETENTION_DAYS",
            Self::ApiCostPerMinute => "API_COST_PER_MINUTE",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The smallest limit that makes sense: logs of today are never removed, and a page of the dashboard can be read.
    fn least(self) -> i64 {
        match self {
            Self::LogRetentionDays => 1,
            Self::ApiCostPerMinute => 1_000,
            _ => 0,
        }
    }

    /// The greatest limit: more is no limit at all. Days stay within the calendar of the database.
    fn most(self) -> i64 {
        match self {
            Self::LogRetentionDays => 36_500,
            Self::ApiCostPerMinute => 100_000_000,
            _ => 1_000_000_000,
        }
    }
}

/// Where a limit comes from, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Installation,
    Role,
    User,
}

/// A limit as it is set at some level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub kind: Kind,
    pub level: Level,
    /// None: no limit, also where a wider level has one.
    pub limit: Option<i64>,
}

/// The limits that count for one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits(Vec<Setting>);

impl Limits {
    /// Of each kind the setting of the narrowest level.
    pub fn of(settings: impl IntoIterator<Item = Setting>) -> Self {
        let mut found: Vec<Setting> = Vec::new();
        for setting in settings {
            match found.iter_mut().find(|known| known.kind == setting.kind) {
                Some(known) if known.level < setting.level => *known = setting,
                Some(_) => {}
                None => found.push(setting),
            }
        }
        Self(found)
    }

    pub fn setting(&self, kind: Kind) -> Option<Setting> {
        self.0.iter().find(|setting| setting.kind == kind).copied()
    }

    /// None: no limit.
    pub fn limit(&self, kind: Kind) -> Option<i64> {
        self.setting(kind).and_then(|setting| setting.limit)
    }

    /// Whether a job has to be counted before it is accepted.
    pub fn count_jobs(&self) -> bool {
        self.limit(Kind::JobsPerMonth).is_some() || self.limit(Kind::ConcurrentJobs).is_some()
    }
}

/// What a person has of each kind that is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub events: i64,
    pub jobs_this_month: i64,
    pub active_jobs: i64,
}

impl Usage {
    /// None: nothing to count.
    pub fn of(&self, kind: Kind) -> Option<i64> {
        match kind {
            Kind::Events => Some(self.events),
            Kind::JobsPerMonth => Some(self.jobs_this_month),
            Kind::ConcurrentJobs => Some(self.active_jobs),
            Kind::LogRetentionDays | Kind::ApiCostPerMinute => None,
        }
    }
}

/// Why one more is refused, for the person who asked.
pub fn refusal(kind: Kind, limit: i64) -> String {
    match kind {
        Kind::Events => {
            format!("The quota of {limit} events is used up. Delete one, or ask an administrator for more.")
        }
        Kind::JobsPerMonth => format!(
            "The quota of {limit} jobs in a calendar month (UTC) is used up. Ask an administrator for more."
        ),
        Kind::ConcurrentJobs => {
            format!("The quota of {limit} jobs at a time is used up. Wait until one ends, or cancel one.")
        }
        Kind::LogRetentionDays | Kind::ApiCostPerMinute => String::new(),
    }
}

/// The calendar month (UTC) that a moment is in: its start, and the start of the next.
pub fn month(at: Timestamp) -> (Timestamp, Timestamp) {
    let (year, month) = (at.year(), at.month());
    let start = |year, month| {
        NaiveDate::from_ymd_opt(year, month, 1)
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or(at, |time| time.and_utc())
    };
    let (next_year, next_month) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    (start(year, month), start(next_year, next_month))
}

/// What is wrong with limits that somebody wants to set.
pub fn check(limits: &[(Kind, Option<i64>)], checks: &mut Checks) {
    for (at, (kind, limit)) in limits.iter().enumerate() {
        let twice = limits[..at].iter().any(|(other, _)| other == kind);
        checks.require(
            !twice,
            UserErrorCode::Invalid,
            &format!("limits.{at}.kind"),
            "Each kind stands here once.",
        );
        let (least, most) = (kind.least(), kind.most());
        if limit.is_some_and(|limit| !(least..=most).contains(&limit)) {
            let message = format!("A limit from {least} to {most}; null for none.");
            checks.add(UserErrorCode::Invalid, &format!("limits.{at}.limit"), message);
        }
    }
}

/// Who has limits. The nil id stands for the installation.
pub const INSTALLATION: Uuid = Uuid::nil();

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(level: Level, limit: Option<i64>) -> Setting {
        let kind = Kind::Events;
        Setting { kind, level, limit }
    }

    #[test]
    fn the_narrowest_level_counts_also_when_it_lifts_a_limit() {
        let (wide, role) = (
            setting(Level::Installation, Some(5)),
            setting(Level::Role, Some(9)),
        );
        assert_eq!(Limits::of([wide, role]).limit(Kind::Events), Some(9));
        assert_eq!(Limits::of([role, wide]).limit(Kind::Events), Some(9));
        assert_eq!(
            Limits::of([wide, setting(Level::User, None), role]).limit(Kind::Events),
            None
        );
        assert_eq!(Limits::of([wide]).limit(Kind::ConcurrentJobs), None);
    }

    #[test]
    fn a_month_is_the_calendars_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            month(at("2024-02-29T23:59:59Z")),
            (at("2024-02-01T00:00:00Z"), at("2024-03-01T00:00:00Z"))
        );
        assert_eq!(
            month(at("2026-12-31T23:59:59Z")),
            (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
        );
    }

    #[test]
    fn names_are_read_back() {
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| Kind::named(kind.name()) == Some(*kind))
        );
        assert_eq!(Kind::named("NOTHING"), None);
    }
}
