//! The parts of the list of runs around its table: views, chips, what stands for no rows, and the pager. They say what is asked; the page does it.

use dioxus::prelude::*;

use super::data;
use super::filters::{self, OPEN, UNSUCCESSFUL};
use crate::i18n::{Locale, t, tf, tn};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::status::STATUS;
use crate::ui::{Empty, Icon};

#[component]
pub(super) fn Views(locale: Locale, params: Params) -> Element {
    let views = [
        ("runs.view.all", ""),
        ("runs.view.open", OPEN),
        ("runs.view.unsuccessful", UNSUCCESSFUL),
    ];
    let now = params.get("status").unwrap_or_default().to_owned();
    let active = STATUS
        .read()
        .as_ref()
        .map_or(0, |status| status.running + status.queue_depth);
    rsx! {
        div { class: "tabs-row",
            nav { class: "tabs", "aria-label": t("runs.views"),
                for (key, status) in views {
                    Link {
                        key: "{key}",
                        class: "tab",
                        to: Route::Runs { locale, query: filters::with(&params, "status", status) },
                        "aria-current": (now == status).then_some("page"),
                        {t(key)}
                        if status == OPEN && active > 0 {
                            span { class: "count", "{active}" }
                        }
                    }
                }
            }
            if session::may(Scope::RunEvents) {
                div { class: "acts md",
                    Link { class: "btn btn-primary", to: Route::Events { locale, query: Params::default() },
                        Icon { name: "play" }
                        {t("runs.run_event")}
                    }
                }
            }
        }
    }
}

#[component]
pub(super) fn EventChip(name: Option<String>, params: Params, onchange: EventHandler<Params>) -> Element {
    let name = name.unwrap_or_else(|| t("runs.one_event"));
    rsx! {
        button {
            class: "chip chip-on",
            r#type: "button",
            "aria-label": "{t(\"runs.event\")} {name}: {t(\"filter.clear\")}",
            onclick: move |_| onchange.call(filters::with(&params, "event", "")),
            {t("runs.event")}
            " "
            b { "{name}" }
            Icon { name: "x" }
        }
    }
}

#[component]
pub(super) fn NoRuns(locale: Locale, filtered: bool) -> Element {
    let (title, text) = if filtered {
        ("runs.none_match", "runs.none_match_text")
    } else {
        ("runs.none", "runs.none_text")
    };
    rsx! {
        Empty { icon: "runs", title: t(title), text: t(text),
            if filtered {
                Link { class: "btn", to: Route::Runs { locale, query: Params::default() }, {t("filter.clear_all")} }
            } else if session::may(Scope::RunEvents) {
                Link { class: "btn btn-primary", to: Route::Events { locale, query: Params::default() }, {t("runs.run_event")} }
            }
        }
    }
}

/// How much of a list is shown, and the way to the rest.
#[component]
pub fn Pager(
    shown: usize,
    total: i32,
    info: data::PageInfo,
    params: Params,
    onchange: EventHandler<Params>,
) -> Element {
    let total = tn("runs.total", u64::try_from(total).unwrap_or(0));
    let newer = info.start_cursor.clone().filter(|_| info.has_previous_page);
    let older = info.end_cursor.clone().filter(|_| info.has_next_page);
    let turn = move |name: &'static str, cursor: Option<String>| {
        let next = filters::with(&params, name, cursor.as_deref().unwrap_or_default());
        move |_: MouseEvent| onchange.call(next.clone())
    };
    rsx! {
        div { class: "pager",
            span { {tf("runs.shown", &[("shown", &shown.to_string()), ("total", &total)])} }
            span { class: "toolbar",
                button { class: "btn btn-sm", r#type: "button", disabled: newer.is_none(), onclick: turn("before", newer.clone()),
                    Icon { name: "left" }
                    {t("runs.newer_page")}
                }
                button { class: "btn btn-sm", r#type: "button", disabled: older.is_none(), onclick: turn("after", older.clone()),
                    {t("runs.older_page")}
                    Icon { name: "right" }
                }
            }
        }
    }
}
