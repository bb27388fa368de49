//! How far the log of a job was read, and the cursors that say it. Pure.

use std::collections::BTreeMap;
use std::fmt;

use async_graphql::ID;

use crate::kernel::ids::ExecutionId;

/// Slots that one job may have.
const MOST: usize = 100;

/// How far each slot of a job was read: its attempt, and the last line of that. What is missing was not read at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<i32, (i32, u64)>);

impl Places {
    /// The last line of an attempt that was read; None: a later attempt was read already.
    pub fn of(&self, slot: i32, attempt: i32) -> Option<u64> {
        match self.0.get(&slot) {
            Some((known, _)) if *known > attempt => None,
            Some((known, seq)) if *known == attempt => Some(*seq),
            _ => Some(0),
        }
    }

    pub fn set(&mut self, slot: i32, attempt: i32, seq: u64) {
        self.0.insert(slot, (attempt, seq));
    }

    fn parse(text: &str) -> Option<Self> {
        let mut places = Self::default();
        for place in text.split(',') {
            let mut numbers = place.split('.');
            let slot = numbers.next()?.parse().ok()?;
            let attempt = numbers.next()?.parse().ok()?;
            let seq = numbers.next()?.parse().ok()?;
            if numbers.next().is_some() || places.0.len() == MOST {
                return None;
            }
            places.set(slot, attempt, seq);
        }
        Some(places)
    }
}

/// `slot.attempt.seq` of each, with commas.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (slot, (attempt, seq))) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{slot}.{attempt}.{seq}")?;
        }
        Ok(())
    }
}

/// After what a reader goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// A line of one execution; the only cursor of jobs with one slot.
    Line(ExecutionId, u64),
    Places(Places),
}

impl After {
    /// Reads a cursor; None: it is none. The global id of an execution has neither dots nor commas.
    pub fn parse(text: &str) -> Option<Self> {
        match text.rsplit_once(':') {
            Some((execution, seq)) => {
                let execution = ExecutionId::parse(&ID(execution.to_owned())).ok()?;
                Some(Self::Line(execution, seq.parse().ok()?))
            }
            None => Places::parse(text).map(Self::Places),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_read_of_a_later_attempt_passes_the_earlier_ones() {
        let mut places = Places::default();
        assert_eq!(places.of(3, 1), Some(0));
        places.set(3, 2, 7);
        assert_eq!(
            [1, 2, 3].map(|attempt| places.of(3, attempt)),
            [None, Some(7), Some(0)]
        );
        assert_eq!(places.of(4, 1), Some(0));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let line = format!("{}:42", ExecutionId(Uuid::from_u128(1)).global().as_str());
        let expected = After::Line(ExecutionId(Uuid::from_u128(1)), 42);
        assert_eq!(After::parse(&line), Some(expected));
        let many = vec!["0.1.2"; MOST + 1].join(",");
        assert!(After::parse(&many).is_some(), "one slot many times");
        let slots: Vec<_> = (0..=MOST).map(|slot| format!("{slot}.1.2")).collect();
        for bad in [
            "",
            ":",
            "x:1",
            "0.1",
            "0.1.2.3",
            "0.1.2,",
            "0.1.-2",
            "a.b.c",
            &slots.join(","),
        ] {
            assert_eq!(After::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_says_what_was_read(
            read in proptest::collection::btree_map(0..100_i32, (1..30_i32, any::<u64>()), 1..100),
        ) {
            let places = Places(read);
            let text = places.to_string();
            prop_assert!(text.len() < 4096);
            prop_assert_eq!(After::parse(&text), Some(After::Places(places)));
        }
    }
}
