//! Whose turn it is among the runs of one event. Pure.

use crate::events::{Overlap, Policy};

/// The runs of an event that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line {
    /// Those that have a place: given out, running, or free to be.
    pub active: usize,
    /// Those of them that were asked to stop.
    pub stopping: usize,
    /// Those that wait for a place.
    pub waiting: usize,
}

/// What becomes of one more run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has a place.
    Go,
    /// It waits for one.
    Wait,
    Skip,
    /// It waits for a place of its own: so many of the oldest are stopped, and those that wait give way.
    Replace {
        stop: usize,
    },
}

/// Decides for a run under this policy.
pub fn turn(policy: &Policy, line: Line) -> Turn {
    let Some(places) = policy.places() else {
        return Turn::Go;
    };
    let places = usize::try_from(places).unwrap_or_default().max(1);
    if line.active < places && line.waiting == 0 {
        return Turn::Go;
    }
    match policy.overlap {
        Overlap::Skip => Turn::Skip,
        Overlap::QueueOne if line.waiting > 0 => Turn::Skip,
        Overlap::QueueOne | Overlap::Allow => Turn::Wait,
        Overlap::Replace => Turn::Replace {
            stop: (line.active - line.stopping + 1).saturating_sub(places),
        },
    }
}

/// How many of those that wait get a place, in their order: each needs fewer before it than its policy has places.
pub fn released(active: usize, waiting: &[Option<i32>]) -> usize {
    let fits = |(before, places): (usize, &Option<i32>)| {
        places.is_none_or(|places| active + before < usize::try_from(places).unwrap_or_default().max(1))
    };
    waiting.iter().enumerate().take_while(|at| fits(*at)).count()
}

/// What a run that waits is told.
pub fn waits(policy: &Policy) -> String {
    match policy.places() {
        Some(1) => "Waits for its turn: this event runs once at a time.".into(),
        places => format!(
            "Waits for its turn: this event runs at most {} times at a time.",
            places.unwrap_or_default()
        ),
    }
}

/// What a run that is skipped is told.
pub fn skipped(policy: &Policy) -> &'static str {
    match policy.overlap {
        Overlap::QueueOne => "Skipped: another run of this event waits already (overlap policy QUEUE_ONE).",
        _ => "Skipped: another run of this event had not ended (overlap policy SKIP).",
    }
}

/// What a run that gives way is told.
pub const REPLACED: &str = "Replaced by a newer run of this event (overlap policy REPLACE).";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(overlap: Overlap, max_concurrent: Option<i32>) -> Policy {
        Policy {
            overlap,
            max_concurrent,
            ..Policy::default()
        }
    }

    fn line(active: usize, stopping: usize, waiting: usize) -> Line {
        Line {
            active,
            stopping,
            waiting,
        }
    }

    #[test]
    fn each_policy_has_its_answer_to_a_busy_event() {
        use Overlap::{Allow, QueueOne, Replace, Skip};
        for (overlap, most, line, expected) in [
            (Allow, None, line(99, 0, 0), Turn::Go),
            (Allow, Some(2), line(1, 0, 0), Turn::Go),
            (Allow, Some(2), line(2, 0, 0), Turn::Wait),
            // A place is free and given to whoever waits: nobody overtakes.
            (Allow, Some(2), line(1, 0, 1), Turn::Wait),
            (Skip, None, line(0, 0, 0), Turn::Go),
            (Skip, None, line(1, 0, 0), Turn::Skip),
            (QueueOne, None, line(1, 0, 0), Turn::Wait),
            (QueueOne, None, line(1, 0, 1), Turn::Skip),
            (Replace, None, line(1, 0, 0), Turn::Replace { stop: 1 }),
            (Replace, None, line(1, 1, 1), Turn::Replace { stop: 0 }),
            (Replace, Some(3), line(3, 0, 0), Turn::Replace { stop: 1 }),
            // The policy was narrower before: all that are too many go.
            (Replace, Some(1), line(4, 1, 0), Turn::Replace { stop: 3 }),
        ] {
            assert_eq!(
                turn(&policy(overlap, most), line),
                expected,
                "{overlap:?} {most:?} {line:?}"
            );
        }
    }

    #[test]
    fn those_who_wait_go_in_their_order() {
        assert_eq!(released(0, &[Some(1), Some(1)]), 1);
        assert_eq!(released(1, &[Some(1), None]), 0);
        assert_eq!(released(1, &[Some(3), Some(3), Some(3)]), 2);
        assert_eq!(released(5, &[None, None]), 2);
        assert_eq!(released(0, &[]), 0);
    }

    proptest! {
        /// Whatever comes and ends in whatever order: no more than there are places, and nobody waits beside a free one.
        #[test]
        fn places_are_never_exceeded_and_never_left_empty(
            steps in proptest::collection::vec(any::<bool>(), 1..200), overlap in 0..4_usize, places in 1..5_i32,
        ) {
            let overlap = [Overlap::Skip, Overlap::QueueOne, Overlap::Allow, Overlap::Replace][overlap];
            let policy = policy(overlap, Some(places));
            let most = usize::try_from(places).unwrap();
            let mut now = Line::default();
            for comes in steps {
                if comes {
                    match turn(&policy, now) {
                        Turn::Go => now.active += 1,
                        Turn::Wait => now.waiting += 1,
                        Turn::Skip => {}
                        Turn::Replace { stop } => {
                            now.stopping += stop;
                            now.waiting = 1;
                        }
                    }
                } else if now.active > 0 {
                    now.active -= 1;
                    now.stopping = now.stopping.saturating_sub(1);
                }
                let free = released(now.active, &vec![policy.places(); now.waiting]);
                now = Line { active: now.active + free, waiting: now.waiting - free, ..now };
                prop_assert!(now.active <= most && now.stopping <= now.active);
                prop_assert!(now.waiting == 0 || now.active == most);
                prop_assert!(now.waiting <= 1 || overlap == Overlap::Allow);
            }
        }
    }
}
