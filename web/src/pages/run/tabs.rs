//! The tabs of a run on several servers: all of them, and each by itself. One of them is a stop of the keyboard, and
//! the arrow keys lead to the others.

use dioxus::prelude::*;

use super::lanes::Lane;
use crate::browser;
use crate::i18n::{t, tf};
use crate::ui::{Icon, StatusIcon};

/// What the tabs control.
pub const PANEL: &str = "run-panel";
const LIST: &str = "run-tabs";

/// The id of a tab, by its place.
pub fn tab_id(at: usize) -> String {
    format!("run-tab-{at}")
}

/// The place of the tab of a lane; the first one is of all.
pub fn place(lanes: &[Lane], chosen: Option<&Lane>) -> usize {
    let found = chosen.and_then(|chosen| lanes.iter().position(|lane| lane.id() == chosen.id()));
    found.map_or(0, |at| at + 1)
}

/// Where a key leads among so many tabs.
fn step(key: &Key, at: usize, count: usize) -> Option<usize> {
    match key {
        Key::ArrowRight => Some((at + 1) % count),
        Key::ArrowLeft => Some((at + count - 1) % count),
        Key::Home => Some(0),
        Key::End => Some(count - 1),
        _ => None,
    }
}

/// The tabs. `onchoose` hears of the server's id, an empty one for all, and whether a key led there.
#[component]
pub fn ServerTabs(lanes: Vec<Lane>, at: usize, onchoose: EventHandler<(String, bool)>) -> Element {
    // What the address asks for may stand far to the right.
    use_effect(use_reactive((&at,), |(at,)| {
        browser::show_within(LIST, &tab_id(at));
    }));
    let count = lanes.len();
    let mut ids = vec![String::new()];
    ids.extend(lanes.iter().map(|lane| lane.id().to_owned()));
    let onkeydown = move |event: KeyboardEvent| {
        if let Some(next) = step(&event.key(), at, ids.len()) {
            event.prevent_default();
            browser::focus(&tab_id(next));
            onchoose.call((ids[next].clone(), true));
        }
    };
    rsx! {
        div { class: "tabs", id: LIST, role: "tablist", "aria-label": t("targets.title"), onkeydown,
            Tab { at: 0, on: at == 0, onclick: move |()| onchoose.call((String::new(), false)),
                Icon { name: "server" }
                {t("run.all_servers")}
                span { class: "count", "{count}" }
            }
            for (n, lane) in lanes.into_iter().enumerate() {
                Tab {
                    key: "{lane.id()}",
                    at: n + 1,
                    on: at == n + 1,
                    onclick: {
                        let id = lane.id().to_owned();
                        move |()| onchoose.call((id.clone(), false))
                    },
                    StatusIcon { status: lane.status() }
                    {lane.name()}
                    if lane.executions.len() > 1 {
                        span { class: "count", {tf("run.attempt", &[("n", &lane.executions.len().to_string())])} }
                    }
                }
            }
        }
    }
}

#[component]
fn Tab(at: usize, on: bool, onclick: EventHandler, children: Element) -> Element {
    rsx! {
        button {
            class: "tab",
            id: tab_id(at),
            r#type: "button",
            role: "tab",
            "aria-selected": if on { "true" } else { "false" },
            "aria-controls": PANEL,
            tabindex: if on { "0" } else { "-1" },
            onclick: move |_| onclick.call(()),
            {children}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::run::data::tests::on;
    use crate::pages::run::lanes::lanes;
    use crate::ui::JobStatus;

    #[test]
    fn keys_go_round_the_tabs() {
        assert_eq!(step(&Key::ArrowRight, 2, 3), Some(0));
        assert_eq!(step(&Key::ArrowLeft, 0, 3), Some(2));
        assert_eq!(step(&Key::Home, 2, 3), Some(0));
        assert_eq!(step(&Key::End, 0, 3), Some(2));
        assert_eq!(step(&Key::Enter, 0, 3), None);
    }

    #[test]
    fn the_first_tab_is_of_all() {
        let all = lanes(&[on("web", 1, JobStatus::Failed), on("db", 1, JobStatus::Failed)]);
        assert_eq!(place(&all, None), 0);
        assert_eq!(place(&all, Some(&all[1])), 2);
    }
}
