//! Invitations as a list, newest first, and a version of roles for optimistic locking.

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
CREATE INDEX account_links_invites ON account_links (created_at, id) WHERE kind = 'INVITE';
ALTER TABLE roles ADD COLUMN version integer NOT NULL DEFAULT 1;
";

const DOWN: &str = r"
ALTER TABLE roles DROP COLUMN version;
DROP INDEX account_links_invites;
";
