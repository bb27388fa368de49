//! Definitions of what to run.

use sea_orm::entity::prelude::*;

use crate::enums::{EventKind, EventStatus};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    pub description: String,
    pub kind: EventKind,
    pub status: EventStatus,
    pub tags: Vec<String>,
    pub shared: bool,
    pub version_id: Uuid,
    pub version_number: i32,
    pub run_count: i64,
    /// 0: no limit.
    pub max_executions: i32,
    /// Runs since the limit was set or the counter was reset.
    pub counted_runs: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
