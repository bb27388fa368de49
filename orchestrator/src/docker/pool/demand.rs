//! How many containers are to wait, by what was asked for lately. Pure: times come from outside.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// As many as were asked for in this time are wanted again: the next burst may be like the last.
const BURST: Duration = Duration::from_secs(60);
/// One waits for so long after the last that was asked for.
const LASTING: Duration = Duration::from_mins(15);
/// Moments that are kept of one class.
const MOMENTS: usize = 64;

/// What was asked for, by class.
#[derive(Debug)]
pub struct Demand<K>(HashMap<K, VecDeque<Instant>>);

impl<K> Default for Demand<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Demand<K> {
    pub fn asked(&mut self, class: &K, now: Instant) {
        let moments = self.0.entry(class.clone()).or_default();
        moments.push_back(now);
        if moments.len() > MOMENTS {
            moments.pop_front();
        }
    }

    /// As if it had never been asked for.
    pub fn forget(&mut self, class: &K) {
        self.0.remove(class);
    }

    /// How many of each class, at most so many in all: those asked for last come first.
    pub fn wanted(&mut self, most: usize, now: Instant) -> Vec<(K, usize)> {
        self.0.retain(|_, moments| {
            let last = moments.back();
            last.is_some_and(|at| now.duration_since(*at) < LASTING)
        });
        let mut classes: Vec<_> = self
            .0
            .iter()
            .map(|(class, moments)| {
                let lately = moments.iter().filter(|at| now.duration_since(**at) < BURST);
                (moments.back().copied(), class.clone(), lately.count().max(1))
            })
            .collect();
        classes.sort_by_key(|(last, ..)| std::cmp::Reverse(*last));
        // One of each first, so that a busy class does not take the place of all others.
        let mut left = most.saturating_sub(classes.len().min(most));
        let each = classes.into_iter().take(most);
        each.map(|(_, class, wanted)| {
            let more = (wanted - 1).min(left);
            left -= more;
            (class, 1 + more)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(demand: &mut Demand<char>, most: usize, now: Instant) -> Vec<(char, usize)> {
        let mut wanted = demand.wanted(most, now);
        wanted.sort_unstable();
        wanted
    }

    #[test]
    fn a_burst_is_expected_again_then_one_waits_then_none() {
        let (mut demand, start) = (Demand::default(), Instant::now());
        assert_eq!(wanted(&mut demand, 4, start), []);
        for _ in 0..3 {
            demand.asked(&'a', start);
        }
        assert_eq!(wanted(&mut demand, 4, start), [('a', 3)]);
        assert_eq!(wanted(&mut demand, 2, start), [('a', 2)]);
        assert_eq!(wanted(&mut demand, 4, start + BURST), [('a', 1)]);
        assert_eq!(wanted(&mut demand, 4, start + LASTING), []);
    }

    #[test]
    fn a_busy_class_leaves_one_to_each_other_and_the_latest_come_first() {
        let (mut demand, start) = (Demand::default(), Instant::now());
        for (class, times, at) in [('a', 1, 0), ('b', 50, 1), ('c', 2, 2)] {
            for _ in 0..times {
                demand.asked(&class, start + Duration::from_secs(at));
            }
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(wanted(&mut demand, 6, now), [('a', 1), ('b', 3), ('c', 2)]);
        assert_eq!(wanted(&mut demand, 2, now), [('b', 1), ('c', 1)]);
        assert_eq!(wanted(&mut demand, 0, now), []);
    }
}
