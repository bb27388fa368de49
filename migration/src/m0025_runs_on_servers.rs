//! Runs on servers: where the executions of a job are, how many of them run at a time, and what was done to stop each.

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
-- NULL: it runs in a container, or is a request.
ALTER TABLE event_versions ADD COLUMN servers jsonb;
CREATE INDEX event_versions_servers ON event_versions USING gin (servers jsonb_path_ops) WHERE servers IS NOT NULL;

ALTER TABLE jobs
    -- Executions that each have an end of their own; attempts of one count as one.
    ADD COLUMN slots integer NOT NULL DEFAULT 1,
    -- So many of them at a time; NULL: all at once.
    ADD COLUMN max_parallel integer;
ALTER TABLE executions
    ADD COLUMN slot integer NOT NULL DEFAULT 0,
    -- No reference: executions outlive the server that they ran on.
    ADD COLUMN server_id uuid,
    ADD COLUMN server_name text,
    ADD COLUMN cancel_receipt jsonb,
    -- Held until another slot of its job has ended, whatever becomes of the turns of its event.
    ADD COLUMN waits boolean NOT NULL DEFAULT false;
ALTER TABLE executions
    ADD CONSTRAINT executions_job_id_slot_attempt_key UNIQUE (job_id, slot, attempt),
    DROP CONSTRAINT executions_job_id_attempt_key;
CREATE INDEX executions_server ON executions (server_id) WHERE server_id IS NOT NULL AND finished_at IS NULL;

-- One row for each job that waits for its turn: its first slot never waits for another one.
DROP INDEX executions_held;
CREATE INDEX executions_held ON executions
    (gate, ((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND held AND slot = 0;
";

const DOWN: &str = r"
DROP INDEX executions_held;
CREATE INDEX executions_held ON executions
    (gate, ((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND held;
DROP INDEX executions_server;
DELETE FROM executions WHERE slot > 0;
ALTER TABLE executions
    ADD CONSTRAINT executions_job_id_attempt_key UNIQUE (job_id, attempt),
    DROP CONSTRAINT executions_job_id_slot_attempt_key;
ALTER TABLE executions DROP COLUMN slot, DROP COLUMN server_id, DROP COLUMN server_name,
    DROP COLUMN cancel_receipt, DROP COLUMN waits;
ALTER TABLE jobs DROP COLUMN slots, DROP COLUMN max_parallel;
DROP INDEX event_versions_servers;
ALTER TABLE event_versions DROP COLUMN servers;
";
