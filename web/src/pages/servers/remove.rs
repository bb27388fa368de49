//! Removing a server, with what that would break.

use dioxus::prelude::*;

use super::changes;
use super::data::{Detail, Hop};
use super::used::Breaks;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::{Refusal, UserError, UserErrorCode};
use crate::pages::runs::say;
use crate::routes::Route;
use crate::ui::{Dialog, Icon, JobStatus, toast};

/// Why a server has to stay for now; None where it was refused for another reason.
fn in_use(refusal: &Refusal) -> Option<String> {
    let Refusal::Refused(errors) = refusal else {
        return None;
    };
    let used = |error: &&UserError| {
        error.path() == "id" && matches!(error.code, UserErrorCode::InUse | UserErrorCode::Conflict)
    };
    let error = errors.iter().find(used)?;
    Some(match Locale::current() {
        // It says what runs there.
        Locale::En => error.message.clone(),
        Locale::Es => error.words_at("server.id"),
    })
}

/// Asks before it is done; `onclose` hears whether it was.
#[component]
pub fn Remove(locale: Locale, server: Detail, onclose: EventHandler<bool>) -> Element {
    let mut busy = use_signal(|| false);
    // What a refusal brought may be more than what was known.
    let mut through = use_signal(|| server.jump_for.clone());
    let mut stays = use_signal(|| None::<String>);
    let (id, version) = (server.id.clone(), server.version);
    let (name, used) = (server.name.clone(), server.id.clone());
    let free = through.read().is_empty();
    rsx! {
        Dialog { id: "server-delete", title: tf("servers.delete_title", &[("name", &server.name)]), onclose: move |()| onclose.call(false),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(false), {t(if free { "dialog.cancel" } else { "dialog.close" })} }
                if free {
                    button { class: "btn btn-danger-solid", r#type: "button", "aria-busy": if busy() { "true" },
                        onclick: move |_| {
                            let (id, name) = (id.clone(), name.clone());
                            async move {
                                if busy() {
                                    return;
                                }
                                busy.set(true);
                                stays.set(None);
                                match changes::delete(id, version).await {
                                    Ok(()) => {
                                        toast(JobStatus::Succeeded, t("servers.deleted"), name);
                                        onclose.call(true);
                                    }
                                    Err((Refusal::Refused(_), found)) if !found.is_empty() => through.set(found),
                                    Err((refusal, _)) => match in_use(&refusal) {
                                        // It can be tried again, such as when a run there has ended.
                                        Some(words) => stays.set(Some(words)),
                                        None => {
                                            say(t("servers.not_deleted"), &refusal);
                                            onclose.call(false);
                                        }
                                    },
                                }
                                busy.set(false);
                            }
                        },
                        Icon { name: "trash" }
                        {t("servers.delete")}
                    }
                }
            },
            if free {
                if let Some(words) = stays() {
                    div { class: "banner", role: "alert", "data-status": "FAILED",
                        Icon { name: "alert" }
                        span { "{words}" }
                    }
                }
                p { {t("servers.delete_text")} }
                Breaks { locale, server: used }
                p { class: "hint", {t("servers.delete_free")} }
            } else {
                Through { locale, through: through() }
            }
        }
    }
}

/// The servers that could not be reached any more.
#[component]
fn Through(locale: Locale, through: Vec<Hop>) -> Element {
    rsx! {
        div { class: "banner", role: "alert", "data-status": "PARTIAL",
            Icon { name: "alert" }
            span { {t("servers.delete_in_use")} }
        }
        h3 { class: "label", {t("servers.jump_for")} }
        ul { class: "vars-used", "aria-label": t("servers.jump_for"),
            for hop in through {
                li { key: "{hop.id.inner()}",
                    Link { to: Route::server(locale, hop.id.inner()), "{hop.name}" }
                    " "
                    span { class: "sub mono", {hop.place()} }
                }
            }
        }
    }
}
