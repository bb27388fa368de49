//! The list of events: filtered by the address, with the last result of each.

pub mod data;
pub mod definitions;
pub mod exchange;

use std::collections::BTreeSet;
use std::time::Duration;

use dioxus::prelude::*;

use self::data::{EventFilter, EventOrder, EventOrderField, EventRow, EventStatus, History};
use crate::i18n::{Locale, group_digits, t, tf, tn};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::input::{self, Wish};
use crate::pages::runs::Pager;
use crate::pages::runs::data::{EventType, OrderDirection, Permission};
use crate::pages::runs::filters::{self, ChoiceFilter, TextFilter};
use crate::pages::runs::table::TableSkeleton;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Icon, PastRuns, Status, Strip, TimeAgo, use_now, use_query};

/// The word for where an event is in its life.
pub fn status_text(status: EventStatus) -> String {
    match status {
        EventStatus::Draft => t("events.status.draft"),
        EventStatus::Active => t("events.status.active"),
        EventStatus::Paused => t("events.status.paused"),
        EventStatus::Archived => t("events.status.archived"),
    }
}

/// The badge of an event's status.
#[component]
pub fn StatusBadge(status: EventStatus) -> Element {
    let class = if status == EventStatus::Active {
        "badge badge-accent"
    } else {
        "badge"
    };
    rsx! {
        span { class, {status_text(status)} }
    }
}

fn filter(params: &Params) -> EventFilter {
    EventFilter {
        text: params.get("q").map(str::to_owned),
        kind: filters::list(params, "type", EventType::from_name),
        status: filters::list(params, "status", EventStatus::from_name),
        tag: params.get("tag").map(str::to_owned),
    }
}

fn order(params: &Params) -> EventOrder {
    let (field, direction) = match params.get("sort") {
        Some("name") => (EventOrderField::Name, OrderDirection::Asc),
        Some("created") => (EventOrderField::CreatedAt, OrderDirection::Desc),
        _ => (EventOrderField::UpdatedAt, OrderDirection::Desc),
    };
    EventOrder { field, direction }
}

/// The list of events.
#[component]
pub fn Events(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.events"))]);
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(5));
    let mut page = use_query(move || {
        let params = query();
        data::page(filter(&params), order(&params), filters::place(&params))
    });
    let histories = use_query(move || {
        let params = query();
        data::histories(filter(&params), order(&params), filters::place(&params))
    });
    let mut chosen = use_signal(BTreeSet::<String>::new);
    let mut doing = use_signal(|| None::<Doing>);
    let mut go = move |params: Params| {
        // What is not in sight any more is not chosen.
        chosen.write().clear();
        navigator.push(Route::Events {
            locale,
            query: params,
        });
    };
    let params = query();
    let held = page.data.read();
    let sorts = [
        ("", "events.sort.updated"),
        ("name", "events.sort.name"),
        ("created", "events.sort.created"),
    ];
    rsx! {
        div { class: "toolbar runs-filters",
            TextFilter { id: "events-search", label: t("events.search"), params: params.clone(), onchange: go }
            ChoiceFilter {
                name: "type",
                label: t("events.type"),
                choices: EventType::ALL.iter().map(|k| (k.name().to_owned(), k.title().to_owned())).collect::<Vec<_>>(),
                params: params.clone(),
                onchange: go,
            }
            ChoiceFilter {
                name: "status",
                label: t("events.status"),
                choices: EventStatus::ALL.iter().map(|s| (s.name().to_owned(), status_text(*s))).collect::<Vec<_>>(),
                params: params.clone(),
                onchange: go,
            }
            if let Some(tag) = params.get("tag") {
                button {
                    class: "chip chip-on",
                    r#type: "button",
                    "aria-label": "{t(\"filter.clear\")}: {tag}",
                    onclick: {
                        let without = filters::with(&params, "tag", "");
                        move |_| go(without.clone())
                    },
                    {t("events.tag")}
                    " "
                    b { "{tag}" }
                    Icon { name: "x" }
                }
            }
            label { class: "sr", r#for: "events-sort", {t("events.sort")} }
            select {
                class: "select input-sm events-sort md",
                id: "events-sort",
                onchange: {
                    let params = params.clone();
                    move |event: FormEvent| go(filters::with(&params, "sort", &event.value()))
                },
                for (value, key) in sorts {
                    option { key: "{value}", value, selected: params.get("sort").unwrap_or_default() == value, {t(key)} }
                }
            }
            span { class: "end vars-acts",
                button { class: "btn btn-sm", r#type: "button", disabled: held.as_ref().is_none_or(|list| list.nodes.is_empty()),
                    onclick: move |_| doing.set(Some(Doing::Exporting)), Icon { name: "download" }
                    if chosen.read().is_empty() { {t("defs.export")} } else { {tf("defs.export_n", &[("n", &(chosen.read().len() as u64).to_string())])} }
                }
                if session::may(Scope::CreateEvents) {
                    button { class: "btn btn-sm vars-up", r#type: "button", onclick: move |_| doing.set(Some(Doing::Importing)), Icon { name: "download" } {t("defs.import")} }
                    Link { class: "btn btn-primary btn-sm", to: Route::EventNew { locale, query: Params::default() }, Icon { name: "plus" } {t("nav.new_event")} }
                }
            }
        }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("nav.events"),
            match (&*held, (page.error)()) {
                (_, Some(error)) if !error.is_offline() || held.is_none() => rsx! {
                    ErrorNotice { error, onretry: move |()| page.reload() }
                },
                (None, _) => rsx! { TableSkeleton {} },
                (Some(list), _) if list.nodes.is_empty() && filters::place(&params) == filters::Place::default() => rsx! {
                    NoEvents { locale, filtered: !params.is_empty() }
                },
                (Some(list), _) => rsx! { EventsTable { locale, events: list.nodes.clone(), histories: histories.data, params: params.clone(), chosen, now } },
            }
        }
        if let Some(list) = &*held {
            Pager { shown: list.nodes.len(), total: list.total_count, info: list.page_info.clone(), params: params.clone(), onchange: go }
        }
        match doing() {
            Some(Doing::Importing) => rsx! {
                exchange::Import { onclose: move |changed: bool| {
                    doing.set(None);
                    if changed {
                        page.reload();
                    }
                } }
            },
            Some(Doing::Exporting) => {
                let events: Vec<_> = chosen.read().iter().cloned().collect();
                let all = held.as_ref().map_or(0, |list| list.total_count);
                let count = if events.is_empty() { u64::try_from(all).unwrap_or(0) } else { events.len() as u64 };
                let about = if events.is_empty() { tn("defs.about_all", count) } else { tn("defs.about_chosen", count) };
                let filter = events.is_empty().then(|| filter(&params));
                rsx! { exchange::Export { events, filter, about, onclose: move |()| doing.set(None) } }
            }
            None => rsx! {},
        }
    }
}

/// What a dialog is open for.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Importing,
    Exporting,
}

#[component]
fn NoEvents(locale: Locale, filtered: bool) -> Element {
    let (title, text) = if filtered {
        ("events.none_match", "events.none_match_text")
    } else {
        ("events.none", "events.none_text")
    };
    rsx! {
        Empty { icon: "event", title: t(title), text: t(text),
            if filtered {
                Link { class: "btn", to: Route::Events { locale, query: Params::default() }, {t("filter.clear_all")} }
            } else if session::may(Scope::CreateEvents) {
                Link { class: "btn btn-primary", to: Route::EventNew { locale, query: Params::default() }, Icon { name: "plus" } {t("nav.new_event")} }
            }
        }
    }
}

#[component]
fn EventsTable(
    locale: Locale,
    events: Vec<EventRow>,
    histories: Signal<Option<Vec<History>>>,
    params: Params,
    chosen: Signal<BTreeSet<String>>,
    now: Signal<f64>,
) -> Element {
    let held = histories.read();
    let ids: BTreeSet<_> = events.iter().map(|event| event.id.inner().to_owned()).collect();
    let all = ids.is_subset(&chosen.read());
    let past = |event: &EventRow| {
        let mut all = held.iter().flatten();
        all.find(|history| history.id == event.id)
            .map(|history| history.jobs.clone())
            .unwrap_or_default()
    };
    rsx! {
        table { class: "table",
            thead {
                tr {
                    th { class: "tight",
                        input { class: "box", r#type: "checkbox", "aria-label": t("defs.choose_all"), checked: all,
                            onchange: move |event| if event.checked() { chosen.set(ids.clone()) } else { chosen.write().clear() },
                        }
                    }
                    th { {t("events.name")} }
                    th { class: "lo", {t("events.tags")} }
                    th { class: "md", {t("events.status")} }
                    th { {t("events.last_result")} }
                    th { class: "md", {t("events.last_runs")} }
                    th { class: "num md", {t("events.last_run")} }
                    th { class: "num lo", {t("events.runs")} }
                    th { class: "num lo", {t("runs.version")} }
                    th { class: "num md", {t("events.changed")} }
                    th { class: "tight", span { class: "sr", {t("runs.actions")} } }
                }
            }
            tbody {
                for event in events {
                    EventLine { key: "{event.id.inner()}", locale, past: past(&event), event, params: params.clone(), chosen, now }
                }
            }
        }
    }
}

#[component]
fn EventLine(
    locale: Locale,
    event: EventRow,
    past: PastRuns,
    params: Params,
    chosen: Signal<BTreeSet<String>>,
    now: Signal<f64>,
) -> Element {
    let id = event.id.inner().to_owned();
    let is_chosen = chosen.read().contains(&id);
    let may_run = event.viewer_can.contains(&Permission::Run) && event.status != EventStatus::Archived;
    let wish = Wish {
        id: event.id.inner().to_owned(),
        name: event.name.clone(),
        schema: event.version.input_schema.clone(),
        servers: event.version.target.servers().to_vec(),
    };
    rsx! {
        tr { "aria-selected": if is_chosen { "true" },
            td { class: "tight",
                input { class: "box", r#type: "checkbox", "aria-label": tf("defs.choose", &[("name", &event.name)]), checked: is_chosen,
                    onchange: move |event| {
                        let mut chosen = chosen.write();
                        if event.checked() { chosen.insert(id.clone()) } else { chosen.remove(&id) };
                    },
                }
            }
            td { class: "grow",
                span { class: "cell-main",
                    span { class: "kind", title: event.kind.title(), {event.kind.mark()} }
                    Link { to: Route::event(locale, event.id.inner()), "{event.name}" }
                    if !event.description.is_empty() {
                        span { class: "sub md", title: "{event.description}", "{event.description}" }
                    }
                }
            }
            td { class: "lo",
                for tag in event.tags.iter() {
                    Link { key: "{tag}", class: "badge badge-line tag", to: Route::Events { locale, query: filters::with(&params, "tag", tag) }, "{tag}" }
                }
            }
            td { class: "md", StatusBadge { status: event.status } }
            td {
                if let Some(job) = &event.last_job {
                    Link { class: "plain", to: Route::run(locale, job.id.inner()), title: job.status_reason.clone(), Status { status: job.status } }
                } else {
                    span { class: "dim", {t("events.never")} }
                }
            }
            td { class: "md", Strip { runs: past, room: 16 } }
            td { class: "num dim md",
                if let Some(job) = &event.last_job {
                    TimeAgo { at: job.created_at, now }
                }
            }
            td { class: "num dim lo", {group_digits(u64::try_from(event.run_count).unwrap_or(0))} }
            td { class: "num dim lo", "v{event.version.number}" }
            td { class: "num dim md", TimeAgo { at: event.updated_at, now } }
            td { class: "tight",
                if may_run {
                    button {
                        class: "icon-btn icon-btn-sm",
                        r#type: "button",
                        "aria-label": tf("events.run", &[("name", &event.name)]),
                        title: tf("events.run", &[("name", &event.name)]),
                        onclick: move |_| input::run(wish.clone(), locale, false),
                        Icon { name: "play" }
                    }
                }
            }
        }
    }
}
