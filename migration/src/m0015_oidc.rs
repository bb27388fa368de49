//! Accounts at OpenID Connect providers that open accounts here, and answers of providers that were taken.

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
CREATE TABLE oidc_links (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Together they name a person at a provider, for good; an address does not.
    issuer text NOT NULL,
    subject text NOT NULL,
    -- What the provider said last, to recognise the link by.
    email text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX oidc_links_user ON oidc_links (user_id, created_at);

-- None is taken twice.
CREATE TABLE oidc_taken_states (
    state_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_taken_states_expiry ON oidc_taken_states (expires_at);
";

const DOWN: &str = r"
DROP TABLE oidc_taken_states;
DROP TABLE oidc_links;
";
