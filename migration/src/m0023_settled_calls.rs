//! Each call remembers up to which number calls never come again, so that one that is late is known for it.

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

const UP: &str = "ALTER TABLE runtime_calls ADD COLUMN settled bigint NOT NULL DEFAULT 0";

const DOWN: &str = "ALTER TABLE runtime_calls DROP COLUMN settled";
