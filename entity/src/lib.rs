//! SeaORM entities, one file a table, without logic.

pub mod enums;

pub mod account_link;
pub mod api_token;
pub mod audit_entry;
pub mod event;
pub mod event_version;
pub mod execution;
pub mod idempotency_key;
pub mod job;
pub mod log_chunk;
pub mod mail;
pub mod oidc_link;
pub mod orchestrator;
pub mod outbox;
pub mod role;
pub mod second_factor;
pub mod server;
pub mod server_check;
pub mod session;
pub mod setting;
pub mod terminal;
pub mod user;
pub mod variable;
