//! The section of terminals: how long they stay open, and how long their recordings are kept.

use dioxus::prelude::*;

use super::settings::{Settings, TerminalSettings, TerminalSettingsInput, set_terminals};
use crate::i18n::t;
use crate::pages::forms::{Entry, Faults};
use crate::pages::runs::data::JobStatus;
use crate::ui::toast;

/// Values, and the version of the settings that has them.
type Versioned = (TerminalSettings, i32);

/// The version that a change is of. What other sections save loads the settings anew: where they have other values than
/// the form began with, somebody else has set them, and the API must learn that they were not seen.
fn version_of(began: Versioned, loaded: Versioned) -> i32 {
    if began.0 == loaded.0 {
        began.1.max(loaded.1)
    } else {
        began.1
    }
}

/// The section of terminals.
#[component]
pub fn Terminals(settings: Settings, onsaved: EventHandler) -> Element {
    let loaded = (settings.terminals, settings.version);
    let mut began = use_signal(|| loaded);
    let idle = use_signal(|| loaded.0.idle_minutes.to_string());
    let longest = use_signal(|| loaded.0.max_minutes.to_string());
    let days = use_signal(|| loaded.0.recording_days.to_string());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let version = version_of(began(), loaded);
    rsx! {
        section {
            h2 { {t("settings.terminals")} }
            div { class: "stack",
                p { class: "hint", {t("settings.terminals_text")} }
                form { class: "form", novalidate: true,
                    onsubmit: move |event: FormEvent| async move {
                        event.prevent_default();
                        if busy() {
                            return;
                        }
                        busy.set(true);
                        // What is no number is refused by the API, at its field.
                        let number = |text: String| text.trim().parse::<i32>().unwrap_or(-1);
                        let terminals = TerminalSettingsInput {
                            idle_minutes: number(idle()),
                            max_minutes: number(longest()),
                            recording_days: number(days()),
                        };
                        match set_terminals(version, terminals).await {
                            Ok(saved) => {
                                began.set((saved.terminals, saved.version));
                                wrong.set(Faults::default());
                                toast(JobStatus::Succeeded, t("account.saved"), "");
                                onsaved.call(());
                            }
                            Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                        }
                        busy.set(false);
                    },
                    div { class: "form-2",
                        Entry { id: "terminal-idle", label: t("settings.terminal_idle"), class: "input num",
                            value: idle, error: wrong.read().at("terminals.idleMinutes") }
                        Entry { id: "terminal-longest", label: t("settings.terminal_longest"), class: "input num",
                            value: longest, error: wrong.read().at("terminals.maxMinutes") }
                        Entry { id: "terminal-days", label: t("settings.terminal_days"), class: "input num",
                            value: days, error: wrong.read().at("terminals.recordingDays") }
                    }
                    if let Some(words) = wrong.read().at("expectedVersion") {
                        p { class: "error", role: "alert", "{words}" }
                    }
                    div {
                        button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("event.save")} }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TerminalSettings, version_of};

    #[test]
    fn a_change_is_of_the_version_whose_values_were_seen() {
        let old = TerminalSettings {
            idle_minutes: 15,
            max_minutes: 480,
            recording_days: 30,
        };
        let new = TerminalSettings {
            idle_minutes: 20,
            ..old
        };
        // Another section was saved.
        assert_eq!(version_of((old, 3), (old, 4)), 4);
        // Somebody else has set them.
        assert_eq!(version_of((old, 3), (new, 4)), 3);
        // They were saved here, and are not loaded yet.
        assert_eq!(version_of((new, 4), (old, 3)), 4);
        assert_eq!(version_of((old, 4), (old, 3)), 4);
    }
}
