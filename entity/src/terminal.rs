//! Terminals, open or recorded.

use sea_orm::entity::prelude::*;

use crate::enums::TerminalStatus;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terminals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    /// What it was opened with: one of these.
    pub session_id: Option<Uuid>,
    pub api_token_id: Option<Uuid>,
    /// Where it is: one of these.
    pub server_id: Option<Uuid>,
    pub execution_id: Option<Uuid>,
    /// What it is a terminal of, as that was called.
    pub title: String,
    /// Who has it, or is to take it; None: any that reaches servers.
    pub orchestrator_id: Option<Uuid>,
    pub taken_at: Option<DateTimeUtc>,
    pub contact_at: DateTimeUtc,
    pub status: TerminalStatus,
    pub status_reason: Option<String>,
    pub exit_code: Option<i32>,
    pub width: i32,
    pub height: i32,
    pub created_at: DateTimeUtc,
    pub opened_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub typed_at: DateTimeUtc,
    pub idle_secs: i32,
    pub until: DateTimeUtc,
    pub viewed_at: DateTimeUtc,
    /// Up to which byte of the output its opener has read.
    pub seen_bytes: i64,
    /// The last piece of the recording.
    pub last_seq: i64,
    /// The orchestrator's number of the last piece of output.
    pub last_output: i64,
    pub output_bytes: i64,
    pub recorded_bytes: i64,
    pub recording_cut: bool,
    /// The last piece of input that was taken, and the last one that was typed.
    pub last_input: i64,
    pub last_typed: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
