//! A labelled place for a value, with its hint and its error.

use dioxus::prelude::*;

use super::Icon;
use crate::i18n::t;

/// Label, control, then error or hint. The control is given as children and has the same `id`; where
/// there is an error it should carry `aria-invalid` and `aria-describedby` of `{id}-note`.
#[component]
pub fn Field(
    id: String,
    label: String,
    #[props(default)] error: Option<String>,
    #[props(default)] hint: Option<String>,
    #[props(default)] optional: bool,
    children: Element,
) -> Element {
    rsx! {
        div { class: "field",
            label { class: "label", r#for: "{id}", "{label}"
                if optional {
                    span { class: "opt", {t("optional")} }
                }
            }
            {children}
            if let Some(error) = error {
                p { class: "error", id: "{id}-note", role: "alert", Icon { name: "alert" } "{error}" }
            } else if let Some(hint) = hint {
                p { class: "hint", id: "{id}-note", "{hint}" }
            }
        }
    }
}
