//! A modal dialog on the browser's own element, which keeps the focus inside and closes with Escape. The focus
//! goes back to where it was: the browser does that only for a dialog that is closed, and ours leave the page.

use std::cell::RefCell;
use std::time::Duration;

use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;

use super::Icon;
use crate::browser;
use crate::i18n::t;

thread_local! {
    /// What had the focus before the first of the dialogs that are open, and the part of the page that it is in.
    static OPENER: RefCell<Option<(web_sys::HtmlElement, Option<web_sys::Element>)>> = const { RefCell::new(None) };
}

/// Keeps in mind what has the focus; what has it in a dialog was kept in mind when that one opened.
fn remember_opener() {
    let active = browser::document().and_then(|document| document.active_element());
    let Some(active) = active.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) else {
        return;
    };
    if active.closest("dialog[open]").ok().flatten().is_some() {
        return;
    }
    let part = active.closest("section, [role=region], main").ok().flatten();
    OPENER.set(Some((active, part)));
}

/// Whether an element is on the page, drawn, and can be used.
fn takes_focus(element: &web_sys::Element) -> bool {
    let disabled = element.matches(":disabled").unwrap_or(false);
    element.is_connected() && !disabled && element.get_bounding_client_rect().width() > 0.0
}

/// Whether somebody has gone on by themselves, from a dialog that is gone and from what opened it.
fn has_gone_on(opener: &web_sys::Element) -> bool {
    let active = browser::document().and_then(|document| document.active_element());
    active.is_some_and(|active| {
        let in_dialog = active.closest("dialog").ok().flatten().is_some();
        active.tag_name() != "BODY" && !in_dialog && active != *opener
    })
}

/// How often it is looked whether what has the focus again stays, for two seconds.
const LOOKS: u32 = 40;

/// Gives the focus back once no dialog is open; where what opened it is gone, or goes as the page learns what was
/// done, to the part where it stood.
fn return_focus() {
    wasm_bindgen_futures::spawn_local(async {
        // The dialog leaves the page with the drawing that is under way.
        browser::sleep(Duration::ZERO).await;
        if browser::has_dialog() {
            return;
        }
        let Some((opener, part)) = OPENER.take() else {
            return;
        };
        if has_gone_on(&opener) {
            return;
        }
        if opener.tag_name() != "BODY" {
            // Fails only for an element that left the page meanwhile.
            let _ = opener.focus();
            for _ in 0..LOOKS {
                if !browser::has_focus(&opener) {
                    break;
                }
                browser::sleep(Duration::from_millis(50)).await;
            }
            // Whoever could have stayed there has gone on, be it to something that left the page at once.
            if takes_focus(&opener) {
                return;
            }
        }
        // Whoever has gone on meanwhile stays where they are.
        let active = browser::document().and_then(|document| document.active_element());
        if active.is_some_and(|element| element.tag_name() != "BODY") {
            return;
        }
        let first = "button:not(:disabled), a[href], input, select, textarea, summary, [tabindex='0']";
        let stops = part
            .filter(|part| part.is_connected())
            .and_then(|part| part.query_selector_all(first).ok());
        let stops = stops
            .into_iter()
            .flat_map(|all| (0..all.length()).filter_map(move |at| all.get(at)));
        let mut stops = stops.filter_map(|stop| stop.dyn_into::<web_sys::HtmlElement>().ok());
        // What is folded away takes no focus.
        let taken = stops.any(|stop| stop.focus().is_ok() && browser::has_focus(&stop));
        if !taken {
            browser::focus("content");
        }
    });
}

/// To be used by whatever is a dialog, beside showing it.
pub fn use_returned_focus() {
    use_hook(remember_opener);
    use_drop(return_focus);
}

/// Title, body as children, and a foot with the actions. Shown for as long as it is rendered.
#[component]
pub fn Dialog(id: String, title: String, onclose: EventHandler, foot: Element, children: Element) -> Element {
    use_returned_focus();
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
