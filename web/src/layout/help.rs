//! The sheet of shortcuts.

use dioxus::prelude::*;

use crate::browser;
use crate::i18n::t;
use crate::ui::{Dialog, Icon};

static OPEN: GlobalSignal<bool> = Signal::global(|| false);

/// Shows the sheet.
pub(super) fn open() {
    *OPEN.write() = true;
}

/// The button in the top bar.
#[component]
pub(super) fn HelpButton() -> Element {
    rsx! {
        button { class: "icon-btn md", r#type: "button", "aria-label": t("help.title"), title: "{t(\"help.title\")} (?)", onclick: move |_| open(),
            Icon { name: "help" }
        }
    }
}

/// The sheet, once in the frame of the pages.
#[component]
pub(super) fn Help() -> Element {
    if !*OPEN.read() {
        return rsx! {};
    }
    let command = browser::command_key();
    let keys = [
        ("help.palette", vec![format!("{command}K")]),
        ("help.help", vec!["?".to_owned()]),
        ("nav.overview", vec!["g".to_owned(), "o".to_owned()]),
        ("nav.events", vec!["g".to_owned(), "e".to_owned()]),
        ("nav.runs", vec!["g".to_owned(), "r".to_owned()]),
        ("nav.servers", vec!["g".to_owned(), "s".to_owned()]),
        ("nav.terminals", vec!["g".to_owned(), "t".to_owned()]),
        ("nav.variables", vec!["g".to_owned(), "v".to_owned()]),
        ("nav.monitoring", vec!["g".to_owned(), "m".to_owned()]),
        ("nav.new_event", vec!["g".to_owned(), "n".to_owned()]),
        ("help.search", vec!["/".to_owned()]),
        ("help.run", vec!["r".to_owned()]),
        ("help.run_typing", vec![format!("{command}↵")]),
        ("help.save", vec![format!("{command}S")]),
        ("help.matches", vec!["↵".to_owned()]),
        ("help.rows", vec!["↑".to_owned(), "↓".to_owned()]),
        ("help.rows_range", vec!["⇧".to_owned(), "↓".to_owned()]),
        ("help.rows_all", vec![format!("{command}A")]),
        ("help.rows_none", vec!["Esc".to_owned()]),
    ];
    rsx! {
        Dialog {
            id: "help",
            title: t("help.title"),
            onclose: move |()| *OPEN.write() = false,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| *OPEN.write() = false, {t("dialog.close")} }
            },
            dl { class: "kv keys",
                for (word, strokes) in keys {
                    dt { {t(word)} }
                    dd {
                        for stroke in strokes {
                            kbd { key: "{stroke}", class: "kbd", "{stroke}" }
                        }
                    }
                }
            }
        }
    }
}
