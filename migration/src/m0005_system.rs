//! Orchestrators and settings.

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
CREATE TABLE orchestrators (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL,
    capacity integer NOT NULL,
    running integer NOT NULL,
    draining boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    host jsonb
);
CREATE TABLE settings (
    key text PRIMARY KEY,
    -- Sealed or plain bytes; the owner of the key knows which.
    value bytea NOT NULL,
    updated_at timestamptz NOT NULL
);
";

const DOWN: &str = r"
DROP TABLE settings; DROP TABLE orchestrators;
";
