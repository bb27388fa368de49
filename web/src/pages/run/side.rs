//! What went in, what came out, and where a run comes from.

use dioxus::prelude::*;

use super::data::{CancellationReceipt, Execution, JobDetail, Priority};
use super::json::JsonBlock;
use crate::api::Json;
use crate::i18n::{Locale, t, tf, tn};
use crate::log::copy;
use crate::pages::runs::{moment, trigger_text};
use crate::routes::Route;
use crate::ui::{Icon, bytes, duration, number};

/// The panel beside the log. `execution` is the attempt in view.
#[component]
pub fn Side(locale: Locale, job: JobDetail, execution: Option<Execution>) -> Element {
    let output = execution
        .as_ref()
        .and_then(|e| e.output.clone())
        .or_else(|| job.output.clone());
    rsx! {
        aside { class: "run-side", tabindex: "0", "aria-label": t("run.details"),
            if let Some(receipt) = job.cancellation.clone() {
                Receipt { receipt }
            }
            Value { title: t("run.output"), value: output, none: if job.status.is_final() { t("run.no_output") } else { t("run.output_later") } }
            Value { title: t("run.input"), value: job.input.clone(), none: t("run.no_input") }
            Provenance { locale, job: job.clone(), execution: execution.clone() }
            if let Some(execution) = execution {
                Resources { execution, limit: job.event_version.target.memory_bytes }
            }
        }
    }
}

#[component]
fn Value(title: String, value: Option<Json>, none: String) -> Element {
    let value = value.filter(|value| !value.is_null());
    let text = value
        .as_ref()
        .and_then(|value| serde_json::to_string_pretty(value).ok());
    rsx! {
        section {
            h2 { "{title} "
                if let Some(text) = text {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": "{t(\"run.copy\")}: {title}",
                        title: "{t(\"run.copy\")}: {title}",
                        onclick: move |_| copy(text.clone()),
                        Icon { name: "copy" }
                    }
                }
            }
            if let Some(value) = value {
                JsonBlock { value }
            } else {
                p { class: "hint", "{none}" }
            }
        }
    }
}

#[component]
fn Receipt(receipt: CancellationReceipt) -> Element {
    let yes = |happened: bool| if happened { t("run.yes") } else { t("run.not_yet") };
    let by = receipt
        .requested_by
        .as_ref()
        .map_or_else(|| t("run.system"), |person| person.name.clone());
    rsx! {
        section {
            h2 { {t("run.cancellation")} }
            dl { class: "kv",
                dt { {t("run.cancel.asked")} }
                dd { span { class: "num", {moment(receipt.requested_at)} } " · {by}" }
                dt { {t("run.cancel.signal")} }
                dd { {yes(receipt.signal_sent)} }
                dt { {t("run.cancel.escalated")} }
                dd { if receipt.escalated { {t("run.yes")} } else { {t("run.no")} } }
                dt { {t("run.cancel.gone")} }
                dd { {yes(receipt.process_gone)} }
                if let Some(note) = &receipt.note {
                    dt { {t("run.cancel.note")} }
                    dd { "{note}" }
                }
            }
        }
    }
}

fn short(digest: &str) -> String {
    let plain = digest.strip_prefix("sha256:").unwrap_or(digest);
    match (plain.get(..8), plain.len()) {
        (Some(head), 17..) => format!(
            "sha256:{head}…{}",
            plain.get(plain.len() - 4..).unwrap_or_default()
        ),
        _ => digest.to_owned(),
    }
}

#[component]
fn Provenance(locale: Locale, job: JobDetail, execution: Option<Execution>) -> Element {
    let none = "—".to_owned();
    let actor = job
        .actor
        .as_ref()
        .map_or_else(|| t("run.system"), |actor| actor.name.clone());
    let version = &job.event_version;
    let version_text = if version.ad_hoc {
        t("runs.draft")
    } else {
        format!("v{}", version.number)
    };
    let priority = match job.priority {
        Priority::Low => t("run.priority.low"),
        Priority::Normal => t("run.priority.normal"),
        Priority::High => t("run.priority.high"),
        Priority::Critical => t("run.priority.critical"),
    };
    let place = execution.as_ref();
    rsx! {
        section {
            h2 { {t("run.provenance")} }
            dl { class: "kv",
                dt { {t("runs.trigger")} }
                dd {
                    {trigger_text(job.trigger)}
                    if let Some(of) = &job.retry_of {
                        " "
                        {t("run.retry_of")}
                        " "
                        Link { class: "num", to: Route::run(locale, of.id.inner()), "#{of.number}" }
                    }
                }
                dt { {t("run.actor")} }
                dd { "{actor}" }
                if let Some(event) = &job.event {
                    dt { {t("runs.event")} }
                    dd { Link { to: Route::event(locale, event.id.inner()), "{event.name}" } }
                }
                dt { {t("runs.version")} }
                dd { "{version_text}" }
                dt { {t("run.priority")} }
                dd { "{priority}" }
                dt { {t("run.orchestrator")} }
                dd { span { class: "num", {place.and_then(|e| e.orchestrator.clone()).unwrap_or(none.clone())} } }
                dt { {t("run.image")} }
                dd { span { class: "num", title: place.and_then(|e| e.image_digest.clone()),
                    {place.and_then(|e| e.image_digest.as_deref().map(short)).unwrap_or(none.clone())}
                } }
                dt { {t("run.payload")} }
                dd { span { class: "num", title: place.and_then(|e| e.payload_sha256.clone()),
                    {place.and_then(|e| e.payload_sha256.as_deref().map(|p| short(&format!("sha256:{p}")))).unwrap_or(none)}
                } }
            }
        }
    }
}

#[component]
fn Resources(execution: Execution, limit: f64) -> Element {
    let cpu = execution.cpu_time.as_ref().and_then(crate::api::IsoDuration::get);
    let cpu = cpu.map_or("—".to_owned(), |time| {
        if time.as_secs() < 60 {
            format!("{} s", number(time.as_secs_f64(), 2))
        } else {
            duration(time)
        }
    });
    let memory = execution.peak_memory_bytes.map_or("—".to_owned(), |peak| {
        tf("run.of", &[("part", &bytes(peak)), ("whole", &bytes(limit))])
    });
    let exit = execution
        .exit_code
        .map_or("—".to_owned(), |code| code.to_string());
    rsx! {
        section {
            h2 { {t("run.resources")} }
            dl { class: "kv",
                dt { {t("run.exit_code")} }
                dd { class: "num", "{exit}" }
                dt { {t("run.cpu")} }
                dd { "{cpu}" }
                dt { {t("run.memory")} }
                dd { "{memory}" }
                dt { {t("run.log")} }
                dd { {tn("log.lines", u64::try_from(execution.log_line_count).unwrap_or(0))} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_keeps_its_ends() {
        let digest = format!("sha256:4f1cabcd{}a07e", "0".repeat(52));
        assert_eq!(short(&digest), "sha256:4f1cabcd…a07e");
        assert_eq!(short("local"), "local");
    }
}
