//! Custom roles, the state of accounts, API tokens, and where sessions come from.

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
CREATE TABLE roles (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL,
    permissions text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (lower(name));

-- A custom role, which then stands instead of `role`; `role` is VIEWER beside it, so that a server that does
-- not know custom roles yet allows too little, not too much.
ALTER TABLE users
    ADD COLUMN role_id uuid REFERENCES roles,
    ADD COLUMN status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'DISABLED', 'PENDING')),
    ADD CONSTRAINT users_one_role CHECK (role_id IS NULL OR role = 'VIEWER');
CREATE INDEX users_role ON users (role_id) WHERE role_id IS NOT NULL;
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_active_admins ON users (id) WHERE role = 'ADMIN' AND status = 'ACTIVE';

ALTER TABLE sessions
    ADD COLUMN address text,
    ADD COLUMN user_agent text;
CREATE INDEX sessions_user_created ON sessions (user_id, created_at, id);

CREATE TABLE api_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- The token that made this one: they are revoked together.
    made_by uuid REFERENCES api_tokens ON DELETE CASCADE,
    name text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    -- The last characters, to tell tokens apart.
    hint text NOT NULL,
    -- NULL: all that the user may do.
    permissions text[],
    -- NULL: on all kinds of resources.
    kinds text[],
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_tokens_user ON api_tokens (user_id, created_at, id);
CREATE INDEX api_tokens_made_by ON api_tokens (made_by) WHERE made_by IS NOT NULL;

ALTER TABLE jobs ADD COLUMN api_token_id uuid REFERENCES api_tokens ON DELETE SET NULL;
CREATE INDEX jobs_api_token ON jobs (api_token_id) WHERE api_token_id IS NOT NULL;
";

const DOWN: &str = r"
ALTER TABLE jobs DROP COLUMN api_token_id;
DROP TABLE api_tokens;
DROP INDEX sessions_user_created;
ALTER TABLE sessions DROP COLUMN address, DROP COLUMN user_agent;
DROP INDEX users_active_admins; DROP INDEX users_created;
ALTER TABLE users DROP CONSTRAINT users_one_role, DROP COLUMN role_id, DROP COLUMN status;
DROP TABLE roles;
";
