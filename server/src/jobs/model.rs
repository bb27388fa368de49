//! States of jobs and executions. Pure: a move takes the old state and gives the new one or refuses.

use cronium_entity::enums::JobStatus;

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
    use JobStatus::{Cancelled, Dispatching, Failed, Queued, Running};
    let legal = match (from, to) {
        // An infrastructure error before the start, or a lease that ended, gives the work back.
        (Dispatching, Queued | Running) | (Queued, Dispatching | Cancelled | Failed) => true,
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

/// The receipt of a cancellation that found nothing at work.
pub fn nothing_had_started() -> serde_json::Value {
    serde_json::json!({ "signalSent": false, "escalated": false, "processGone": true, "note": "Nothing had started." })
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
    fn work_goes_back_to_the_queue_only_before_it_ran() {
        assert!(step(JobStatus::Dispatching, JobStatus::Queued).is_ok());
        assert!(step(JobStatus::Running, JobStatus::Queued).is_err());
        assert_eq!(cancel(JobStatus::Queued), Ok(Cancellation::AtOnce));
        assert_eq!(cancel(JobStatus::Running), Ok(Cancellation::ByOrchestrator));
    }
}
