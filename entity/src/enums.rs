//! Closed sets of values that columns hold.

use sea_orm::entity::prelude::*;

/// What a person may do in general.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum UserRole {
    #[sea_orm(string_value = "ADMIN")]
    Admin,
    #[sea_orm(string_value = "OPERATOR")]
    Operator,
    #[sea_orm(string_value = "EDITOR")]
    Editor,
    #[sea_orm(string_value = "VIEWER")]
    Viewer,
}

/// Whether a person may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum UserStatus {
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    #[sea_orm(string_value = "DISABLED")]
    Disabled,
    #[sea_orm(string_value = "PENDING")]
    Pending,
}

/// What a link sent by mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum LinkKind {
    #[sea_orm(string_value = "RESET")]
    Reset,
    #[sea_orm(string_value = "INVITE")]
    Invite,
    #[sea_orm(string_value = "SIGN_UP")]
    SignUp,
}

/// What an event is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EventKind {
    #[sea_orm(string_value = "BASH")]
    Bash,
    #[sea_orm(string_value = "PYTHON")]
    Python,
    #[sea_orm(string_value = "NODEJS")]
    Nodejs,
    #[sea_orm(string_value = "HTTP_REQUEST")]
    HttpRequest,
}

/// Life of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EventStatus {
    #[sea_orm(string_value = "DRAFT")]
    Draft,
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    #[sea_orm(string_value = "PAUSED")]
    Paused,
    #[sea_orm(string_value = "ARCHIVED")]
    Archived,
}

/// What becomes of a run when others of its event have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Overlap {
    #[sea_orm(string_value = "SKIP")]
    Skip,
    #[sea_orm(string_value = "QUEUE_ONE")]
    QueueOne,
    #[sea_orm(string_value = "ALLOW")]
    Allow,
    #[sea_orm(string_value = "REPLACE")]
    Replace,
}

/// State of a job or of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum JobStatus {
    #[sea_orm(string_value = "QUEUED")]
    Queued,
    #[sea_orm(string_value = "DISPATCHING")]
    Dispatching,
    #[sea_orm(string_value = "RUNNING")]
    Running,
    #[sea_orm(string_value = "SUCCEEDED")]
    Succeeded,
    #[sea_orm(string_value = "FAILED")]
    Failed,
    #[sea_orm(string_value = "TIMED_OUT")]
    TimedOut,
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
    #[sea_orm(string_value = "LOST")]
    Lost,
    #[sea_orm(string_value = "PARTIAL")]
    Partial,
    #[sea_orm(string_value = "SKIPPED")]
    Skipped,
}

/// What started a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Trigger {
    #[sea_orm(string_value = "MANUAL")]
    Manual,
    #[sea_orm(string_value = "API")]
    Api,
    #[sea_orm(string_value = "RETRY")]
    Retry,
    #[sea_orm(string_value = "TEST")]
    Test,
}

/// A higher one is dispatched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum Priority {
    #[sea_orm(num_value = 0)]
    Low,
    #[sea_orm(num_value = 1)]
    Normal,
    #[sea_orm(num_value = 2)]
    High,
    #[sea_orm(num_value = 3)]
    Critical,
}

/// Whose a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum VariableScope {
    #[sea_orm(string_value = "OWN")]
    Own,
    #[sea_orm(string_value = "SHARED")]
    Shared,
    #[sea_orm(string_value = "GLOBAL")]
    Global,
}

/// How to sign in on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum ServerSignIn {
    #[sea_orm(string_value = "KEY")]
    Key,
    #[sea_orm(string_value = "PASSWORD")]
    Password,
}

/// How a server is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum ServerStatus {
    #[sea_orm(string_value = "UNCONFIRMED")]
    Unconfirmed,
    #[sea_orm(string_value = "UNKNOWN")]
    Unknown,
    #[sea_orm(string_value = "ONLINE")]
    Online,
    #[sea_orm(string_value = "UNREACHABLE")]
    Unreachable,
    #[sea_orm(string_value = "KEY_CHANGED")]
    KeyChanged,
    #[sea_orm(string_value = "SIGN_IN_REFUSED")]
    SignInRefused,
}

/// Why a server could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum ServerTrouble {
    #[sea_orm(string_value = "UNRESOLVED")]
    Unresolved,
    #[sea_orm(string_value = "REFUSED")]
    Refused,
    #[sea_orm(string_value = "SILENT")]
    Silent,
    #[sea_orm(string_value = "NOT_SSH")]
    NotSsh,
    #[sea_orm(string_value = "KEY_CHANGED")]
    KeyChanged,
    #[sea_orm(string_value = "DENIED")]
    Denied,
    #[sea_orm(string_value = "BAD_KEY")]
    BadKey,
    #[sea_orm(string_value = "NO_SESSION")]
    NoSession,
    #[sea_orm(string_value = "NO_SHELL")]
    NoShell,
    #[sea_orm(string_value = "JUMP")]
    Jump,
    #[sea_orm(string_value = "NO_ORCHESTRATOR")]
    NoOrchestrator,
    #[sea_orm(string_value = "OTHER")]
    Other,
}

/// Where a terminal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum TerminalStatus {
    #[sea_orm(string_value = "OPENING")]
    Opening,
    #[sea_orm(string_value = "OPEN")]
    Open,
    #[sea_orm(string_value = "ENDED")]
    Ended,
}
