//! One terminal: live, for who opened it and for others who watch, or its recording.

use std::time::Duration;

use dioxus::prelude::*;

use super::NotYours;
use super::bar::Tools;
use super::data::{self, Session};
use super::held;
use super::player::Player;
use super::stands::{Stand, begun, length, stands_in_list};
use super::work::Work;
use crate::api::ApiError;
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Icon, Skeleton, bytes, use_now, use_query};

/// One terminal.
#[component]
pub fn Terminal(locale: Locale, id: ReadSignal<String>) -> Element {
    let mut load = use_query(move || {
        let id = id();
        async move { data::session(&id).await }
    });
    let held = load.data.read();
    let name = held.iter().flatten().map(Session::name).next();
    use_crumbs(vec![
        Crumb::link(
            t("nav.terminals"),
            Route::Terminals {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(name.unwrap_or_else(|| t("terminals.one"))),
    ]);
    if !session::may(Scope::OpenTerminals) {
        return rsx! { NotYours {} };
    }
    match (&*held, (load.error)()) {
        (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| load.reload() } },
        (None, None) => rsx! { Skeleton { lines: 8 } },
        (Some(None), _) => rsx! {
            Empty { icon: "terminal", title: t("terminals.gone"), text: t("error.not_found"),
                Link { class: "btn", to: Route::Terminals { locale, query: Params::default() }, {t("terminals.all")} }
            }
        },
        (Some(Some(session)), error) => rsx! {
            // A key is heeded among siblings: another terminal gets another page, and one that has ended too.
            for session in [session.clone()] {
                One {
                    key: "{session.id.inner()} {session.is_over()}",
                    locale,
                    session,
                    error: error.clone(),
                    onover: move |()| load.reload(),
                }
            }
        },
    }
}

#[component]
fn One(locale: Locale, session: Session, error: Option<ApiError>, onover: EventHandler) -> Element {
    if session.is_over() {
        rsx! { Recorded { locale, session } }
    } else {
        rsx! { Live { locale, session, error, onover } }
    }
}

/// A terminal that goes on. `onover` hears that it is to be asked for anew; `error` tells why that failed.
#[component]
fn Live(locale: Locale, session: Session, error: Option<ApiError>, onover: EventHandler) -> Element {
    let navigator = use_navigator();
    let id = session.id.inner().to_owned();
    let (kept, watched) = (session.clone(), id.clone());
    use_hook(move || {
        held::release_others();
        held::hold(kept);
    });
    // Of another's nothing is held that nobody looks at.
    let mine = session.is_mine;
    use_drop(move || {
        if !mine {
            held::release(&watched);
        }
    });
    let Some(state) = held::state(&id) else {
        return rsx! {
            Head { locale, session }
            if let Some(error) = error {
                ErrorNotice { error, onretry: move |()| onover.call(()) }
            } else {
                Skeleton { lines: 8 }
            }
        };
    };
    let over = id.clone();
    rsx! {
        Head { locale, session: state.session.clone() }
        div { class: "term-bar",
            Tools { locale, state: state.clone(), single: true, onclosed: move |()| {
                navigator.push(Route::Terminals { locale, query: Params::default() });
            } }
        }
        Work { locale, state, onover: move |()| {
            held::release(&over);
            onover.call(());
        } }
    }
}

/// What is kept of a terminal that has ended.
#[component]
fn Recorded(locale: Locale, session: Session) -> Element {
    rsx! {
        Head { locale, session: session.clone() }
        Player { session }
    }
}

#[component]
fn Head(locale: Locale, session: Session) -> Element {
    let now = use_now(Duration::from_secs(1));
    let (colour, word) = stands_in_list(&session);
    let length = length(&session, now());
    let name = session.name();
    rsx! {
        div { class: "page-head",
            div { class: "titles",
                div { class: "line",
                    h1 { "{name}" }
                    Stand { colour, word }
                    if !session.is_mine && !session.is_over() {
                        span { class: "badge badge-accent",
                            Icon { name: "eye", class: "i i-sm" }
                            {t("terminals.read_only")}
                        }
                    }
                }
                if let Some(reason) = session.status_reason.as_ref() {
                    p { lang: "en", "{reason}" }
                }
                div { class: "facts",
                    if let Some(server) = session.server.as_ref() {
                        span {
                            Icon { name: "server" }
                            Link { to: Route::server(locale, server.id.inner()), "{server.name}" }
                        }
                    }
                    if let Some(execution) = session.execution.as_ref() {
                        span {
                            Icon { name: "runs" }
                            Link { to: Route::run(locale, execution.job.id.inner()), "{session.name()}" }
                        }
                    }
                    span { Icon { name: "admin" } "{session.owner.name}" }
                    span { Icon { name: "clock" } {begun(&session)} if let Some(length) = length { " · {length}" } }
                    if session.is_over() {
                        span { {bytes(session.recorded_bytes)} }
                        if let Some(code) = session.exit_code {
                            span { {tf("terminals.exit", &[("code", &code.to_string())])} }
                        }
                    }
                }
            }
            if session.is_over() {
                div { class: "acts",
                    a { class: "btn", href: "{session.recording_path}", download: "",
                        Icon { name: "download" }
                        {t("terminals.download")}
                    }
                }
            }
        }
    }
}
