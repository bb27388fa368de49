//! Removing a variable, with what that would break.

use dioxus::prelude::*;

use super::data::{self, Variable};
use super::edit::UsedBy;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::say;
use crate::ui::{Dialog, Icon, JobStatus, toast};

/// Asks before it is done.
#[component]
pub(super) fn Remove(locale: Locale, variable: Variable, onclose: EventHandler<bool>) -> Element {
    let mut busy = use_signal(|| false);
    let (id, version) = (variable.id.clone(), variable.version);
    let key = variable.key.clone();
    rsx! {
        Dialog { id: "variable-delete", title: tf("vars.delete_title", &[("key", &key)]), onclose: move |()| onclose.call(false),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(false), {t("dialog.cancel")} }
                button { class: "btn btn-danger", r#type: "button", "aria-busy": if busy() { "true" },
                    onclick: move |_| {
                        let (id, key) = (id.clone(), key.clone());
                        async move {
                            if busy() {
                                return;
                            }
                            busy.set(true);
                            match data::delete(id, version).await {
                                Ok(_) => {
                                    toast(JobStatus::Succeeded, t("vars.deleted"), key);
                                    onclose.call(true);
                                }
                                Err(refusal) => {
                                    say(t("vars.not_deleted"), &refusal);
                                    onclose.call(true);
                                }
                            }
                            busy.set(false);
                        }
                    },
                    Icon { name: "trash" }
                    {t("vars.delete")}
                }
            },
            p { {t("vars.delete_text")} }
            h3 { class: "label", {t("vars.used_by")} }
            UsedBy { locale, variable }
        }
    }
}
