//! How much each caller may ask for: a bucket of query cost per principal, which empties by what operations
//! cost and fills again by itself. Knows no GraphQL: a cost is a number.

mod bucket;
mod local;
mod shared;

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::kernel::ids::UserId;
use crate::kernel::{Actor, Op, Timestamp};

pub use local::LocalBuckets;
pub use shared::{SharedBuckets, Valkey};

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    User(Uuid),
    /// Of the anonymous: IPv6 by its first 64 bits, which one customer has to himself.
    Address(IpAddr),
    /// The anonymous whose address is not known: they share one.
    Nowhere,
    /// A script that runs, for its runtime calls.
    Execution(Uuid),
}

impl Principal {
    pub fn of(op: &Op) -> Self {
        match (op.actor, op.client) {
            (Actor::User { id, .. }, _) => Self::User(id.0),
            (Actor::Anonymous, Some(IpAddr::V6(address))) if address.to_ipv4_mapped().is_none() => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self::Address(IpAddr::V6(network.into()))
            }
            (Actor::Anonymous, Some(address)) => Self::Address(address.to_canonical()),
            (Actor::Anonymous, None) => Self::Nowhere,
        }
    }
}

/// How large a bucket is; an empty one is full again after [`WINDOW`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota(pub u64);

/// In what time a bucket fills.
pub const WINDOW: Duration = Duration::from_secs(60);

/// What holds for everybody; None: no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    pub signed_in: Option<Quota>,
    pub anonymous: Option<Quota>,
}

impl Rates {
    pub fn of(&self, op: &Op) -> Option<Quota> {
        match op.actor {
            Actor::User { .. } => self.signed_in,
            Actor::Anonymous => self.anonymous,
        }
    }
}

/// What people have instead of what holds for everybody.
pub trait Allowances: Send + Sync + std::fmt::Debug {
    /// None: nothing of their own. Some(None): no limit at all.
    fn of(&self, user: UserId) -> BoxFuture<'_, Option<Option<Quota>>>;
}

/// A bucket after an operation came for its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What the operation costs.
    pub cost: u64,
    pub limit: u64,
    pub remaining: u64,
    /// When the bucket will be full, if nothing more is taken.
    pub reset_at: Timestamp,
    /// Set when the bucket did not hold enough, and nothing was taken: after so long it does.
    pub wait: Option<Duration>,
}

impl Balance {
    pub fn used(&self) -> u64 {
        self.limit - self.remaining
    }

    /// Whole seconds to wait, for `Retry-After`; None when the operation may run.
    pub fn retry_after(&self) -> Option<u64> {
        let wait = self.wait?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

/// Where the buckets are.
pub trait Buckets: Send + Sync + std::fmt::Debug {
    /// Takes the whole cost or nothing. What costs more than a bucket holds takes a full one.
    fn take(&self, principal: Principal, quota: Quota, cost: u64) -> BoxFuture<'_, Balance>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Principal {
        Principal::of(&Op {
            client: Some(address.parse().unwrap()),
            ..Op::default()
        })
    }

    #[test]
    fn one_customer_has_one_bucket_whatever_address_he_takes() {
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
        assert_ne!(at("192.0.2.7"), at("192.0.2.8"));
    }
}
