//! Variables and secrets.

use sea_orm::entity::prelude::*;

use crate::enums::VariableScope;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "variables")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub scope: VariableScope,
    /// None: the installation's.
    pub owner_id: Option<Uuid>,
    pub key: String,
    /// One of both: a plain value, or a sealed one.
    pub value: Option<String>,
    pub sealed: Option<Vec<u8>>,
    pub description: String,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub updated_by: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
