//! What the dialogs that take a file share: it is pasted or chosen, tried, and then taken.

use dioxus::prelude::*;

use super::runs::data::JobStatus;
use crate::browser;
use crate::i18n::t;
use crate::ui::{Dialog, Field, Icon, toast};

/// What is wrong: its path into the file where it has one, and the words for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub path: String,
    pub words: String,
}

/// The words of a dialog, and what it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    pub title: String,
    /// For the file's text, and below it.
    pub content: String,
    pub hint: String,
    pub placeholder: &'static str,
    /// File names and media types, as in the attribute `accept`.
    pub accept: &'static str,
    pub preview: String,
    pub import: String,
    pub not_imported: String,
}

/// The frame. `onsend` is called with whether it is only tried; `plan` is there once that was done.
#[component]
pub fn ImportDialog(
    words: Words,
    busy: bool,
    content: ReadSignal<String>,
    faults: Vec<Fault>,
    plan: Option<Element>,
    ontext: EventHandler<String>,
    onsend: EventHandler<bool>,
    onclose: EventHandler,
    children: Element,
) -> Element {
    let planned = plan.is_some();
    let unread = words.not_imported;
    rsx! {
        Dialog { id: "import", title: words.title, onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: if planned { "btn" } else { "btn btn-primary" }, r#type: "submit", form: "import-form",
                    "aria-busy": if busy { "true" }, Icon { name: "eye" } {words.preview} }
                if planned {
                    button { class: "btn btn-primary", r#type: "button", "aria-busy": if busy { "true" },
                        onclick: move |_| onsend.call(false), {words.import} }
                }
            },
            form { class: "form", id: "import-form", novalidate: true,
                onsubmit: move |event: FormEvent| {
                    event.prevent_default();
                    onsend.call(true);
                },
                Field { id: "import-content", label: words.content, hint: words.hint,
                    textarea {
                        class: "textarea mono",
                        id: "import-content",
                        rows: "8",
                        spellcheck: "false",
                        autocomplete: "off",
                        placeholder: words.placeholder,
                        "aria-invalid": (!faults.is_empty()).then_some("true"),
                        "aria-describedby": if faults.is_empty() { "import-content-note" } else { "import-faults" },
                        value: "{content}",
                        oninput: move |event| ontext.call(event.value()),
                    }
                }
                if !faults.is_empty() {
                    div { class: "vars-scroll", id: "import-faults", role: "alert", tabindex: "0",
                        ul { class: "vars-faults",
                            for (at, fault) in (0_u64..).zip(faults) {
                                li { key: "{at}", class: "error", Icon { name: "alert" }
                                    span {
                                        if !fault.path.is_empty() {
                                            code { class: "mono", "{fault.path}" }
                                            " "
                                        }
                                        "{fault.words}"
                                    }
                                }
                            }
                        }
                    }
                }
                button { class: "btn btn-sm fit vars-up", r#type: "button", onclick: move |_| browser::press("import-file"), Icon { name: "download" } {t("vars.file")} }
                input { id: "import-file", r#type: "file", hidden: true, accept: words.accept,
                    onchange: move |_| {
                        let unread = unread.clone();
                        async move {
                            match browser::chosen_text("import-file").await {
                                Some(text) => ontext.call(text),
                                None => toast(JobStatus::Failed, unread, t("vars.file_unread")),
                            }
                        }
                    },
                }
                {children}
            }
            if let Some(plan) = plan {
                div { class: "vars-plan", {plan} }
            }
        }
    }
}

/// How many entries come to which outcome; those that none comes to are left out.
#[component]
pub fn Outcomes(counts: Vec<(i32, String)>) -> Element {
    rsx! {
        p { class: "facts", role: "status",
            for (count, words) in counts.into_iter().filter(|(count, _)| *count > 0) {
                span { key: "{words}", b { "{count}" } " {words}" }
            }
        }
    }
}
