//! People who can sign in.

use sea_orm::entity::prelude::*;

use crate::enums::{UserRole, UserStatus};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub name: String,
    /// VIEWER beside a custom role.
    pub role: UserRole,
    /// The custom role, if it is one.
    pub role_id: Option<Uuid>,
    pub status: UserStatus,
    pub locale: String,
    pub password_hash: String,
    pub password_changed_at: DateTimeUtc,
    pub last_sign_in_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
