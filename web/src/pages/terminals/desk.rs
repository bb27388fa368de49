//! The terminals that the viewer has open, in tabs. All of them go on; one is in view.

use dioxus::prelude::*;

use super::bar::Tools;
use super::changes;
use super::data::{self, Session};
use super::held::{self, State};
use super::open::Picker;
use super::stands::stands;
use super::use_looks;
use super::work::Work;
use crate::browser;
use crate::i18n::{Locale, t};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, Icon, Skeleton, StatusDot, use_query};

const PANEL: &str = "terminal-panel";
const TABS: &str = "terminal-tabs";

fn tab_id(at: usize) -> String {
    format!("terminal-tab-{at}")
}

/// Where a key leads from a tab among so many.
fn turned(key: &Key, at: usize, count: usize) -> Option<usize> {
    match key {
        Key::ArrowRight => Some((at + 1) % count),
        Key::ArrowLeft => Some((at + count - 1) % count),
        Key::Home => Some(0),
        Key::End => Some(count - 1),
        _ => None,
    }
}

/// The tabs, and the terminal of the chosen one.
#[component]
pub fn Desk(locale: Locale, query: ReadSignal<Params>) -> Element {
    let navigator = use_navigator();
    let mut picking = use_signal(|| false);
    use_hook(held::release_others);
    let mut list = use_query(|| async {
        let own = data::own().await?;
        for session in &own {
            held::hold(session.clone());
        }
        Ok(())
    });
    use_looks(list);
    let own = held::own();
    let asked = query().get("tab").unwrap_or_default().to_owned();
    let known = list.data.read().is_some();
    let found = own.iter().position(|state| state.session.id.inner() == asked);
    // What was asked for may be about to come: no other one is shown for a moment.
    let first = || (known || asked.is_empty()).then_some(0);
    let at = found.or_else(first).filter(|at| *at < own.len());
    let turn = move |id: String| {
        navigator.replace(Route::terminals(locale, &id));
    };
    let take = move |session: Option<Session>| {
        picking.set(false);
        if let Some(session) = session {
            let id = session.id.inner().to_owned();
            held::hold(session);
            navigator.push(Route::terminals(locale, &id));
        }
    };
    let chosen = at.and_then(|at| Some((at, own.get(at)?.clone())));
    rsx! {
        div { class: "term-bar",
            if !own.is_empty() {
                Tabs { own: own.clone(), at, onturn: turn }
            }
            button {
                class: "icon-btn icon-btn-sm",
                r#type: "button",
                id: "terminal-new",
                "aria-label": t("terminals.open_one"),
                title: t("terminals.open_one"),
                onclick: move |_| picking.set(true),
                Icon { name: "plus" }
            }
            if let Some((_, state)) = chosen.clone() {
                Tools { locale, state, single: false, onclosed: move |()| {
                    navigator.replace(Route::Terminals { locale, query: Params::default() });
                } }
            }
        }
        if let Some((at, state)) = chosen {
            // A key is heeded among siblings: each terminal has a place of its own in the page.
            for state in [state] {
                div {
                    key: "{state.session.id.inner()}",
                    class: "term-panel",
                    id: PANEL,
                    role: "tabpanel",
                    "aria-labelledby": tab_id(at),
                    Work { locale, state: state.clone(), onover: {
                        let id = state.session.id.inner().to_owned();
                        move |()| {
                            held::release(&id);
                            navigator.push(Route::Terminal { locale, id: id.clone() });
                        }
                    } }
                }
            }
        } else if let Some(error) = (list.error)().filter(|_| !known) {
            ErrorNotice { error, onretry: move |()| list.reload() }
        } else if known {
            Empty { icon: "terminal", title: t("terminals.none"), text: t("terminals.none_text"),
                button { class: "btn btn-primary", r#type: "button", onclick: move |_| picking.set(true),
                    Icon { name: "plus" }
                    {t("terminals.open_one")}
                }
            }
        } else {
            Skeleton {}
        }
        if picking() {
            Picker { onclose: take }
        }
    }
}

#[component]
fn Tabs(own: Vec<State>, at: Option<usize>, onturn: EventHandler<String>) -> Element {
    let count = own.len();
    // What the address asks for may stand far to the right.
    use_effect(use_reactive((&at, &count), |(at, _)| {
        if let Some(at) = at {
            browser::show_within(TABS, &tab_id(at));
        }
    }));
    let ids: Vec<String> = own
        .iter()
        .map(|state| state.session.id.inner().to_owned())
        .collect();
    rsx! {
        div { class: "tabs", id: TABS, role: "tablist", "aria-label": t("terminals.tabs"),
            for (nth, state) in own.iter().enumerate() {
                button {
                    key: "{state.session.id.inner()}",
                    class: "tab",
                    r#type: "button",
                    role: "tab",
                    id: tab_id(nth),
                    "aria-selected": if at == Some(nth) { "true" } else { "false" },
                    "aria-controls": (at == Some(nth)).then_some(PANEL),
                    tabindex: if at == Some(nth) { "0" } else { "-1" },
                    onclick: {
                        let id = ids[nth].clone();
                        move |_| {
                            if let Some(seat) = held::seat(&id).filter(|_| at == Some(nth)) {
                                seat.screen().focus();
                            } else {
                                changes::want(&id);
                                onturn.call(id.clone());
                            }
                        }
                    },
                    onkeydown: {
                        let ids = ids.clone();
                        move |event: KeyboardEvent| {
                            if let Some(next) = turned(&event.key(), nth, count) {
                                event.prevent_default();
                                onturn.call(ids[next].clone());
                                browser::focus(&tab_id(next));
                            }
                        }
                    },
                    StatusDot { status: stands(state).0 }
                    Icon { name: state.session.icon() }
                    span { {state.session.name()} }
                    span { class: "sr", {stands(state).1} }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_turn_the_tabs_around() {
        assert_eq!(turned(&Key::ArrowRight, 2, 3), Some(0));
        assert_eq!(turned(&Key::ArrowLeft, 0, 3), Some(2));
        assert_eq!(
            (turned(&Key::Home, 2, 3), turned(&Key::End, 0, 3)),
            (Some(0), Some(2))
        );
        assert_eq!(turned(&Key::Enter, 1, 3), None);
    }
}
