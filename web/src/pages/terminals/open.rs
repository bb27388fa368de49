//! Opening a terminal: by the button of a server or a run, again where one has ended, or by choosing a place. What
//! other parts of the application take from here keeps nothing in memory: each has a copy of its own.

use std::time::Duration;

use dioxus::prelude::*;

use super::changes;
use super::data::{Place, Session};
use super::places::{self, Places};
use crate::browser;
use crate::i18n::{Locale, t};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, UserErrorCode};
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Dialog, ErrorNotice, Icon, Skeleton, error_text, toast, use_query};

/// What keeps a terminal from being opened: the words for any refusal would say nothing of it.
fn reason(error: &UserError) -> String {
    match error.code {
        UserErrorCode::LimitReached => t("terminals.refused.limit"),
        UserErrorCode::Unreachable => t("terminals.refused.unreachable"),
        UserErrorCode::Forbidden => t("terminals.refused.forbidden"),
        UserErrorCode::Conflict if error.path() == "executionId" => t("terminals.refused.run"),
        UserErrorCode::Conflict => t("terminals.refused.server"),
        _ => error.words(),
    }
}

/// Why a terminal was not opened.
fn words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Failed(error) => error_text(error),
        Refusal::Refused(errors) => errors.iter().map(reason).collect::<Vec<_>>().join(" "),
    }
}

/// Opens a terminal; None where that was not done, which was said.
async fn opened(place: Place) -> Option<Session> {
    match changes::open(place).await {
        Ok(session) => Some(session),
        Err(refusal) => {
            toast(JobStatus::Failed, t("terminals.not_opened"), words(&refusal));
            None
        }
    }
}

/// Opens another one where this one was; None where that was not done, which was said.
pub(super) async fn reopened(session: &Session) -> Option<Session> {
    opened(session.place()?).await
}

/// The button of a server or of a run that goes on; nothing for whoever may not.
#[component]
pub fn OpenTerminal(locale: Locale, place: Place) -> Element {
    let navigator = use_navigator();
    let mut busy = use_signal(|| false);
    if !session::may(Scope::OpenTerminals) {
        return rsx! {};
    }
    let open = move |_| {
        let place = place.clone();
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            if let Some(session) = opened(place).await {
                navigator.push(Route::terminals(locale, session.id.inner()));
            }
            busy.set(false);
        }
    };
    rsx! {
        button { class: "btn", r#type: "button", "aria-busy": if busy() { "true" }, onclick: open,
            Icon { name: "terminal" }
            {t("terminals.button")}
        }
    }
}

/// Where to? `onopened` hears of the terminal that was opened, or that nobody wants one.
#[component]
pub(super) fn Picker(onclose: EventHandler<Option<Session>>) -> Element {
    let mut typed = use_signal(String::new);
    let mut busy = use_signal(|| false);
    let mut refused = use_signal(|| None::<String>);
    let mut found = use_query(move || {
        let text = typed();
        async move {
            browser::sleep(Duration::from_millis(120)).await;
            places::places(&text).await
        }
    });
    let open = move |place: Place| async move {
        if busy() {
            return;
        }
        busy.set(true);
        refused.set(None);
        match changes::open(place).await {
            Ok(session) => onclose.call(Some(session)),
            Err(refusal) => refused.set(Some(words(&refusal))),
        }
        busy.set(false);
    };
    let held = found.data.read();
    rsx! {
        Dialog {
            id: "terminal-picker",
            title: t("terminals.open_one"),
            onclose: move |()| onclose.call(None),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(None), {t("dialog.cancel")} }
            },
            div { class: "affix",
                Icon { name: "search" }
                input {
                    class: "input",
                    id: "terminal-search",
                    r#type: "search",
                    autofocus: true,
                    autocomplete: "off",
                    placeholder: t("terminals.search"),
                    "aria-label": t("terminals.search"),
                    value: "{typed}",
                    oninput: move |event| {
                        refused.set(None);
                        typed.set(event.value());
                    },
                }
            }
            match (&*held, (found.error)()) {
                (_, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| found.reload() } },
                (None, None) => rsx! { Skeleton { lines: 3 } },
                (Some(places), None) => rsx! {
                    Choices { places: places.clone(), busy: busy(), onchosen: open }
                },
            }
            // A message that floats would lie behind the dialog.
            if let Some(text) = refused() {
                p { class: "error", role: "alert", Icon { name: "alert" } "{text}" }
            }
        }
    }
}

#[component]
fn Choices(places: Places, busy: bool, onchosen: EventHandler<Place>) -> Element {
    let none = places.servers.is_empty() && places.containers.is_empty();
    rsx! {
        div { class: "term-places", "aria-busy": if busy { "true" },
            if none {
                p { class: "hint", role: "status", {t("terminals.no_place")} }
            }
            if !places.servers.is_empty() {
                h3 { {t("nav.servers")} }
                ul {
                    for server in places.servers {
                        li { key: "{server.id.inner()}",
                            button {
                                class: "menu-item",
                                r#type: "button",
                                onclick: {
                                    let id = server.id.clone();
                                    move |_| onchosen.call(Place::Server(id.clone()))
                                },
                                Icon { name: "server" }
                                span { class: "name", "{server.name}" }
                                span { class: "sub mono", "{server.username}@{server.address}" }
                            }
                        }
                    }
                }
            }
            if !places.containers.is_empty() {
                h3 { {t("terminals.containers")} }
                ul {
                    for container in places.containers {
                        li { key: "{container.execution.inner()}",
                            button {
                                class: "menu-item",
                                r#type: "button",
                                onclick: {
                                    let id = container.execution.clone();
                                    move |_| onchosen.call(Place::Execution(id.clone()))
                                },
                                Icon { name: "box" }
                                span { class: "name", "{container.name}" }
                            }
                        }
                    }
                }
            }
        }
    }
}
