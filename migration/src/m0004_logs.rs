//! Log chunks, partitioned by the day of the execution's identifier.

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
CREATE TABLE log_chunks (
    day date NOT NULL,
    execution_id uuid NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    -- zstd of an encoded log block.
    body bytea NOT NULL,
    PRIMARY KEY (day, execution_id, first_seq)
) PARTITION BY RANGE (day);
ALTER TABLE log_chunks ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE log_chunks_default PARTITION OF log_chunks DEFAULT;
";

const DOWN: &str = r"
DROP TABLE log_chunks;
";
