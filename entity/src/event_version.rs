//! Immutable versions of events, and ad-hoc sources of test runs.

use sea_orm::entity::prelude::*;

use crate::enums::{EventKind, Overlap};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_versions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub event_id: Option<Uuid>,
    pub number: i32,
    pub ad_hoc: bool,
    pub created_at: DateTimeUtc,
    pub created_by: Option<Uuid>,
    pub comment: Option<String>,
    pub kind: EventKind,
    pub source: String,
    pub http: Option<Json>,
    pub environment: Json,
    pub input_schema: Option<Json>,
    pub image: Option<String>,
    pub memory_bytes: i64,
    pub cpu_millis: i32,
    pub pids: i32,
    pub network: bool,
    /// None: it runs in a container, or is a request.
    pub servers: Option<Json>,
    pub timeout_ms: i64,
    /// None: one attempt.
    pub retry: Option<Json>,
    pub overlap: Overlap,
    pub max_concurrent: Option<i32>,
    pub idempotent: bool,
    /// What its orchestrator must have, sorted.
    pub labels: Vec<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
