//! Refusals, counted in bounded memory until the audit log takes them. Knows no log: refusing must cost
//! nothing that an attacker could make us pay again and again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Different refusals that are kept apart at a time, of those who are signed in and of others; further ones are only
/// counted.
const KINDS: usize = 1000;

/// Who was refused what, and why. Those that are alike are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Denial {
    pub user: Option<Uuid>,
    pub token: Option<Uuid>,
    pub client: Option<IpAddr>,
    /// A scope, a field of the API, or `signIn`.
    pub what: Cow<'static, str>,
    pub why: &'static str,
}

#[derive(Debug, Default)]
struct Counts {
    each: HashMap<Denial, u64>,
    named: usize,
    others: u64,
}

impl Counts {
    fn is_full_for(&self, denial: &Denial) -> bool {
        let named = denial.user.is_some();
        let like_it = if named {
            self.named
        } else {
            self.each.len() - self.named
        };
        like_it >= KINDS && !self.each.contains_key(denial)
    }
}

/// Refusals of this process that are not in the audit log yet; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Denials(Arc<Mutex<Counts>>);

impl Denials {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, denial: Denial, times: u64) {
        let mut counts = self.lock();
        if counts.is_full_for(&denial) {
            counts.others += times;
        } else {
            if denial.user.is_some() && !counts.each.contains_key(&denial) {
                counts.named += 1;
            }
            *counts.each.entry(denial).or_default() += times;
        }
    }

    /// Refusals that are counted without being kept apart.
    pub fn add_others(&self, times: u64) {
        self.lock().others += times;
    }

    /// What was refused since the last time, and how much more.
    pub fn take(&self) -> (HashMap<Denial, u64>, u64) {
        let counts = std::mem::take(&mut *self.lock());
        (counts.each, counts.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_different_refusals_costs_bounded_memory() {
        let denials = Denials::default();
        for n in 0..KINDS as u128 * 3 {
            let denial = Denial {
                user: Some(Uuid::from_u128(n)),
                token: None,
                client: None,
                what: "RUN_EVENTS".into(),
                why: "FORBIDDEN",
            };
            denials.add(denial, 1);
        }
        let (each, others) = denials.take();
        assert_eq!((each.len(), others), (KINDS, KINDS as u64 * 2));
        assert_eq!(denials.take(), (HashMap::new(), 0));
    }
}
