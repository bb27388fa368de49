//! What was done to stop work, in the API.

use async_graphql::{Context, SimpleObject};
use serde_json::Value;

use crate::events::person;
use crate::identity::User;
use crate::kernel::Timestamp;
use crate::kernel::api::ApiResult;

use super::super::store::JobRow;

/// What was done to cancel a job.
#[derive(Debug, Clone, SimpleObject)]
pub struct CancellationReceipt {
    /// When it was asked for.
    requested_at: Timestamp,
    /// Who asked.
    requested_by: Option<User>,
    /// TERM was sent to the process group.
    signal_sent: bool,
    /// KILL was needed.
    escalated: bool,
    /// No process is left.
    process_gone: bool,
    /// More, in words.
    note: Option<String>,
}

/// The receipt of a job or of one of its executions; None: nobody asked.
pub async fn receipt(
    ctx: &Context<'_>,
    job: &JobRow,
    kept: Option<&Value>,
) -> ApiResult<Option<CancellationReceipt>> {
    let Some(requested_at) = job.cancel_requested_at else {
        return Ok(None);
    };
    let requested_by = match job.cancel_requested_by {
        Some(id) => person(ctx, id).await?,
        None => None,
    };
    let said = |name: &str| kept.and_then(|receipt| receipt.get(name));
    let flag = |name: &str| said(name).and_then(Value::as_bool).unwrap_or_default();
    Ok(Some(CancellationReceipt {
        requested_at,
        requested_by,
        signal_sent: flag("signalSent"),
        escalated: flag("escalated"),
        process_gone: flag("processGone"),
        note: said("note").and_then(Value::as_str).map(str::to_owned),
    }))
}
