//! The command palette: go to a page, an event or a run, or run an event. Opened by the search button
//! or by the command key with K.

use std::time::Duration;

use cynic::QueryBuilder as _;
use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;

use super::Theme;
use super::shell::admin_places;
use crate::api::{self, Json, schema};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::input::{self, Wish};
use crate::pages::targets::Target;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{EventType, Icon, JobStatus, Kind, StatusIcon, use_returned_focus};

static OPEN: GlobalSignal<bool> = Signal::global(|| false);

/// Opens the palette, or closes it.
pub(super) fn toggle() {
    let open = *OPEN.peek();
    *OPEN.write() = !open;
}

#[derive(cynic::InputObject)]
struct EventFilter {
    text: Option<String>,
}

#[derive(cynic::InputObject)]
struct JobFilter {
    text: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct FindVariables {
    events: EventFilter,
    jobs: JobFilter,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "FindVariables")]
struct FindQuery {
    #[arguments(first: 6, filter: $events)]
    events: Events,
    #[arguments(first: 4, filter: $jobs)]
    jobs: Jobs,
}

crate::api::listed!(Query FindQuery, FindVariables);

#[derive(cynic::InputObject)]
struct ServerFilter {
    text: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct FindServersVariables {
    servers: ServerFilter,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "FindServersVariables")]
struct FindServers {
    #[arguments(first: 3, filter: $servers)]
    servers: Servers,
}

crate::api::listed!(Query FindServers, FindServersVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "ServerConnection")]
struct Servers {
    nodes: Vec<Server>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
struct Server {
    id: cynic::Id,
    name: String,
}

/// Servers that a text fits; none for whoever may not see them.
async fn find_servers(text: Option<String>) -> Vec<Server> {
    if !session::may(Scope::ReadServers) {
        return Vec::new();
    }
    let servers = ServerFilter { text };
    let answer = api::run(FindServers::build(FindServersVariables { servers })).await;
    answer.map(|answer| answer.servers.nodes).unwrap_or_default()
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "EventConnection")]
struct Events {
    nodes: Vec<Event>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
struct Event {
    id: cynic::Id,
    name: String,
    #[cynic(rename = "type")]
    kind: EventType,
    version: Version,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "EventVersion")]
struct Version {
    input_schema: Option<Json>,
    target: Target,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "JobConnection")]
struct Jobs {
    nodes: Vec<Job>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
struct Job {
    id: cynic::Id,
    number: i32,
    title: String,
    status: JobStatus,
}

#[derive(Clone, Debug, PartialEq)]
enum Mark {
    Icon(&'static str),
    Kind(EventType),
    Status(JobStatus),
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Go(Route),
    Run(Wish),
    Theme(Theme),
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    mark: Mark,
    text: String,
    hint: &'static str,
    act: Act,
}

/// What does not depend on what the server knows.
fn commands(locale: Locale) -> Vec<Item> {
    let go = |icon, key: &str, hint, to| Item {
        mark: Mark::Icon(icon),
        text: t(key),
        hint,
        act: Act::Go(to),
    };
    let query = Params::default;
    let mut items = vec![
        go(
            "overview",
            "nav.overview",
            "g o",
            Route::Overview {
                locale,
                query: query(),
            },
        ),
        go(
            "event",
            "nav.events",
            "g e",
            Route::Events {
                locale,
                query: query(),
            },
        ),
        go(
            "runs",
            "nav.runs",
            "g r",
            Route::Runs {
                locale,
                query: query(),
            },
        ),
        go(
            "plus",
            "nav.new_event",
            "g n",
            Route::EventNew {
                locale,
                query: query(),
            },
        ),
        go(
            "server",
            "nav.servers",
            "g s",
            Route::Servers {
                locale,
                query: query(),
            },
        ),
        go("plus", "nav.new_server", "", Route::ServerNew { locale }),
        go(
            "terminal",
            "nav.terminals",
            "g t",
            Route::Terminals {
                locale,
                query: query(),
            },
        ),
        go(
            "variable",
            "nav.variables",
            "g v",
            Route::Variables {
                locale,
                query: query(),
            },
        ),
        go("monitor", "nav.monitoring", "g m", Route::Monitoring { locale }),
        go("key", "account.page", "", Route::Account { locale }),
        go("spark", "nav.first_run", "", Route::FirstRun { locale }),
    ];
    items.extend(
        admin_places(locale, None)
            .into_iter()
            .map(|place| go(place.icon, place.key, "", place.to)),
    );
    items.extend(Theme::ALL.into_iter().map(|theme| Item {
        mark: Mark::Icon(theme.icon()),
        text: format!("{}: {}", t("theme.title"), t(theme.key())),
        hint: "",
        act: Act::Theme(theme),
    }));
    items
}

fn found(locale: Locale, events: Vec<Event>, servers: Vec<Server>, jobs: Vec<Job>) -> Vec<Item> {
    let mut items: Vec<Item> = events
        .iter()
        .map(|event| Item {
            mark: Mark::Kind(event.kind),
            text: event.name.clone(),
            hint: "↵",
            act: Act::Go(Route::event(locale, event.id.inner())),
        })
        .collect();
    items.extend(events.into_iter().take(2).map(|event| Item {
        mark: Mark::Icon("play"),
        text: tf("events.run", &[("name", &event.name)]),
        hint: "",
        act: Act::Run(Wish {
            id: event.id.into_inner(),
            name: event.name,
            schema: event.version.input_schema,
            servers: event.version.target.servers().to_vec(),
        }),
    }));
    items.extend(servers.into_iter().map(|server| Item {
        mark: Mark::Icon("server"),
        text: server.name,
        hint: "",
        act: Act::Go(Route::server(locale, server.id.inner())),
    }));
    items.extend(jobs.into_iter().map(|job| Item {
        mark: Mark::Status(job.status),
        text: format!("{} #{}", job.title, job.number),
        hint: "",
        act: Act::Go(Route::run(locale, job.id.inner())),
    }));
    items
}

/// The search field's look in the top bar.
#[component]
pub(super) fn SearchButton() -> Element {
    let key = format!("{}K", browser::command_key());
    rsx! {
        button { class: "search-btn", r#type: "button", "aria-label": "{t(\"palette.open\")} {key}", onclick: move |_| toggle(),
            Icon { name: "search" }
            span { {t("palette.open")} }
            kbd { class: "kbd", "{key}" }
        }
    }
}

/// The palette, once in the frame of the pages.
#[component]
pub(super) fn Palette(locale: Locale) -> Element {
    if !*OPEN.read() {
        return rsx! {};
    }
    rsx! { Sheet { locale } }
}

#[component]
fn Sheet(locale: Locale) -> Element {
    let mut typed = use_signal(String::new);
    let mut chosen = use_signal(|| 0_usize);
    let mut hits = use_signal(Vec::<Item>::new);
    let navigator = use_navigator();
    use_returned_focus();
    use_effect(|| {
        let dialog = browser::document().and_then(|document| document.get_element_by_id("palette"));
        if let Some(dialog) = dialog.and_then(|dialog| dialog.dyn_into::<web_sys::HtmlDialogElement>().ok()) {
            // Fails only for an element that left the page meanwhile.
            let _ = dialog.show_modal();
        }
        browser::focus("palette-input");
    });
    use_resource(move || {
        let text = typed();
        async move {
            if text.trim().is_empty() {
                hits.write().clear();
                return;
            }
            browser::sleep(Duration::from_millis(120)).await;
            let text = Some(text.trim().to_owned());
            let variables = FindVariables {
                events: EventFilter { text: text.clone() },
                jobs: JobFilter { text: text.clone() },
            };
            let (answer, servers) =
                futures::future::join(api::run(FindQuery::build(variables)), find_servers(text)).await;
            // Commands work without the server, too; what it knows comes when it answers.
            if let Ok(answer) = answer {
                hits.set(found(locale, answer.events.nodes, servers, answer.jobs.nodes));
                chosen.set(0);
            }
        }
    });
    let text = typed.read().trim().to_lowercase();
    let mut items = hits.read().clone();
    items.extend(
        commands(locale)
            .into_iter()
            .filter(|item| item.text.to_lowercase().contains(&text)),
    );
    let at = chosen().min(items.len().saturating_sub(1));
    let count = items.len();
    let close = move || *OPEN.write() = false;
    let act = move |item: Item, apart: bool| {
        close();
        match item.act {
            Act::Go(to) if apart => browser::open_tab(&to.to_string()),
            Act::Go(to) => drop(navigator.push(to)),
            Act::Run(wish) => input::run(wish, locale, false),
            Act::Theme(theme) => theme.activate(),
        }
    };
    let current = items.get(at).cloned();
    rsx! {
        dialog {
            class: "dialog palette",
            id: "palette",
            "aria-label": t("palette.title"),
            oncancel: move |event| {
                event.prevent_default();
                close();
            },
            onclick: move |event| {
                // A click on the backdrop is one on the dialog itself.
                if browser::is_outside("palette", event.client_coordinates().x, event.client_coordinates().y) {
                    close();
                }
            },
            onkeydown: move |event| {
                match event.key() {
                    Key::ArrowDown => chosen.set((at + 1) % count.max(1)),
                    Key::ArrowUp => chosen.set((at + count.max(1) - 1) % count.max(1)),
                    Key::Enter => if let Some(item) = current.clone() {
                        act(item, event.modifiers().ctrl() || event.modifiers().meta());
                    },
                    Key::Escape => close(),
                    _ => return,
                }
                event.prevent_default();
                event.stop_propagation();
            },
            div { class: "palette-in",
                Icon { name: "search" }
                input {
                    id: "palette-input",
                    role: "combobox",
                    "aria-label": t("palette.open"),
                    "aria-expanded": "true",
                    "aria-controls": "palette-list",
                    "aria-autocomplete": "list",
                    "aria-activedescendant": if count > 0 { "palette-{at}" },
                    autocomplete: "off",
                    spellcheck: "false",
                    placeholder: t("palette.hint"),
                    value: "{typed}",
                    oninput: move |event| {
                        typed.set(event.value());
                        chosen.set(0);
                    },
                }
                kbd { class: "kbd", "Esc" }
            }
            if count == 0 {
                p { class: "palette-none", role: "status", {t("palette.none")} }
            }
            ul { id: "palette-list", role: "listbox", "aria-label": t("palette.results"),
                for (nth, item) in items.into_iter().enumerate() {
                    li {
                        key: "{nth}",
                        id: "palette-{nth}",
                        class: "menu-item",
                        role: "option",
                        "aria-selected": "{nth == at}",
                        "data-active": if nth == at { "true" },
                        onmousemove: move |_| if *chosen.peek() != nth { chosen.set(nth) },
                        onclick: {
                            let item = item.clone();
                            move |event: MouseEvent| act(item.clone(), event.modifiers().ctrl() || event.modifiers().meta())
                        },
                        match item.mark {
                            Mark::Icon(name) => rsx! { Icon { name } },
                            Mark::Kind(of) => rsx! { Kind { of } },
                            Mark::Status(status) => rsx! { StatusIcon { status } },
                        }
                        Marked { text: item.text.clone(), part: text.clone() }
                        if !item.hint.is_empty() {
                            kbd { "{item.hint}" }
                        }
                    }
                }
            }
            div { class: "palette-foot", "aria-hidden": "true",
                span { "↑↓ " {t("palette.move")} }
                span { "↵ " {t("palette.go")} }
                span { "{browser::command_key()}↵ " {t("palette.tab")} }
            }
        }
    }
}

/// A text with the part that was asked for set apart.
#[component]
fn Marked(text: String, part: String) -> Element {
    let lower = text.to_lowercase();
    // Only where folding keeps the length do positions agree.
    let at = (lower.len() == text.len() && !part.is_empty())
        .then(|| lower.find(&part))
        .flatten();
    let cut = at.and_then(|at| {
        Some((
            text.get(..at)?,
            text.get(at..at + part.len())?,
            text.get(at + part.len()..)?,
        ))
    });
    rsx! {
        span { class: "name",
            if let Some((before, middle, after)) = cut {
                "{before}"
                mark { "{middle}" }
                "{after}"
            } else {
                "{text}"
            }
        }
    }
}
