//! The audit log: a chain of entries, and the row that its end is kept in.

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
CREATE TABLE audit_entries (
    seq bigint PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    -- No references: an entry outlives whom and what it is about.
    actor_id uuid,
    actor_email text,
    session_id uuid,
    api_token_id uuid,
    address text,
    action text NOT NULL,
    outcome text NOT NULL,
    target_kind text,
    target_id uuid,
    target_name text,
    -- JSON as text, so that the bytes stay what was hashed.
    before text,
    after text,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX audit_entries_actor ON audit_entries (actor_id, seq);
CREATE INDEX audit_entries_target ON audit_entries (target_id, seq);
CREATE INDEX audit_entries_action ON audit_entries (action, seq);
CREATE INDEX audit_entries_denied ON audit_entries (seq) WHERE outcome = 'DENIED';
CREATE INDEX audit_entries_at ON audit_entries (at, seq);

-- Who appends locks this row, so that the chain has one end. The genesis is drawn for each installation.
CREATE TABLE audit_head (
    id smallint PRIMARY KEY CHECK (id = 1),
    genesis bytea NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    -- The hash once more, sealed with the master key: who has only the database can't write another end.
    -- NULL: there is no entry.
    seal bytea
);
INSERT INTO audit_head (id, genesis, seq, hash)
SELECT 1, g, 0, g FROM (SELECT sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea) AS g) AS drawn;
";

const DOWN: &str = r"
DROP TABLE audit_head; DROP TABLE audit_entries;
";
