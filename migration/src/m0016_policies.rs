//! How an event's runs are repeated, how they stand beside each other, and how many there may be.

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
ALTER TABLE event_versions
    -- NULL: one attempt.
    ADD COLUMN retry jsonb,
    ADD COLUMN overlap text NOT NULL DEFAULT 'ALLOW' CHECK (overlap IN ('SKIP', 'QUEUE_ONE', 'ALLOW', 'REPLACE')),
    ADD COLUMN max_concurrent integer CHECK (max_concurrent > 0),
    ADD COLUMN idempotent boolean NOT NULL DEFAULT false;
ALTER TABLE events
    -- 0: no limit.
    ADD COLUMN max_executions integer NOT NULL DEFAULT 0 CHECK (max_executions >= 0),
    -- Runs since the limit was set or the counter was reset; run_count counts all there ever were.
    ADD COLUMN counted_runs integer NOT NULL DEFAULT 0;
";

const DOWN: &str = r"
ALTER TABLE events DROP COLUMN max_executions, DROP COLUMN counted_runs;
ALTER TABLE event_versions DROP COLUMN retry, DROP COLUMN overlap, DROP COLUMN max_concurrent, DROP COLUMN idempotent;
";
