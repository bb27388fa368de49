//! What went in, what came out, and where a run comes from.

use dioxus::prelude::*;

use super::data::{Execution, JobDetail, Priority};
use super::json::JsonBlock;
use super::lanes::Lane;
use super::lineage::Lineage;
use super::server::OneServer;
use super::usage::{Usage, cpu_text, usage};
use crate::api::Json;
use crate::i18n::{Locale, t, tf, tn};
use crate::log::copy;
use crate::pages::runs::trigger_text;
use crate::routes::Route;
use crate::ui::{Icon, Meter, bytes};

/// The panel beside the log. `execution` is the attempt in view, and `lane` where it took place; neither, while all of
/// several servers are.
#[component]
pub fn Side(
    locale: Locale,
    job: JobDetail,
    lanes: Vec<Lane>,
    lane: Option<Lane>,
    execution: Option<Execution>,
) -> Element {
    let output = execution
        .as_ref()
        .and_then(|e| e.output.clone())
        .or_else(|| job.output.clone());
    let limit = job.event_version.target.memory();
    let several = lanes.len() > 1;
    let one = lane.clone().filter(|_| several).zip(execution.clone());
    let all = lane.map_or_else(|| job.executions.clone(), |lane| lane.executions);
    rsx! {
        aside { class: "run-side", tabindex: "0", "aria-label": t("run.details"),
            if let Some((lane, execution)) = one {
                OneServer { locale, lane, execution }
            }
            if several && execution.is_none() {
                Outputs { lanes, over: job.status.is_final() }
            } else {
                Value { title: t("run.output"), value: output, none: if job.status.is_final() { t("run.no_output") } else { t("run.output_later") } }
            }
            Value { title: t("run.input"), value: job.input.clone(), none: t("run.no_input") }
            Lineage { locale, job: job.clone() }
            Provenance { locale, job: job.clone(), orchestrator: execution.as_ref().and_then(|one| one.orchestrator.clone()) }
            if let Some(execution) = &execution {
                Resources { execution: execution.clone(), all, limit }
            } else if several {
                section {
                    h2 { {t("run.resources")} }
                    Total { title: t("run.all_servers"), sum: usage(&all), limit }
                }
            }
            Identity { job: job.clone(), execution }
        }
    }
}

/// What each server gave, that gave something.
#[component]
fn Outputs(lanes: Vec<Lane>, over: bool) -> Element {
    let given: Vec<(String, Json)> = lanes
        .iter()
        .filter_map(|lane| {
            let output = lane.last()?.output.clone().filter(|value| !value.is_null())?;
            Some((lane.name().to_owned(), output))
        })
        .collect();
    // A few are read at a glance; of many the one that is looked for is opened.
    let open = given.len() <= 3;
    rsx! {
        section {
            h2 { {t("run.output")} }
            if given.is_empty() {
                p { class: "hint", {t(if over { "run.no_output" } else { "run.output_later" })} }
            }
            for (name, value) in given {
                details { key: "{name}", class: "run-given", open,
                    summary { "{name}" }
                    JsonBlock { value }
                }
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

/// The ends of a digest or an id, with the kind of digest before it.
fn short(value: &str) -> String {
    let (kind, plain) = match value.split_once(':') {
        Some((kind, plain)) => (format!("{kind}:"), plain),
        None => (String::new(), value),
    };
    match (plain.get(..8), plain.get(plain.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if plain.len() > 16 => format!("{kind}{head}…{tail}"),
        _ => value.to_owned(),
    }
}

#[component]
fn Provenance(locale: Locale, job: JobDetail, orchestrator: Option<String>) -> Element {
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
    rsx! {
        section {
            h2 { {t("run.provenance")} }
            dl { class: "kv",
                dt { {t("runs.trigger")} }
                dd { {trigger_text(job.trigger)} }
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
                dd { span { class: "num", {orchestrator.unwrap_or_else(|| "—".to_owned())} } }
            }
        }
    }
}

#[component]
fn Resources(execution: Execution, all: Vec<Execution>, limit: Option<f64>) -> Element {
    let one = usage([&execution]);
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
                dd { {cpu_text(one.cpu)} }
                dt { {t("run.memory")} }
                dd { Memory { peak: one.memory, limit } }
                dt { {t("run.log")} }
                dd { {tn("log.lines", u64::try_from(execution.log_line_count).unwrap_or(0))} }
            }
            if all.iter().filter(|one| one.has_begun()).count() > 1 {
                Total { title: t("run.all_attempts"), sum: usage(&all), limit }
            }
        }
    }
}

/// What several attempts took together.
#[component]
fn Total(title: String, sum: Usage, limit: Option<f64>) -> Element {
    rsx! {
        h3 { "{title}" }
        dl { class: "kv",
            dt { {t("run.cpu")} }
            dd { {cpu_text(sum.cpu)} }
            dt { {t("run.memory_most")} }
            dd { Memory { peak: sum.memory, limit } }
        }
    }
}

/// The most memory at a time, against what there was; a server's own memory is nobody's limit.
#[component]
fn Memory(peak: Option<f64>, limit: Option<f64>) -> Element {
    let Some(peak) = peak else {
        return rsx! { "—" };
    };
    let Some(limit) = limit else {
        return rsx! { {bytes(peak)} };
    };
    let text = tf("run.of", &[("part", &bytes(peak)), ("whole", &bytes(limit))]);
    rsx! {
        "{text}"
        if limit > 0.0 {
            Meter { share: peak / limit, label: "{t(\"run.memory\")}: {text}", wide: true }
        }
    }
}

/// What the run can be recognised by, for whoever looks further.
#[component]
fn Identity(job: JobDetail, execution: Option<Execution>) -> Element {
    let condition = execution.as_ref().and_then(|one| one.condition).or(job.condition);
    let condition = match condition {
        Some(true) => t("run.condition.true"),
        Some(false) => t("run.condition.false"),
        None => t("run.condition.unset"),
    };
    let payload = execution
        .as_ref()
        .and_then(|one| one.payload_sha256.as_deref())
        .map(|hex| format!("sha256:{hex}"));
    let image = execution.as_ref().and_then(|one| one.image_digest.clone());
    let values = [
        ("run.image", image),
        ("run.payload", payload),
        ("run.id", Some(job.id.inner().to_owned())),
        ("run.execution_id", execution.map(|one| one.id.into_inner())),
    ];
    rsx! {
        section {
            details { class: "run-more",
                summary { {t("run.identity")} }
                dl { class: "kv",
                    dt { {t("run.condition")} }
                    dd { "{condition}" }
                    for (key, value) in values {
                        Copied { key: "{key}", name: t(key), value }
                    }
                }
            }
        }
    }
}

/// A long value: its ends, and a button that copies the whole.
#[component]
fn Copied(name: String, value: Option<String>) -> Element {
    rsx! {
        dt { "{name}" }
        dd { class: "copied",
            if let Some(value) = value {
                span { class: "num", title: "{value}", {short(&value)} }
                button {
                    class: "icon-btn icon-btn-sm",
                    r#type: "button",
                    "aria-label": "{t(\"run.copy\")}: {name}",
                    title: "{t(\"run.copy\")}: {name}",
                    onclick: move |_| copy(value.clone()),
                    Icon { name: "copy" }
                }
            } else {
                "—"
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
        assert_eq!(short("Sm9iOjAxOTNhYmNkZWY"), "Sm9iOjAx…kZWY");
    }
}
