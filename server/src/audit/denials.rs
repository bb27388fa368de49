//! How refusals become entries: one at once, and then not more than so many in a minute, however many there
//! are. Pure, so that the bound can be tested.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::kernel::Timestamp;
use crate::kernel::denials::Denial;

/// Entries in a minute of people who are signed in, and as many of all others: whoever is not signed in can't use up
/// what names those who are. Beside them one for all that went over.
pub const BUDGET: usize = 20;
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// What is to be written now: each kind with how often, and how many of other kinds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub each: Vec<(Denial, u64)>,
    pub others: u64,
}

/// What the present minute has seen.
#[derive(Debug, Default)]
pub struct Window {
    until: Option<Timestamp>,
    named: Kinds,
    nameless: Kinds,
    others: u64,
}

#[derive(Debug, Default)]
struct Kinds {
    written: HashSet<Denial>,
    waiting: HashMap<Denial, u64>,
}

impl Kinds {
    /// Gives what is due at once, and how many found no room.
    fn take_in(&mut self, denial: Denial, count: u64) -> (Option<(Denial, u64)>, u64) {
        if !self.written.contains(&denial) && self.written.len() < BUDGET {
            self.written.insert(denial.clone());
            (Some((denial, count)), 0)
        } else if self.waiting.contains_key(&denial) || self.waiting.len() < BUDGET {
            *self.waiting.entry(denial).or_default() += count;
            (None, 0)
        } else {
            (None, count)
        }
    }

    /// What waited, which is written now.
    fn next(&mut self) -> Vec<(Denial, u64)> {
        let due: Vec<_> = self.waiting.drain().collect();
        self.written = due.iter().map(|(denial, _)| denial.clone()).collect();
        due
    }
}

impl Window {
    /// A kind that is new in this minute is due at once; again within it, at its end.
    pub fn due(&mut self, now: Timestamp, each: HashMap<Denial, u64>, others: u64) -> Due {
        let mut due = Due::default();
        if self.until.is_none_or(|until| now >= until) {
            self.until = Some(now + WINDOW);
            due.each.extend(self.named.next());
            due.each.extend(self.nameless.next());
            due.others = std::mem::take(&mut self.others);
        }
        self.others += others;
        for (denial, count) in each {
            let kinds = if denial.user.is_some() {
                &mut self.named
            } else {
                &mut self.nameless
            };
            let (now, over) = kinds.take_in(denial, count);
            due.each.extend(now);
            self.others += over;
        }
        due
    }

    /// Whether something waits for the end of the minute.
    pub fn waits(&self) -> bool {
        !self.named.waiting.is_empty() || !self.nameless.waiting.is_empty() || self.others > 0
    }

    /// Everything, because nothing will come after it.
    pub fn rest(&mut self) -> Due {
        Due {
            each: self
                .named
                .next()
                .into_iter()
                .chain(self.nameless.next())
                .collect(),
            others: std::mem::take(&mut self.others),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn denial(n: u128) -> Denial {
        Denial {
            user: Some(Uuid::from_u128(n)),
            token: None,
            client: None,
            what: "RUN_EVENTS".into(),
            why: "FORBIDDEN",
        }
    }

    #[test]
    fn a_first_refusal_is_due_at_once_and_its_repetitions_once_a_minute() {
        let (mut window, start) = (Window::default(), Timestamp::default());
        let first = window.due(start, HashMap::from([(denial(1), 1)]), 0);
        assert_eq!(first.each, [(denial(1), 1)]);
        for second in 1..60 {
            let again = HashMap::from([(denial(1), 10)]);
            assert_eq!(
                window.due(start + TimeDelta::seconds(second), again, 0),
                Due::default()
            );
        }
        let later = window.due(start + TimeDelta::seconds(60), HashMap::new(), 0);
        assert_eq!(later.each, [(denial(1), 590)]);
        assert!(!window.waits());
    }

    #[test]
    fn those_who_are_not_signed_in_use_up_nobodys_room() {
        let (mut window, start) = (Window::default(), Timestamp::default());
        let flood = (0..100).map(|n| {
            let nobody = Denial {
                user: None,
                client: Some(std::net::Ipv4Addr::from(n).into()),
                ..denial(0)
            };
            (nobody, 1)
        });
        assert_eq!(window.due(start, flood.collect(), 0).each.len(), BUDGET);
        let named = window.due(start, HashMap::from([(denial(1), 1)]), 0);
        assert_eq!(named.each, [(denial(1), 1)]);
    }

    #[test]
    fn a_flood_of_every_kind_makes_a_bounded_number_of_entries_and_none_is_forgotten() {
        let (mut window, start) = (Window::default(), Timestamp::default());
        let (mut entries, mut counted) = (0, 0);
        for second in 0..600 {
            let flood = (0..500).map(|n| (denial(second * 500 + n), 2)).collect();
            let due = window.due(start + TimeDelta::seconds(second as i64), flood, 7);
            entries += due.each.len() + usize::from(due.others > 0);
            counted += due.each.iter().map(|(_, n)| n).sum::<u64>() + due.others;
        }
        let rest = window.rest();
        counted += rest.each.iter().map(|(_, n)| n).sum::<u64>() + rest.others;
        assert_eq!(counted, 600 * (500 * 2 + 7));
        assert!(entries <= 10 * (BUDGET + 1), "{entries} entries in ten minutes");
    }
}
