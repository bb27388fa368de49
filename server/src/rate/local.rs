//! Buckets of one server, in its memory: exact, and bounded in number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use crate::kernel::{Clock, Timestamp};

use super::bucket::Bucket;
use super::{Balance, Buckets, Principal, Quota};

/// Buckets that are kept; a full one need not be.
const MOST: usize = 100_000;

/// Buckets in memory.
#[derive(Debug)]
pub struct LocalBuckets {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<Principal, (Bucket, Quota)>>,
    most: usize,
}

impl LocalBuckets {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            buckets: Mutex::default(),
            most: MOST,
        }
    }

    /// As the trait's, but at once.
    pub fn take_now(&self, principal: Principal, quota: Quota, cost: u64) -> Balance {
        let now = self.clock.now();
        self.with(principal, quota, now, |bucket| bucket.take(quota, cost, now))
    }

    /// How many drops are missing from a bucket, and when that was.
    pub fn missing(&self, principal: Principal, quota: Quota) -> (u128, Timestamp) {
        let now = self.clock.now();
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(&principal).map(|(bucket, _)| *bucket);
        let missing = bucket.map(|bucket| bucket.missing(quota, now.timestamp_micros()));
        (missing.unwrap_or_default(), now)
    }

    /// Remembers what is known of a bucket that is kept elsewhere.
    pub fn learn(&self, principal: Principal, quota: Quota, drops: u128, then: Timestamp) {
        self.with(principal, quota, then, |bucket| bucket.learn(quota, drops, then));
    }

    fn with<T>(
        &self,
        principal: Principal,
        quota: Quota,
        now: Timestamp,
        act: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.most && !buckets.contains_key(&principal) {
            // Those that are soonest full have the least to tell: a quarter of them goes, the full ones first.
            let mut all: Vec<_> = buckets
                .iter()
                .map(|(who, (bucket, quota))| (bucket.full_in(*quota, now), *who))
                .collect();
            let few = (all.len() / 4).max(1);
            all.select_nth_unstable_by_key(few - 1, |(full_in, _)| *full_in);
            for (_, who) in &all[..few] {
                buckets.remove(who);
            }
        }
        let (bucket, of) = buckets.entry(principal).or_default();
        *of = quota;
        act(bucket)
    }
}

impl Buckets for LocalBuckets {
    fn take(&self, principal: Principal, quota: Quota, cost: u64) -> BoxFuture<'_, Balance> {
        Box::pin(std::future::ready(self.take_now(principal, quota, cost)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kernel::clock::{MockClock, from_micros};

    #[test]
    fn many_principals_push_out_those_that_used_least() {
        let clock = MockClock::at(from_micros(1_700_000_000_000_000));
        let buckets = LocalBuckets {
            most: 8,
            ..LocalBuckets::new(Arc::new(clock))
        };
        let user = |n: u64| Principal::User(Uuid::from_u128(n.into()));
        for n in 1..=100 {
            let cost = if n == 1 { 90 } else { 1 };
            assert!(buckets.take_now(user(n), Quota(100), cost).wait.is_none());
            assert!(buckets.buckets.lock().unwrap().len() <= 8);
        }
        let heavy = buckets.take_now(user(1), Quota(100), 20);
        assert!(heavy.wait.is_some(), "the one that is nearly empty is remembered");
    }
}
