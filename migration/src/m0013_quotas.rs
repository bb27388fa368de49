//! Limits of people, roles and the installation, and how far logs were removed by them. And a person's jobs that
//! belong to others in an index of their own: most jobs belong to who started them.

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
CREATE TABLE quotas (
    -- A person, a role (built-in ones have fixed ids), or the nil id for the installation.
    subject uuid NOT NULL,
    kind text NOT NULL,
    -- NULL: no limit, also where a wider level has one.
    "limit" bigint CHECK ("limit" >= 0),
    PRIMARY KEY (subject, kind)
);

-- Work under way of one person is counted when it is limited.
CREATE INDEX jobs_active ON jobs (owner_id) WHERE finished_at IS NULL;

CREATE INDEX jobs_for_others ON jobs (actor_id, created_at, id) WHERE (actor_id <> owner_id) IS TRUE;
DROP INDEX jobs_actor;
-- How rare these are, so that this index is preferred to walking another one for them.
DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 140000 THEN
        CREATE STATISTICS jobs_of_others ON (actor_id <> owner_id) FROM jobs;
    END IF;
END $$;

ALTER TABLE executions ADD COLUMN log_dropped_at timestamptz;

-- Up to which job of a person the logs are gone.
CREATE TABLE log_retention (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    swept_to timestamptz NOT NULL
);
"#;

const DOWN: &str = r"
DROP TABLE log_retention;
ALTER TABLE executions DROP COLUMN log_dropped_at;
DROP STATISTICS IF EXISTS jobs_of_others;
DROP INDEX jobs_active; DROP INDEX jobs_for_others;
CREATE INDEX jobs_actor ON jobs (actor_id, created_at, id);
DROP TABLE quotas;
";
