//! Links that prove an address, mail that waits to be sent, second factors, and rotating refresh tokens.

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
CREATE TABLE account_links (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('RESET', 'INVITE', 'SIGN_UP')),
    email text NOT NULL,
    name text NOT NULL,
    -- Whose password is to be set; NULL: an account is to be made.
    user_id uuid REFERENCES users ON DELETE CASCADE,
    role text NOT NULL,
    role_id uuid REFERENCES roles ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    -- Who invited; the invitation is worth what they may give when it is used.
    created_by uuid REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX account_links_email ON account_links (lower(email), kind, created_at);
CREATE INDEX account_links_user ON account_links (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX account_links_expiry ON account_links (expires_at);

CREATE TABLE mails (
    id uuid PRIMARY KEY,
    -- Recipient, subject and text, sealed: a link in it is as good as a password.
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL
);
CREATE INDEX mails_due ON mails (next_attempt_at);

CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- The TOTP secret, sealed.
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- NULL: begun, and not in force.
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: none of it or before is taken again.
    last_step bigint NOT NULL DEFAULT 0
);
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES second_factors ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    -- All refresh tokens of one sign-in: they end with it.
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
";

const DOWN: &str = r"
DROP TABLE refresh_tokens; DROP TABLE recovery_codes; DROP TABLE second_factors; DROP TABLE mails;
DROP TABLE account_links;
";
