//! Work that waits for a moment or for its turn, and the order in which the rest is given out. What waits is outside of
//! the index of what can be claimed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await.map(drop)
    }
}

const UP: &str = r"
ALTER TABLE jobs
    ADD COLUMN run_at timestamptz,
    -- Waits for its turn: does not count among the event's runs.
    ADD COLUMN held boolean NOT NULL DEFAULT false;
ALTER TABLE executions
    ADD COLUMN due_at timestamptz,
    ADD COLUMN held boolean NOT NULL DEFAULT false,
    -- The event whose runs take turns; no reference, because jobs outlive their event.
    ADD COLUMN gate uuid;

-- A step of priority is worth ten minutes of waiting.
CREATE INDEX executions_turn ON executions
    (((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND NOT held;
DROP INDEX executions_queue;
CREATE INDEX executions_due ON executions (due_at) WHERE status = 'QUEUED' AND due_at IS NOT NULL;
CREATE INDEX executions_held ON executions
    (gate, ((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND held;
-- Those that have a place.
CREATE INDEX executions_gate ON executions (gate) WHERE gate IS NOT NULL AND NOT held AND finished_at IS NULL;

-- Work under way of one person, as before, and of one event.
CREATE INDEX jobs_open ON jobs (owner_id, event_id, held) WHERE finished_at IS NULL;
DROP INDEX jobs_active;

CREATE INDEX jobs_retries ON jobs (retry_of) WHERE retry_of IS NOT NULL;
";

const DOWN: &str = r"
DROP INDEX jobs_retries;
CREATE INDEX jobs_active ON jobs (owner_id) WHERE finished_at IS NULL;
DROP INDEX jobs_open; DROP INDEX executions_gate; DROP INDEX executions_held; DROP INDEX executions_due;
CREATE INDEX executions_queue ON executions (priority DESC, queued_at, id) WHERE status = 'QUEUED';
DROP INDEX executions_turn;
ALTER TABLE executions DROP COLUMN due_at, DROP COLUMN held, DROP COLUMN gate;
ALTER TABLE jobs DROP COLUMN run_at, DROP COLUMN held;
";
