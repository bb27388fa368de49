//! Servers that people own, what was found out about them, and what orchestrators are asked to find out.

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
CREATE TABLE servers (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    name text NOT NULL,
    -- A name in lower case, or an IP address without brackets.
    host text NOT NULL,
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    login text NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    shared boolean NOT NULL,
    sign_in text NOT NULL CHECK (sign_in IN ('KEY', 'PASSWORD')),
    -- The private key with its passphrase, or the password.
    sealed bytea NOT NULL,
    public_key text,
    -- What somebody confirmed, and the key with that fingerprint once it was seen.
    host_key_fingerprint text,
    host_key text,
    jump_server_id uuid REFERENCES servers ON DELETE RESTRICT,
    -- 0: it is never checked by itself.
    check_interval_secs integer NOT NULL CHECK (check_interval_secs = 0 OR check_interval_secs BETWEEN 15 AND 86400),
    next_check_at timestamptz,
    status text NOT NULL CHECK (status IN
        ('UNCONFIRMED', 'UNKNOWN', 'ONLINE', 'UNREACHABLE', 'KEY_CHANGED', 'SIGN_IN_REFUSED')),
    status_reason text,
    last_check_id uuid,
    -- Rises with every change by somebody; checks are none.
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT servers_seen_is_confirmed CHECK (host_key IS NULL OR host_key_fingerprint IS NOT NULL),
    CONSTRAINT servers_way CHECK (jump_server_id <> id)
);
CREATE UNIQUE INDEX servers_owner_name ON servers (owner_id, lower(name));
CREATE INDEX servers_name ON servers (lower(name), id);
CREATE INDEX servers_tags ON servers USING gin (tags);
CREATE INDEX servers_status ON servers (status);
CREATE INDEX servers_jump ON servers (jump_server_id) WHERE jump_server_id IS NOT NULL;
CREATE INDEX servers_due ON servers (next_check_at) WHERE next_check_at IS NOT NULL;

CREATE TABLE server_checks (
    -- That of the errand: one row for each, however often its report comes.
    id uuid PRIMARY KEY,
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    at timestamptz NOT NULL,
    -- NULL: it could be used.
    trouble text,
    message text,
    latency_us bigint,
    system text,
    machine text,
    processors integer,
    load_average double precision,
    memory_used bigint,
    memory_total bigint,
    disk_used bigint,
    disk_total bigint,
    runner_version text
);
CREATE INDEX server_checks_server ON server_checks (server_id, id DESC);
-- For dropping old ones: rows come in the order of time.
CREATE INDEX server_checks_at ON server_checks USING brin (at);

CREATE TABLE server_errands (
    id uuid PRIMARY KEY,
    -- A check of this server, at most one at a time; what to ask is read from its rows when it is taken.
    server_id uuid UNIQUE REFERENCES servers ON DELETE CASCADE,
    -- What to ask, where somebody waits for the answer and nothing is saved yet.
    sealed bytea,
    -- By the database's clock, as all leases.
    wanted_at timestamptz NOT NULL DEFAULT now(),
    taken_by uuid,
    taken_until timestamptz,
    report jsonb,
    done_at timestamptz,
    CONSTRAINT server_errands_what CHECK (done_at IS NOT NULL OR (server_id IS NULL) <> (sealed IS NULL))
);
CREATE INDEX server_errands_open ON server_errands (wanted_at) WHERE done_at IS NULL;

ALTER TABLE orchestrators ADD COLUMN ssh boolean NOT NULL DEFAULT false;
";

const DOWN: &str = r"
DROP TABLE server_errands; DROP TABLE server_checks; DROP TABLE servers;
ALTER TABLE orchestrators DROP COLUMN ssh;
";
