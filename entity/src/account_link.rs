//! Links sent by mail that prove an address; the secret itself is not stored.

use sea_orm::entity::prelude::*;

use crate::enums::{LinkKind, UserRole};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: LinkKind,
    pub email: String,
    pub name: String,
    pub user_id: Option<Uuid>,
    pub role: UserRole,
    pub role_id: Option<Uuid>,
    pub token_hash: Vec<u8>,
    pub created_by: Option<Uuid>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
