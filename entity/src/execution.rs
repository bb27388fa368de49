//! Attempts of jobs, with lease and epoch.

use sea_orm::entity::prelude::*;

use crate::enums::{JobStatus, Priority};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub job_id: Uuid,
    /// 0, 1, 2 … in a job: each has attempts and an end of its own.
    pub slot: i32,
    /// 1, 2, 3 … in a slot.
    pub attempt: i32,
    pub status: JobStatus,
    pub status_reason: Option<String>,
    pub priority: Priority,
    pub queued_at: DateTimeUtc,
    pub epoch: i32,
    pub claim_epoch: i32,
    pub orchestrator_id: Option<Uuid>,
    pub lease_until: Option<DateTimeUtc>,
    pub starts: i32,
    pub start_epoch: Option<i32>,
    pub max_starts: i32,
    pub dispatches: i32,
    pub cancel_requested: bool,
    pub setup_at: Option<DateTimeUtc>,
    pub started_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub finished_at: Option<DateTimeUtc>,
    pub exit_code: Option<i32>,
    pub cpu_us: Option<i64>,
    pub peak_memory_bytes: Option<i64>,
    pub output: Option<Json>,
    pub image_digest: Option<String>,
    pub payload_sha256: Option<Vec<u8>>,
    pub log_lines: i64,
    pub log_truncated: bool,
    pub log_dropped_at: Option<DateTimeUtc>,
    /// Waits for this moment.
    pub due_at: Option<DateTimeUtc>,
    /// Waits for its turn.
    pub held: bool,
    /// Is held until another slot of its job has ended.
    pub waits: bool,
    /// The event whose runs take turns, when this is one of them.
    pub gate: Option<Uuid>,
    pub condition: Option<bool>,
    /// What its orchestrator must have, sorted; None: any may take it.
    pub labels: Option<Vec<String>>,
    /// Where it runs, and what that was called when it was chosen; None: in a container, or as a request.
    pub server_id: Option<Uuid>,
    pub server_name: Option<String>,
    /// What was done to stop it.
    pub cancel_receipt: Option<Json>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
