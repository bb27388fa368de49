//! A modal dialog on the browser's own element, which keeps the focus inside and closes with Escape.

use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;

use super::Icon;
use crate::browser;
use crate::i18n::t;

/// Title, body as children, and a foot with the actions. Shown for as long as it is rendered.
#[component]
pub fn Dialog(id: String, title: String, onclose: EventHandler, foot: Element, children: Element) -> Element {
    let target = id.clone();
    use_effect(move || {
        let element = browser::document().and_then(|document| document.get_element_by_id(&target));
        if let Some(dialog) =
            element.and_then(|element| element.dyn_into::<web_sys::HtmlDialogElement>().ok())
            && !dialog.open()
        {
            // Fails only for an element that left the page meanwhile.
            let _ = dialog.show_modal();
        }
    });
    rsx! {
        dialog {
            class: "dialog",
            id: "{id}",
            "aria-labelledby": "{id}-title",
            oncancel: move |event| {
                event.prevent_default();
                onclose.call(());
            },
            onkeydown: move |event| {
                if event.key() == Key::Escape {
                    event.prevent_default();
                    onclose.call(());
                }
            },
            div { class: "dialog-head",
                h2 { id: "{id}-title", "{title}" }
                button { class: "icon-btn", r#type: "button", "aria-label": t("dialog.close"), title: t("dialog.close"), onclick: move |_| onclose.call(()),
                    Icon { name: "x" }
                }
            }
            div { class: "dialog-body", {children} }
            div { class: "dialog-foot", {foot} }
        }
    }
}
