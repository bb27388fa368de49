//! One terminal in view: its tools, what it shows, and how it stands.

use std::time::Duration;

use dioxus::prelude::*;

use super::bar::Keys;
use super::held::{self, Flow, State};
use super::open::reopened;
use super::stands::{Stand, kept_words, stands, warning};
use super::{HINT, PANE, changes};
use crate::browser;
use crate::i18n::{Locale, t};
use crate::routes::Route;
use crate::ui::{Icon, use_now};

/// A terminal that this window holds. `onover` hears that somebody wants to see what is kept of it.
#[component]
pub fn Work(locale: Locale, state: State, onover: EventHandler) -> Element {
    let now = use_now(Duration::from_secs(1));
    let id = state.session.id.inner().to_owned();
    let mine = state.session.is_mine;
    let goes_on = !matches!(state.flow, Flow::Over | Flow::Gone | Flow::Undrawn);
    rsx! {
        div { class: "term-work",
            Notice { locale, state: state.clone(), now, onover }
            Pane { id, ready: state.ready, fixed: !mine }
            if mine && goes_on {
                Keys { state: state.clone() }
            }
            Foot { state, now }
        }
    }
}

/// The place of the terminal in the page.
#[component]
fn Pane(id: String, ready: bool, fixed: bool) -> Element {
    let dropped = id.clone();
    use_effect(use_reactive((&id, &ready), |(id, _)| {
        let Some(seat) = held::seat(&id) else { return };
        seat.screen().show(PANE);
        if changes::is_wanted(&id) {
            seat.screen().focus();
        }
    }));
    use_drop(move || {
        if let Some(seat) = held::seat(&dropped) {
            seat.screen().hide();
        }
    });
    rsx! {
        p { class: "sr", id: HINT, {t("terminals.hint")} }
        if fixed {
            div {
                class: "term-pane term-fixed",
                id: PANE,
                tabindex: "0",
                role: "region",
                "aria-label": t("terminals.shown"),
            }
        } else {
            div { class: "term-pane", id: PANE }
        }
    }
}

/// What people have to know of a terminal that goes on, or does not.
#[component]
fn Notice(locale: Locale, state: State, now: Signal<f64>, onover: EventHandler) -> Element {
    let navigator = use_navigator();
    let mut busy = use_signal(|| false);
    let session = state.session.clone();
    if let Some((text, left)) = warning(&state, now()) {
        return rsx! {
            div { class: "banner term-notice", "data-status": "PARTIAL",
                Icon { name: "clock" }
                span { role: "status", "{text}" }
                // Not heard each second.
                span { class: "end num", "{left}" }
            }
        };
    }
    match state.flow {
        Flow::Over => rsx! {
            div { class: "banner term-notice", "data-status": "CANCELLED", role: "status",
                Icon { name: "info" }
                span {
                    b { {t("terminals.ended")} }
                    " "
                    if let Some(reason) = &session.status_reason {
                        span { lang: "en", "{reason}" }
                    }
                }
                span { class: "end",
                    button { class: "btn btn-sm", r#type: "button", onclick: move |_| onover.call(()),
                        Icon { name: "play" }
                        {t("terminals.recording")}
                    }
                    if session.place().is_some() && session.is_mine {
                        button {
                            class: "btn btn-sm",
                            r#type: "button",
                            "aria-busy": if busy() { "true" },
                            onclick: move |_| {
                                let session = session.clone();
                                async move {
                                    if busy() {
                                        return;
                                    }
                                    busy.set(true);
                                    if let Some(next) = reopened(&session).await {
                                        let id = next.id.inner().to_owned();
                                        held::hold(next);
                                        held::release(session.id.inner());
                                        navigator.push(Route::terminals(locale, &id));
                                    }
                                    busy.set(false);
                                }
                            },
                            Icon { name: "retry" }
                            {t("terminals.again")}
                        }
                    }
                }
            }
        },
        Flow::Gone => rsx! {
            div { class: "banner term-notice", "data-status": "LOST", role: "status",
                Icon { name: "lock" }
                span { b { {t("terminals.gone_now")} } " " {t("terminals.gone_now_text")} }
            }
        },
        Flow::Undrawn => rsx! {
            div { class: "banner term-notice", "data-status": "FAILED", role: "alert",
                Icon { name: "alert" }
                span { b { {t("terminals.undrawn")} } " " {t("part.failed_text")} }
                span { class: "end",
                    button { class: "btn btn-sm", r#type: "button", onclick: move |_| browser::reload(),
                        Icon { name: "retry" }
                        {t("part.reload")}
                    }
                }
            }
        },
        Flow::Connecting | Flow::Live | Flow::Down(_) => rsx! {},
    }
}

/// How it stands.
#[component]
fn Foot(state: State, now: Signal<f64>) -> Element {
    let (colour, word) = stands(&state);
    let session = &state.session;
    rsx! {
        div { class: "term-foot",
            span { role: "status", Stand { colour, word } }
            // Not heard each second.
            if let Some(words) = kept_words(&state, now()) {
                span { class: "num", "{words}" }
            }
            if state.missing {
                span { class: "status", "data-status": "PARTIAL", {t("terminals.missing")} }
            }
            span { class: "end",
                if session.is_mine {
                    span { class: "md", {t("terminals.leave")} " " kbd { class: "kbd", "Ctrl Shift X" } }
                }
                span { class: "status", "data-status": "FAILED", span { class: "dot" } {t("terminals.recorded")} }
                span { class: "num", "{session.columns} × {session.rows}" }
            }
        }
    }
}
