//! API tokens; the secret itself is not stored.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub made_by: Option<Uuid>,
    pub name: String,
    pub token_hash: Vec<u8>,
    pub hint: String,
    /// None: all that the user may do.
    pub permissions: Option<Vec<String>>,
    /// None: on all kinds of resources.
    pub kinds: Option<Vec<String>>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub last_used_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
