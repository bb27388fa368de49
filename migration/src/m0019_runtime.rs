//! Runtime calls: the condition that a script sets, the results of calls that may be repeated, and which variables an
//! execution has changed.

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
ALTER TABLE executions ADD COLUMN condition boolean;
ALTER TABLE jobs ADD COLUMN condition boolean;

-- Only those that may be repeated: a handful for each execution that runs.
CREATE TABLE runtime_calls (
    execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE,
    call_id uuid NOT NULL,
    number bigint NOT NULL,
    -- Of the answer; it holds no value of a secret.
    result jsonb,
    PRIMARY KEY (execution_id, call_id)
);

-- So that the audit log has one entry for each.
CREATE TABLE runtime_changes (
    execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE,
    key text NOT NULL,
    scope text NOT NULL,
    PRIMARY KEY (execution_id, key, scope)
);
";

const DOWN: &str = r"
DROP TABLE runtime_changes; DROP TABLE runtime_calls;
ALTER TABLE jobs DROP COLUMN condition;
ALTER TABLE executions DROP COLUMN condition;
";
