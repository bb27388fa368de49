//! What an event asks of its orchestrator: labels, of which those that are known are offered.

use dioxus::prelude::*;

use super::fields::Line;
use super::form::Form;
use crate::i18n::t;
use crate::status::{Orchestrator, STATUS};
use crate::ui::Icon;

/// Whether somebody takes work that asks for these labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Somebody,
    /// Whoever has them all is draining.
    Draining,
    Nobody,
}

/// An orchestrator as labels see it: those that it has, and whether it takes work.
type Offer<'a> = (&'a [String], bool);

fn taken(asked: &[String], offers: &[Offer<'_>]) -> Taken {
    let mut fit = offers
        .iter()
        .filter(|(labels, _)| asked.iter().all(|label| labels.contains(label)));
    match fit.next() {
        None => Taken::Nobody,
        Some(first) if first.1 || fit.any(|(_, takes)| *takes) => Taken::Somebody,
        Some(_) => Taken::Draining,
    }
}

/// Labels that orchestrators have, each once, in order.
fn known(all: &[Orchestrator]) -> Vec<String> {
    let mut labels: Vec<String> = all.iter().flat_map(|one| one.labels.iter().cloned()).collect();
    labels.sort();
    labels.dedup();
    labels
}

/// The field.
#[component]
pub fn Labels(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read();
    let asked = draft.label_list();
    // What the installation has is not for everybody to see.
    let status = STATUS.read();
    let all = status.as_ref().map(|status| status.orchestrators.as_slice());
    let offers: Vec<Offer<'_>> = all
        .unwrap_or_default()
        .iter()
        .filter(|one| one.connected)
        .map(|one| (one.labels.as_slice(), !one.draining))
        .collect();
    let warning = match all.map(|_| taken(&asked, &offers)) {
        Some(Taken::Nobody) if !asked.is_empty() => Some("labels.nobody"),
        Some(Taken::Draining) if !asked.is_empty() => Some("labels.draining"),
        _ => None,
    };
    let known = known(all.unwrap_or_default());
    rsx! {
        div { class: "ev-labels",
            Line {
                form,
                path: "labels",
                label: t("field.labels"),
                hint: t("field.labels_hint"),
                optional: true,
                value: draft.labels.clone(),
                onchange: move |value| form.edit("labels", |d| d.labels = value),
            }
            if !known.is_empty() && !read_only {
                div { class: "toolbar", role: "group", "aria-label": t("labels.known"),
                    for label in known {
                        button {
                            key: "{label}",
                            class: if asked.contains(&label) { "chip chip-on mono" } else { "chip mono" },
                            r#type: "button",
                            "aria-pressed": if asked.contains(&label) { "true" } else { "false" },
                            onclick: {
                                let label = label.clone();
                                move |_| form.edit("labels", |d| d.toggle_label(&label))
                            },
                            Icon { name: if asked.contains(&label) { "check" } else { "plus" } }
                            "{label}"
                        }
                    }
                }
            }
            if let Some(warning) = warning {
                p { class: "hint http-warn", role: "status", Icon { name: "alert" } {t(warning)} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn work_is_taken_by_whoever_has_all_labels() {
        let (gpu, both) = (labels("gpu"), labels("gpu arm"));
        let asked = labels("arm gpu");
        assert_eq!(taken(&asked, &[]), Taken::Nobody);
        assert_eq!(taken(&asked, &[(&gpu, true)]), Taken::Nobody);
        assert_eq!(taken(&asked, &[(&both, false), (&gpu, true)]), Taken::Draining);
        assert_eq!(taken(&asked, &[(&both, false), (&both, true)]), Taken::Somebody);
        assert_eq!(taken(&[], &[(&gpu, true)]), Taken::Somebody);
    }
}
