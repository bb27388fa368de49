//! Orchestrators that have said hello.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orchestrators")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub version: String,
    pub capacity: i32,
    pub running: i32,
    pub draining: bool,
    pub labels: Vec<String>,
    pub started_at: DateTimeUtc,
    pub last_seen_at: DateTimeUtc,
    pub host: Option<Json>,
    /// It reaches servers over SSH.
    pub ssh: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
