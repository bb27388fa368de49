//! Accepted requests to run an event.

use sea_orm::entity::prelude::*;

use crate::enums::{JobStatus, Priority, Trigger};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub number: i64,
    pub owner_id: Uuid,
    pub actor_id: Option<Uuid>,
    pub event_id: Option<Uuid>,
    pub event_version_id: Uuid,
    pub title: String,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub priority: Priority,
    pub trigger: Trigger,
    pub retry_of: Option<Uuid>,
    pub input: Option<Json>,
    pub output: Option<Json>,
    pub created_at: DateTimeUtc,
    pub started_at: Option<DateTimeUtc>,
    pub finished_at: Option<DateTimeUtc>,
    pub cancel_requested_at: Option<DateTimeUtc>,
    pub cancel_requested_by: Option<Uuid>,
    pub cancel_receipt: Option<Json>,
    /// The token that the actor came with.
    pub api_token_id: Option<Uuid>,
    /// Not before this moment.
    pub run_at: Option<DateTimeUtc>,
    /// Waits for its turn among the runs of its event.
    pub held: bool,
    pub condition: Option<bool>,
    /// Executions that each have an end of their own.
    pub slots: i32,
    /// So many of them at a time; None: all at once.
    pub max_parallel: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
