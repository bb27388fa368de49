//! Terminals, what they showed, and what is typed into them and has not arrived.

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
-- Changed with each key that is typed: with room in its page a row needs no new entry in any index.
CREATE TABLE terminals (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    -- What it was opened with: it ends with that.
    session_id uuid,
    api_token_id uuid,
    -- Where it is. A recording outlives both.
    server_id uuid,
    execution_id uuid,
    -- What it is a terminal of, as that was called.
    title text NOT NULL,
    -- Who has it, or is to take it; NULL: any that reaches servers.
    orchestrator_id uuid,
    -- By the database's clock, as all leases.
    taken_at timestamptz,
    contact_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL CHECK (status IN ('OPENING', 'OPEN', 'ENDED')),
    status_reason text,
    exit_code integer,
    width integer NOT NULL CHECK (width BETWEEN 1 AND 1000),
    height integer NOT NULL CHECK (height BETWEEN 1 AND 1000),
    created_at timestamptz NOT NULL,
    opened_at timestamptz,
    ended_at timestamptz,
    -- When somebody last typed; at first, when it was asked for.
    typed_at timestamptz NOT NULL,
    idle_secs integer NOT NULL,
    until timestamptz NOT NULL,
    -- When its opener last watched, and up to where in its output.
    viewed_at timestamptz NOT NULL,
    seen_bytes bigint NOT NULL DEFAULT 0,
    -- The last piece of the recording; the orchestrator's number of the last one of output; bytes of output, each piece
    -- counted with what it costs beyond them; and bytes that are kept, as they are.
    last_seq bigint NOT NULL DEFAULT 0,
    last_output bigint NOT NULL DEFAULT 0,
    output_bytes bigint NOT NULL DEFAULT 0,
    recorded_bytes bigint NOT NULL DEFAULT 0,
    recording_cut boolean NOT NULL DEFAULT false,
    -- Numbers of the last piece of input that was taken, and of the last one that was typed.
    last_input bigint NOT NULL DEFAULT 0,
    last_typed bigint NOT NULL DEFAULT 0,
    CONSTRAINT terminals_place CHECK ((server_id IS NULL) <> (execution_id IS NULL)),
    CONSTRAINT terminals_credential CHECK ((session_id IS NULL) <> (api_token_id IS NULL)),
    CONSTRAINT terminals_ended CHECK ((status = 'ENDED') = (ended_at IS NOT NULL))
) WITH (fillfactor = 50);
CREATE INDEX terminals_created ON terminals (created_at, id);
CREATE INDEX terminals_owner ON terminals (owner_id, created_at, id);
CREATE INDEX terminals_server ON terminals (server_id, created_at, id) WHERE server_id IS NOT NULL;
CREATE INDEX terminals_open ON terminals (id) WHERE status <> 'ENDED';
CREATE INDEX terminals_over ON terminals (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE terminal_output (
    terminal_id uuid NOT NULL REFERENCES terminals ON DELETE CASCADE,
    seq bigint NOT NULL,
    -- The orchestrator's; NULL: a change of the size.
    number bigint,
    at timestamptz NOT NULL,
    -- Output up to its end, counted like the terminal's.
    ends_at bigint NOT NULL,
    width integer,
    height integer,
    data bytea NOT NULL,
    -- Beyond what a recording keeps: it is here for who resumes, and goes.
    loose boolean NOT NULL DEFAULT false,
    PRIMARY KEY (terminal_id, seq),
    CONSTRAINT terminal_output_size CHECK ((number IS NULL) = (width IS NOT NULL AND height IS NOT NULL))
);
CREATE INDEX terminal_output_loose ON terminal_output (terminal_id, ends_at) WHERE loose;

-- The last number of a recording, for whoever gives out the next one. Commits do not wait for the disk, and with a
-- crash of Postgres the last of them are gone: what somebody has seen under a number must not be another piece
-- afterwards, so some are left out.
CREATE FUNCTION terminal_last_seq(last_seq bigint, contact_at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT last_seq + CASE WHEN contact_at < pg_postmaster_start_time() THEN 10000 ELSE 0 END
$$;

-- Gone when it is typed, or when its terminal ends. Never part of a recording.
CREATE TABLE terminal_input (
    id uuid PRIMARY KEY,
    terminal_id uuid NOT NULL REFERENCES terminals ON DELETE CASCADE,
    number bigint NOT NULL,
    sealed bytea NOT NULL,
    UNIQUE (terminal_id, number)
);
";

const DOWN: &str = r"
DROP TABLE terminal_input; DROP TABLE terminal_output; DROP TABLE terminals;
DROP FUNCTION terminal_last_seq(bigint, timestamptz);
";
