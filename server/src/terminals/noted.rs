//! Who has been noted in the audit log as watching which terminal, so that one who goes on watching fills no log. Kept
//! by each server for itself: what it forgets is noted once more. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use crate::kernel::Timestamp;

use super::limits::NOTED;

/// Entries that are kept; beyond that, all are forgotten.
const MOST: usize = 10_000;

/// By credential and terminal, when it was noted: what somebody else does with a stolen one is noted by itself.
#[derive(Debug, Default)]
pub struct Noted(HashMap<(Uuid, Uuid), Timestamp>);

impl Noted {
    /// Whether it is to be noted now that this credential watches this terminal.
    pub fn is_due(&self, credential: Uuid, terminal: Uuid, now: Timestamp) -> bool {
        let noted = self.0.get(&(credential, terminal));
        noted.is_none_or(|at| now - *at >= NOTED)
    }

    /// It was noted.
    pub fn add(&mut self, credential: Uuid, terminal: Uuid, now: Timestamp) {
        if self.0.len() >= MOST {
            self.0.retain(|_, at| now - *at < NOTED);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert((credential, terminal), now);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::kernel::clock::from_micros;

    const ME: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const TERMINAL: Uuid = Uuid::from_u128(3);

    #[test]
    fn whoever_goes_on_watching_is_noted_once_an_hour() {
        let now = from_micros(1_700_000_000_000_000);
        let mut noted = Noted::default();
        assert!(noted.is_due(ME, TERMINAL, now));
        noted.add(ME, TERMINAL, now);
        assert!(!noted.is_due(ME, TERMINAL, now + TimeDelta::minutes(59)));
        assert!(noted.is_due(ME, TERMINAL, now + TimeDelta::minutes(60)));
        assert!(noted.is_due(OTHER, TERMINAL, now));
        assert!(noted.is_due(ME, OTHER, now));
    }

    #[test]
    fn it_stays_small_and_the_newest_is_known() {
        let mut now = from_micros(1_700_000_000_000_000);
        let mut noted = Noted::default();
        for n in 0..3 * MOST as u128 {
            now += TimeDelta::milliseconds(n as i64 % 2);
            noted.add(Uuid::from_u128(n), TERMINAL, now);
            assert!(noted.0.len() <= MOST);
            assert!(!noted.is_due(Uuid::from_u128(n), TERMINAL, now));
        }
        // What is old makes room by itself.
        noted.add(ME, TERMINAL, now + TimeDelta::hours(2));
        assert!(noted.0.len() <= MOST);
    }
}
