//! Servers that people own, reached over SSH.

use sea_orm::entity::prelude::*;

use crate::enums::{ServerSignIn, ServerStatus};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "servers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    /// A name in lower case, or an IP address without brackets.
    pub host: String,
    pub port: i32,
    pub login: String,
    pub tags: Vec<String>,
    pub shared: bool,
    pub sign_in: ServerSignIn,
    /// The private key with its passphrase, or the password.
    pub sealed: Vec<u8>,
    /// The public half of a private key; None for a password.
    pub public_key: Option<String>,
    /// What was confirmed.
    pub host_key_fingerprint: Option<String>,
    /// The key with that fingerprint, once it was seen.
    pub host_key: Option<String>,
    /// It is reached through this one.
    pub jump_server_id: Option<Uuid>,
    /// 0: it is never checked by itself.
    pub check_interval_secs: i32,
    pub next_check_at: Option<DateTimeUtc>,
    pub status: ServerStatus,
    pub status_reason: Option<String>,
    pub last_check_id: Option<Uuid>,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
