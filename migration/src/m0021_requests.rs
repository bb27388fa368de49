//! Events that are requests over HTTP.

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

const UP: &str = "
ALTER TABLE events DROP CONSTRAINT events_kind_check,
    ADD CONSTRAINT events_kind_check CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS', 'HTTP_REQUEST'));
ALTER TABLE event_versions DROP CONSTRAINT event_versions_kind_check,
    ADD CONSTRAINT event_versions_kind_check CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS', 'HTTP_REQUEST')),
    -- What is sent; only of an HTTP_REQUEST, which has no source.
    ADD COLUMN http jsonb;
";

const DOWN: &str = "
ALTER TABLE event_versions DROP COLUMN http;
ALTER TABLE event_versions DROP CONSTRAINT event_versions_kind_check,
    ADD CONSTRAINT event_versions_kind_check CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS'));
ALTER TABLE events DROP CONSTRAINT events_kind_check,
    ADD CONSTRAINT events_kind_check CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS'));
";
