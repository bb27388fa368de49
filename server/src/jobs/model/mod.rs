//! States of jobs and executions. Pure: a move takes the old state and gives the new one or refuses.

pub mod labels;
pub mod overlap;
pub mod retry;
pub mod slots;

use chrono::TimeDelta;
use cronium_entity::enums::JobStatus;

use crate::kernel::Timestamp;

/// How much waiting a step of priority is worth, in minutes. The index of what can be claimed says it too.
const MINUTES_A_STEP: i64 = 10;

/// The place of waiting work in the order in which it is given out: a higher priority goes before what was queued up to
/// ten minutes a step earlier, and never before what has waited longer. So nothing waits for ever.
pub fn rank(queued_at: Timestamp, priority: i16) -> Timestamp {
    queued_at - TimeDelta::minutes(MINUTES_A_STEP * i64::from(priority))
}

/// A moment as reasons name it.
pub fn spoken(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A move that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from:?} can't become {to:?}")]
pub struct IllegalMove {
    pub from: JobStatus,
    pub to: JobStatus,
}

/// Whether this state never changes again.
pub fn is_final(status: JobStatus) -> bool {
    !matches!(
        status,
        JobStatus::Queued | JobStatus::Dispatching | JobStatus::Running
    )
}

/// One step in the life of an execution.
pub fn step(from: JobStatus, to: JobStatus) -> Result<JobStatus, IllegalMove> {
    use JobStatus::{Cancelled, Dispatching, Failed, Queued, Running, Skipped};
    let legal = match (from, to) {
        // An infrastructure error before the start, or a lease that ended, gives the work back.
        (Dispatching, Queued | Running) | (Queued, Dispatching | Cancelled | Failed | Skipped) => true,
        (Dispatching | Running, end) => is_final(end),
        _ => false,
    };
    if legal {
        Ok(to)
    } else {
        Err(IllegalMove { from, to })
    }
}

/// What a cancellation has to do in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// Nothing runs: the end is now.
    AtOnce,
    /// The orchestrator stops it and reports what it did.
    ByOrchestrator,
}

/// Why an attempt ended whose cancellation came before its start. `store/cancel.rs` says the same in SQL.
pub fn cancelled_early(attempt: i32) -> String {
    if attempt > 1 {
        format!("Cancelled before attempt {attempt} started")
    } else {
        "Cancelled before it started".to_owned()
    }
}

/// The receipt of a cancellation that found nothing at work.
pub fn nothing_had_started(note: Option<&str>) -> serde_json::Value {
    receipt(true, note.unwrap_or("Nothing was running."))
}

/// The receipt of a cancellation that came after the end, or about whose effect nothing is known.
pub fn not_needed(lost: bool) -> serde_json::Value {
    if lost {
        receipt(false, "Unconfirmed: contact was lost, and it may still run.")
    } else {
        receipt(true, "It ended by itself before it was stopped.")
    }
}

fn receipt(process_gone: bool, note: &str) -> serde_json::Value {
    serde_json::json!({ "signalSent": false, "escalated": false, "processGone": process_gone, "note": note })
}

/// How to cancel a job in this state.
pub fn cancel(status: JobStatus) -> Result<Cancellation, IllegalMove> {
    match status {
        JobStatus::Queued => Ok(Cancellation::AtOnce),
        JobStatus::Dispatching | JobStatus::Running => Ok(Cancellation::ByOrchestrator),
        from => Err(IllegalMove {
            from,
            to: JobStatus::Cancelled,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [JobStatus; 10] = [
        JobStatus::Queued,
        JobStatus::Dispatching,
        JobStatus::Running,
        JobStatus::Succeeded,
        JobStatus::Failed,
        JobStatus::TimedOut,
        JobStatus::Cancelled,
        JobStatus::Lost,
        JobStatus::Partial,
        JobStatus::Skipped,
    ];

    #[test]
    fn a_final_state_never_changes() {
        for from in ALL.into_iter().filter(|s| is_final(*s)) {
            for to in ALL {
                assert!(step(from, to).is_err(), "{from:?} → {to:?}");
            }
            assert!(cancel(from).is_err());
        }
    }

    #[test]
    fn a_higher_priority_goes_first_and_nobody_waits_for_ever() {
        let at = |minutes| Timestamp::default() + TimeDelta::minutes(minutes);
        let [low, normal, high, critical] = [0, 1, 2, 3];
        assert!(rank(at(5), high) < rank(at(0), normal));
        assert!(rank(at(29), critical) < rank(at(0), low));
        assert!(rank(at(31), critical) > rank(at(0), low));
        assert!(rank(at(1), low) > rank(at(0), low));
    }

    #[test]
    fn work_goes_back_to_the_queue_only_before_it_ran() {
        assert!(step(JobStatus::Dispatching, JobStatus::Queued).is_ok());
        assert!(step(JobStatus::Running, JobStatus::Queued).is_err());
        assert_eq!(cancel(JobStatus::Queued), Ok(Cancellation::AtOnce));
        assert_eq!(cancel(JobStatus::Running), Ok(Cancellation::ByOrchestrator));
    }
}
