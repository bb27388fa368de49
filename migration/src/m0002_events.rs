//! Events and their immutable versions.

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
CREATE TABLE events (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    name text NOT NULL,
    description text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS')),
    status text NOT NULL CHECK (status IN ('DRAFT', 'ACTIVE', 'PAUSED', 'ARCHIVED')),
    tags text[] NOT NULL,
    shared boolean NOT NULL,
    version_id uuid NOT NULL,
    version_number integer NOT NULL,
    run_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX events_created ON events (created_at, id);
CREATE INDEX events_updated ON events (updated_at, id);
CREATE INDEX events_name ON events (lower(name), id);
CREATE INDEX events_owner ON events (owner_id);
CREATE INDEX events_tags ON events USING gin (tags);

-- A version outlives its event: jobs keep showing what they ran.
CREATE TABLE event_versions (
    id uuid PRIMARY KEY,
    event_id uuid REFERENCES events ON DELETE SET NULL,
    number integer NOT NULL,
    ad_hoc boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid REFERENCES users ON DELETE SET NULL,
    comment text,
    kind text NOT NULL CHECK (kind IN ('BASH', 'PYTHON', 'NODEJS')),
    source text NOT NULL,
    environment jsonb NOT NULL,
    input_schema jsonb,
    image text,
    memory_bytes bigint NOT NULL,
    cpu_millis integer NOT NULL,
    pids integer NOT NULL,
    network boolean NOT NULL,
    timeout_ms bigint NOT NULL
);
CREATE UNIQUE INDEX event_versions_number ON event_versions (event_id, number) WHERE NOT ad_hoc;
ALTER TABLE events ADD CONSTRAINT events_version FOREIGN KEY (version_id)
    REFERENCES event_versions DEFERRABLE INITIALLY DEFERRED;
";

const DOWN: &str = r"
ALTER TABLE events DROP CONSTRAINT events_version; DROP TABLE event_versions; DROP TABLE events;
";
