//! The arithmetic of one bucket, in whole numbers: a unit of cost is as many drops as a window has
//! microseconds, and each microsecond gives back as many drops as the limit has units.

use std::time::Duration;

use crate::kernel::Timestamp;
use crate::kernel::clock::from_micros;

use super::{Balance, Quota, WINDOW};

/// What is missing from a full bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    drops: u128,
    at_us: i64,
}

impl Bucket {
    /// How many microseconds until it is full.
    pub fn full_in(self, quota: Quota, now: Timestamp) -> u128 {
        let missing = self.missing(quota, now.timestamp_micros());
        missing.div_ceil(u128::from(limit(quota)))
    }

    /// How many drops are missing. A clock that goes back gives nothing back.
    pub fn missing(self, quota: Quota, now_us: i64) -> u128 {
        let passed = now_us.saturating_sub(self.at_us).max(0).unsigned_abs();
        self.drops
            .saturating_sub(u128::from(passed) * u128::from(quota.0))
    }

    /// What is known of a bucket that is kept elsewhere: so much was missing then. What is remembered here
    /// already counts too, where it says more.
    pub fn learn(&mut self, quota: Quota, drops: u128, then: Timestamp) {
        let told = Self {
            drops,
            at_us: then.timestamp_micros(),
        };
        let at_us = told.at_us.max(self.at_us);
        *self = Self {
            drops: self.missing(quota, at_us).max(told.missing(quota, at_us)),
            at_us,
        };
    }

    /// Takes the cost, if all of it is there.
    pub fn take(&mut self, quota: Quota, cost: u64, now: Timestamp) -> Balance {
        let now_us = now.timestamp_micros().max(self.at_us);
        let missing = self.missing(quota, now_us);
        let wanted = missing + price(quota, cost);
        let over = wanted.saturating_sub(capacity(quota));
        *self = Self {
            drops: if over > 0 { missing } else { wanted },
            at_us: now_us,
        };
        balance(quota, cost, self.drops, over, now_us)
    }
}

fn limit(quota: Quota) -> u64 {
    quota.0.max(1)
}

/// What a full bucket holds.
fn capacity(quota: Quota) -> u128 {
    u128::from(limit(quota)) * WINDOW.as_micros()
}

/// What costs more than a bucket holds takes a full one.
fn price(quota: Quota, cost: u64) -> u128 {
    u128::from(cost.min(limit(quota))) * WINDOW.as_micros()
}

/// What a bucket with so many drops missing means for a caller; `over`: how many there were too few.
pub fn balance(quota: Quota, cost: u64, missing: u128, over: u128, now_us: i64) -> Balance {
    let limit = limit(quota);
    let full = i64::try_from(missing.div_ceil(u128::from(limit))).unwrap_or(i64::MAX);
    let used = missing.div_ceil(WINDOW.as_micros());
    Balance {
        cost,
        limit,
        remaining: limit - u64::try_from(used).unwrap_or(limit).min(limit),
        reset_at: from_micros(now_us.saturating_add(full)),
        wait: (over > 0).then(|| micros(over.div_ceil(u128::from(limit)))),
    }
}

fn micros(us: u128) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota(60);

    fn after(ms: i64) -> Timestamp {
        from_micros(1_700_000_000_000_000) + TimeDelta::milliseconds(ms)
    }

    #[test]
    fn it_empties_fills_by_itself_and_says_how_long_to_wait() {
        let mut bucket = Bucket::default();
        let first = bucket.take(QUOTA, 50, after(0));
        assert_eq!((first.remaining, first.used(), first.wait), (10, 50, None));
        assert_eq!(first.reset_at, after(50_000));
        let refused = bucket.take(QUOTA, 15, after(0));
        assert_eq!((refused.remaining, refused.retry_after()), (10, Some(5)));
        assert_eq!(bucket.take(QUOTA, 15, after(4_999)).retry_after(), Some(1));
        let second = bucket.take(QUOTA, 15, after(5_000));
        assert_eq!((second.remaining, second.wait), (0, None));
        assert_eq!(bucket.take(QUOTA, 1, after(90_000)).remaining, 59);
    }

    #[test]
    fn what_costs_more_than_a_bucket_takes_a_full_one() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(QUOTA, 1_000, after(0)).wait, None);
        assert_eq!(bucket.take(QUOTA, 1_000, after(0)).retry_after(), Some(60));
        assert_eq!(bucket.take(QUOTA, 1_000, after(60_000)).wait, None);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = Bucket::default();
        bucket.take(QUOTA, 60, after(60_000));
        assert!(bucket.take(QUOTA, 1, after(0)).wait.is_some());
        assert!(bucket.take(QUOTA, 1, after(60_500)).wait.is_some());
        assert_eq!(bucket.take(QUOTA, 1, after(61_000)).wait, None);
    }

    proptest! {
        /// In any stretch of time no more is admitted than a full bucket and what the time gave back.
        #[test]
        fn no_order_of_costs_and_pauses_gets_more_than_its_due(
            limit in 1_u64..1_000_000,
            steps in proptest::collection::vec((0_u64..2_000, 0_i64..10_000), 1..200),
        ) {
            let quota = Quota(limit);
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 0, 0_u128);
            for (cost, pause) in steps {
                now += pause;
                let balance = bucket.take(quota, cost, after(now));
                prop_assert!(balance.remaining <= balance.limit);
                if balance.wait.is_none() {
                    taken += u128::from(cost.min(limit));
                }
                let given = u128::from(limit) * 60_000 + u128::from(now.unsigned_abs()) * u128::from(limit);
                prop_assert!(taken * 60_000 <= given);
            }
        }
    }
}
