//! What events ask of their orchestrators. Work that asks for labels is outside of the index of what anybody may take.

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

const UP: &str = r#"
ALTER TABLE event_versions ADD COLUMN labels text[] NOT NULL DEFAULT '{}';
-- Sorted by bytes, so that one set is one lane; NULL: any orchestrator.
ALTER TABLE executions ADD COLUMN labels text[] COLLATE "C";

DROP INDEX executions_turn;
CREATE INDEX executions_turn ON executions
    (((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND NOT held AND labels IS NULL;
CREATE INDEX executions_lane ON executions
    (labels, ((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND NOT held AND labels IS NOT NULL;
"#;

const DOWN: &str = r"
DROP INDEX executions_lane; DROP INDEX executions_turn;
CREATE INDEX executions_turn ON executions
    (((queued_at AT TIME ZONE 'UTC') - priority * interval '10 minutes'), id)
    WHERE status = 'QUEUED' AND due_at IS NULL AND NOT held;
ALTER TABLE executions DROP COLUMN labels;
ALTER TABLE event_versions DROP COLUMN labels;
";
