//! What checks of servers found.

use sea_orm::entity::prelude::*;

use crate::enums::ServerTrouble;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "server_checks")]
pub struct Model {
    /// That of the errand.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub server_id: Uuid,
    pub at: DateTimeUtc,
    /// None: it could be used.
    pub trouble: Option<ServerTrouble>,
    pub message: Option<String>,
    pub latency_us: Option<i64>,
    pub system: Option<String>,
    pub machine: Option<String>,
    pub processors: Option<i32>,
    pub load_average: Option<f64>,
    pub memory_used: Option<i64>,
    pub memory_total: Option<i64>,
    pub disk_used: Option<i64>,
    pub disk_total: Option<i64>,
    pub runner_version: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
