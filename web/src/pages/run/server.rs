//! One server of a run, in the panel beside its log: how it went there, when, and what was done to stop it.

use dioxus::prelude::*;

use super::data::Execution;
use super::head::ServerLink;
use super::lanes::Lane;
use super::receipt::Steps;
use crate::i18n::{Locale, t};
use crate::pages::runs::moment;
use crate::ui::Status;

/// What is known of the attempt in view.
#[component]
pub fn OneServer(locale: Locale, lane: Lane, execution: Execution) -> Element {
    let reason = execution
        .status_reason
        .clone()
        .filter(|reason| !reason.eq_ignore_ascii_case(execution.status.name()));
    let times = [
        ("runs.started", execution.started_at),
        ("run.ended", execution.finished_at),
    ];
    rsx! {
        section {
            h2 { {t("run.server")} }
            dl { class: "kv",
                dt { {t("field.name")} }
                dd { ServerLink { locale, lane } }
                dt { {t("runs.status")} }
                dd { Status { status: execution.status } }
                for (key, at) in times {
                    dt { key: "{key}", {t(key)} }
                    dd { class: "num", {at.map_or_else(|| "—".to_owned(), moment)} }
                }
            }
            if let Some(reason) = reason {
                p { class: "sub run-why", lang: "en", "{reason}" }
            }
            if let Some(receipt) = execution.cancellation {
                h3 { {t("run.cancellation")} }
                ol { class: "receipt", Steps { receipt: receipt.clone(), ended: execution.status.is_final() } }
                if let Some(note) = receipt.note {
                    p { class: "sub", lang: "en", "{note}" }
                }
            }
        }
    }
}
