//! Variables and secrets: of a person, shared by one, or of the installation.

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

const UP: &str = r#"
CREATE TABLE variables (
    id uuid PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('OWN', 'SHARED', 'GLOBAL')),
    -- NULL: the installation's.
    owner_id uuid REFERENCES users,
    -- Letters of one case, digits and underscores: sorted by their bytes, everywhere the same.
    key text COLLATE "C" NOT NULL,
    -- One of both: a plain value, or a sealed one.
    value text,
    sealed bytea,
    description text NOT NULL,
    -- Rises with every change, and begins anew at its end.
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid REFERENCES users ON DELETE SET NULL,
    CONSTRAINT variables_one_value CHECK ((value IS NULL) <> (sealed IS NULL)),
    CONSTRAINT variables_owner CHECK ((owner_id IS NULL) = (scope = 'GLOBAL'))
);
CREATE UNIQUE INDEX variables_own ON variables (owner_id, key) WHERE scope = 'OWN';
CREATE UNIQUE INDEX variables_shared ON variables (key) WHERE scope = 'SHARED';
CREATE UNIQUE INDEX variables_global ON variables (key) WHERE scope = 'GLOBAL';
-- Lists: of everything, of a person, of a scope, of secrets.
CREATE INDEX variables_key ON variables (key, id);
CREATE INDEX variables_owner_key ON variables (owner_id, key, id);
CREATE INDEX variables_scope_key ON variables (scope, key, id);
CREATE INDEX variables_secret_key ON variables (key, id) WHERE sealed IS NOT NULL;
CREATE INDEX variables_updated_by ON variables (updated_by) WHERE updated_by IS NOT NULL;
"#;

const DOWN: &str = "DROP TABLE variables;";
