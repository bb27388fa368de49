//! Jobs, executions, idempotency keys and the outbox: the truth about all work.

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
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    owner_id uuid NOT NULL REFERENCES users,
    actor_id uuid REFERENCES users ON DELETE SET NULL,
    event_id uuid REFERENCES events ON DELETE SET NULL,
    event_version_id uuid NOT NULL REFERENCES event_versions,
    title text NOT NULL,
    status text NOT NULL,
    status_reason text,
    priority smallint NOT NULL,
    trigger text NOT NULL,
    retry_of uuid REFERENCES jobs ON DELETE SET NULL,
    input jsonb,
    output jsonb,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    cancel_requested_at timestamptz,
    cancel_requested_by uuid REFERENCES users ON DELETE SET NULL,
    cancel_receipt jsonb
);
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_event ON jobs (event_id, created_at, id);
CREATE INDEX jobs_status ON jobs (status, created_at, id);
CREATE INDEX jobs_owner ON jobs (owner_id, created_at, id);
CREATE INDEX jobs_actor ON jobs (actor_id, created_at, id);
CREATE INDEX jobs_version ON jobs (event_version_id);

CREATE TABLE executions (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    attempt integer NOT NULL,
    status text NOT NULL,
    status_reason text,
    priority smallint NOT NULL,
    queued_at timestamptz NOT NULL,
    -- Raised by every claim; a write under an older epoch is rejected.
    epoch integer NOT NULL DEFAULT 0,
    -- The epoch of the last claim: later ones are adoptions of what that claim had made.
    claim_epoch integer NOT NULL DEFAULT 0,
    orchestrator_id uuid,
    lease_until timestamptz,
    -- User code may start while starts < max_starts.
    starts integer NOT NULL DEFAULT 0,
    -- The epoch under which the last start was granted: the same claim may ask again.
    start_epoch integer,
    max_starts integer NOT NULL DEFAULT 1,
    dispatches integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    setup_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    finished_at timestamptz,
    exit_code integer,
    cpu_us bigint,
    peak_memory_bytes bigint,
    output jsonb,
    image_digest text,
    payload_sha256 bytea,
    log_lines bigint NOT NULL DEFAULT 0,
    log_truncated boolean NOT NULL DEFAULT false,
    UNIQUE (job_id, attempt)
);
-- Only what waits and what runs is in the hot indexes; finished rows leave them.
CREATE INDEX executions_queue ON executions (priority DESC, queued_at, id) WHERE status = 'QUEUED';
CREATE INDEX executions_leases ON executions (lease_until) WHERE status IN ('DISPATCHING', 'RUNNING');

CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    key text NOT NULL,
    -- SHA-256 of the request, so that one key is not used for two different requests.
    request_hash bytea NOT NULL,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
";

const DOWN: &str = r"
DROP TABLE outbox; DROP TABLE idempotency_keys; DROP TABLE executions; DROP TABLE jobs;
";
