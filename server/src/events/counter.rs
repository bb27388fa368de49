//! Events that run so many times and are paused then. A run is counted in the transaction that accepts it.

use cronium_entity::enums::EventStatus;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::AuditAction;
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::EventId;
use crate::kernel::{Error, Op, Result};

use super::service::Events;
use super::store::{self, EventRow};

/// Most runs that a limit can name.
const MOST: i32 = 1_000_000_000;

pub fn check(max_executions: i32, checks: &mut Checks) {
    let message = "Between 0 (no limit) and 1,000,000,000 runs.";
    let fits = (0..=MOST).contains(&max_executions);
    checks.require(fits, UserErrorCode::Invalid, "maxExecutions", message);
}

fn is_reached(row: &EventRow) -> bool {
    row.max_executions > 0 && row.counted_runs >= row.max_executions
}

/// Only what is in use is paused: a draft stays a draft.
fn pause_at_the_limit(row: &mut EventRow) {
    if is_reached(row) && row.status == EventStatus::Active {
        row.status = EventStatus::Paused;
    }
}

/// Sets the limit. A new one counts from 0, a changed one goes on.
pub fn limit(row: &mut EventRow, max_executions: i32) {
    if row.max_executions == 0 || max_executions == 0 {
        row.counted_runs = 0;
    }
    row.max_executions = max_executions;
    pause_at_the_limit(row);
}

/// Moves the event to another state; active again, it counts from 0.
pub fn moved(row: &mut EventRow, status: EventStatus) {
    if status == EventStatus::Active && row.status != EventStatus::Active {
        row.counted_runs = 0;
    }
    row.status = status;
}

/// Counts one run, and pauses the event with the last one; false, and nothing changed, when there may be no more.
fn count(row: &mut EventRow) -> bool {
    if is_reached(row) {
        return false;
    }
    if row.max_executions > 0 {
        row.counted_runs += 1;
        pause_at_the_limit(row);
    }
    true
}

impl Events {
    /// Counts a run of an event that has a limit, in the transaction that accepts it: the runs of one event are
    /// counted one after the other. Refused at this field when the limit is reached.
    pub async fn count_run(&self, tx: &DatabaseTransaction, op: &Op, id: Uuid, field: &str) -> Result<()> {
        let Some(mut row) = store::lock_counter(tx, id).await? else {
            return Ok(());
        };
        let before = row.clone();
        if !count(&mut row) {
            let message = format!(
                "This event has run {} times since its counter was reset, which is its limit. Reset the counter, or \
                 raise the limit.",
                row.counted_runs
            );
            return Err(Error::field(UserErrorCode::LimitReached, field, message));
        }
        if row == before {
            return Ok(());
        }
        let paused = row.status != before.status;
        if paused {
            row.updated_at = self.kernel.now();
        }
        store::save(tx, row.clone()).await?;
        if paused {
            self.changed(tx, op, AuditAction::UpdateEvent, Some(&before), Some(&row))
                .await?;
        }
        Ok(())
    }

    /// Counts the runs from 0 again.
    pub async fn reset_counter(&self, op: &Op, id: EventId) -> Result<EventRow> {
        let grant = access::allow(op, Action::ChangeEvent)?;
        let tx = self.kernel.db.begin().await?;
        let mut row = store::lock(&tx, &grant, id).await?;
        let before = row.clone();
        (row.counted_runs, row.updated_at) = (0, self.kernel.now());
        store::save(&tx, row.clone()).await?;
        self.changed(&tx, op, AuditAction::UpdateEvent, Some(&before), Some(&row))
            .await?;
        tx.commit().await?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use cronium_entity::enums::EventKind;

    use super::*;

    fn event(max_executions: i32, counted_runs: i32, status: EventStatus) -> EventRow {
        EventRow {
            id: Uuid::nil(),
            owner_id: Uuid::nil(),
            name: String::new(),
            description: String::new(),
            kind: EventKind::Bash,
            status,
            tags: Vec::new(),
            shared: false,
            version_id: Uuid::nil(),
            version_number: 1,
            run_count: 0,
            max_executions,
            counted_runs,
            created_at: crate::kernel::Timestamp::default(),
            updated_at: crate::kernel::Timestamp::default(),
        }
    }

    #[test]
    fn the_run_that_reaches_the_limit_pauses_and_none_comes_after() {
        let mut row = event(2, 0, EventStatus::Active);
        assert!(count(&mut row) && row.status == EventStatus::Active);
        assert!(count(&mut row) && row.status == EventStatus::Paused);
        assert!(!count(&mut row));
        assert_eq!(row.counted_runs, 2);
        moved(&mut row, EventStatus::Active);
        assert_eq!((row.counted_runs, count(&mut row)), (0, true));
    }

    #[test]
    fn a_draft_stays_a_draft_and_no_limit_counts_nothing() {
        let mut draft = event(1, 0, EventStatus::Draft);
        assert!(count(&mut draft) && !count(&mut draft) && draft.status == EventStatus::Draft);
        let mut free = event(0, 0, EventStatus::Active);
        assert!(count(&mut free) && free.counted_runs == 0);
    }

    #[test]
    fn a_limit_below_the_count_pauses_and_a_new_one_begins_at_nothing() {
        let mut row = event(9, 5, EventStatus::Active);
        limit(&mut row, 4);
        assert_eq!((row.counted_runs, row.status), (5, EventStatus::Paused));
        limit(&mut row, 0);
        limit(&mut row, 3);
        assert_eq!(row.counted_runs, 0);
    }
}
