//! What the list and the page of a server do alike: look at it now, and say what came of that.

use super::changes;
use super::data::{Check, Detail};
use super::status::ServerStatus;
use crate::i18n::{t, tf};
use crate::pages::runs::say;
use crate::ui::{JobStatus, number, toast};

/// Milliseconds as people read them.
pub fn latency_words(ms: f64) -> String {
    let decimals = usize::from(ms < 100.0);
    format!("{} ms", number(ms, decimals))
}

/// A share of the whole.
pub fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0, 0))
}

fn tell(server: &Detail, check: Option<&Check>) {
    let name = [("name", server.name.as_str())];
    if check.is_none() {
        toast(
            JobStatus::Queued,
            t("servers.check_late"),
            t("servers.check_late_text"),
        );
    } else if server.status == ServerStatus::Online {
        let latency = check.and_then(|check| check.latency_ms).map(latency_words);
        toast(
            JobStatus::Succeeded,
            tf("servers.answered", &name),
            latency.unwrap_or_default(),
        );
    } else {
        let trouble = check.and_then(|check| check.trouble);
        let reason = server.status.reason(server.status_reason.as_deref(), trouble);
        toast(
            server.status.colour(),
            tf("servers.not_answered", &name),
            reason.unwrap_or_default(),
        );
    }
}

/// Looks at a server now. Gives it as it is then; None where that was not done, which was said.
pub async fn check_now(id: cynic::Id) -> Option<Detail> {
    match changes::check(id).await {
        Ok((server, check)) => {
            tell(&server, check.as_ref());
            Some(server)
        }
        Err(refusal) => {
            say(t("servers.not_checked"), &refusal);
            None
        }
    }
}
