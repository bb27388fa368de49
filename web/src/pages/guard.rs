//! Keeps a person from leaving the page with unsaved changes by accident.

use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;

use crate::browser;
use crate::i18n::t;
use crate::log::dom::use_listener;
use crate::ui::Dialog;

/// The address that a plain click on a link leads to, when it leaves this page within the application.
fn leaves(event: &web_sys::Event) -> Option<String> {
    let mouse = event.dyn_ref::<web_sys::MouseEvent>()?;
    if mouse.ctrl_key() || mouse.meta_key() || mouse.shift_key() || mouse.button() != 0 {
        return None;
    }
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    let link = target.closest("a[href]").ok()??;
    if link.has_attribute("download")
        || link
            .get_attribute("target")
            .is_some_and(|target| target == "_blank")
    {
        return None;
    }
    let href = link.get_attribute("href")?;
    let path = |address: &str| address.split(['?', '#']).next().unwrap_or_default().to_owned();
    (href.starts_with('/') && path(&href) != path(&browser::address())).then_some(href)
}

/// Asks before the page is left while something is unsaved; `ondiscard` gives it up.
#[component]
pub fn Guard(dirty: Memo<bool>, ondiscard: EventHandler) -> Element {
    let navigator = use_navigator();
    let mut asked = use_signal(|| None::<String>);
    use_listener("beforeunload", true, false, move |event| {
        if dirty() {
            event.prevent_default();
            // Older browsers look at this property only.
            let _ = js_sys::Reflect::set(&event, &"returnValue".into(), &true.into());
        }
    });
    // Captured, so that the question comes before the link's own handler.
    use_listener("click", false, true, move |event| {
        if !dirty() {
            return;
        }
        if let Some(address) = leaves(&event) {
            event.prevent_default();
            event.stop_propagation();
            asked.set(Some(address));
        }
    });
    let Some(address) = asked() else { return rsx! {} };
    rsx! {
        Dialog {
            id: "leave-page",
            title: t("event.leave_title"),
            onclose: move |()| asked.set(None),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| asked.set(None), {t("event.stay")} }
                button {
                    class: "btn btn-danger-solid",
                    r#type: "button",
                    onclick: move |_| {
                        ondiscard.call(());
                        asked.set(None);
                        navigator.push(address.clone());
                    },
                    {t("event.leave")}
                }
            },
            p { {t("event.leave_text")} }
        }
    }
}
