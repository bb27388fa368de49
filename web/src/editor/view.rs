//! The editor on the page: a plain text field over a highlighted copy of its text. The field is the
//! browser's own, so undo, selection, input methods and screen readers work as everywhere.

use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;

use super::highlight::{Language, Source};
use super::keys::{self, Edit};
use crate::browser;
use crate::i18n::{t, tf};

/// Where the caret is, by line and column from 1.
pub type Caret = (usize, usize);

fn field(id: &str) -> Option<web_sys::HtmlTextAreaElement> {
    browser::document()?.get_element_by_id(id)?.dyn_into().ok()
}

fn state(id: &str) -> Option<Edit> {
    let field = field(id)?;
    let start = field.selection_start().ok()??;
    let end = field.selection_end().ok()??;
    Some(Edit {
        text: field.value(),
        start,
        end,
    })
}

/// Puts an edit into the field. The browser's own editing command keeps the undo history.
fn put(id: &str, before: &Edit, after: &Edit) {
    let (Some(field), Some(document)) = (field(id), browser::document()) else {
        return;
    };
    let (from, to, with) = keys::difference(&before.text, &after.text);
    // Positions within a text are always valid.
    let _ = field.set_selection_range(from, to);
    let typed = document
        .dyn_ref::<web_sys::HtmlDocument>()
        .is_some_and(|document| {
            let done = if with.is_empty() {
                document.exec_command("delete")
            } else {
                insert(document, &with)
            };
            done.unwrap_or(false)
        });
    if !typed {
        field.set_value(&after.text);
    }
    let _ = field.set_selection_range(after.start, after.end);
}

fn insert(document: &web_sys::HtmlDocument, text: &str) -> Result<bool, wasm_bindgen::JsValue> {
    document.exec_command_with_show_ui_and_value("insertText", false, text)
}

/// A source text that can be edited. `changed` are lines, from 1, to mark as changed.
#[component]
pub fn Editor(
    id: String,
    label: String,
    language: Language,
    text: String,
    changed: Vec<usize>,
    #[props(default)] read_only: bool,
    #[props(default)] invalid: bool,
    onchange: EventHandler<String>,
    oncaret: EventHandler<Caret>,
) -> Element {
    let mut source = use_signal(|| Source::new(language, &text));
    // Colours follow the text before it is drawn, so that the copy never lags behind the field.
    if source.peek().differs(language, &text) {
        source.write().update(language, &text);
    }
    let mut leaving = use_signal(|| false);
    let mut caret = use_signal(|| (1_usize, 1_usize));
    let look = {
        let id = id.clone();
        move || {
            if let Some(now) = state(&id) {
                let at = keys::line_and_column(&now.text, now.end);
                if *caret.peek() != at {
                    caret.set(at);
                    oncaret.call(at);
                }
            }
        }
    };
    let (mut after_key, mut after_click, mut after_input) = (look.clone(), look.clone(), look);
    let target = id.clone();
    let onkeydown = move |event: KeyboardEvent| {
        let modifiers = event.modifiers();
        let command = modifiers.ctrl() || modifiers.meta() || modifiers.alt();
        let key = event.key();
        if key == Key::Escape {
            leaving.set(true);
            return;
        }
        // After Escape, Tab does what it does everywhere: it leaves.
        let leave = leaving.replace(false) && key == Key::Tab;
        if command || leave || read_only {
            return;
        }
        let Some(before) = state(&target) else { return };
        let after = match key {
            Key::Tab if modifiers.shift() => keys::outdent(&before),
            Key::Tab => keys::indent(&before),
            Key::Enter if !modifiers.shift() => keys::new_line(&before),
            _ => return,
        };
        event.prevent_default();
        if after.text != before.text {
            put(&target, &before, &after);
            if let Some(now) = field(&target) {
                onchange.call(now.value());
            }
        }
    };
    let held = source.read();
    let current = caret().0;
    rsx! {
        div { class: "editor editor-live", "data-invalid": "{invalid}",
            div { class: "editor-in",
                ol { "aria-hidden": "true",
                    for (at, line) in held.lines().iter().enumerate() {
                        li {
                            key: "{at}",
                            class: if changed.contains(&(at + 1)) { "chg" },
                            "aria-current": if at + 1 == current { "true" },
                            span {
                                for (nth, (text, kind)) in line.pieces().into_iter().enumerate() {
                                    span { key: "{nth}", class: kind.map(super::highlight::Kind::class), "{text}" }
                                }
                            }
                        }
                    }
                }
                textarea {
                    id: "{id}",
                    "aria-label": "{label}",
                    "aria-describedby": "{id}-keys",
                    "aria-invalid": if invalid { "true" },
                    spellcheck: "false",
                    autocapitalize: "off",
                    autocomplete: "off",
                    wrap: "off",
                    readonly: read_only,
                    value: "{text}",
                    oninput: move |event| {
                        onchange.call(event.value());
                        after_input();
                    },
                    onkeydown,
                    onkeyup: move |_| after_key(),
                    onclick: move |_| after_click(),
                }
            }
            span { class: "sr", id: "{id}-keys", {t("editor.keys")} }
        }
    }
}

/// The caret in words.
pub fn position((line, column): Caret) -> String {
    tf(
        "editor.position",
        &[("line", &line.to_string()), ("column", &column.to_string())],
    )
}
