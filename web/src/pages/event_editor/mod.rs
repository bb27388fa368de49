//! An event: its script with a test run beside it, its settings, its versions and its runs.

mod changes;
mod compare;
mod config;
mod copy_as;
mod counter;
mod data;
mod diff;
mod draft;
mod fields;
mod form;
mod head;
mod labels;
mod later;
mod pick;
mod place;
mod policies;
mod request;
mod runs;
mod script;
mod settings;
mod target;
mod test_run;
mod versions;

use dioxus::prelude::*;

use self::data::Event;
use self::form::{Form, use_form};
use self::head::Head;
use self::runs::EventRuns;
use self::script::Script;
use self::settings::Settings;
use self::test_run::{TestPane, use_test_run};
use self::versions::Versions;
use crate::browser;
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::log::dom::{self, use_listener};
use crate::pages::guard::Guard;
use crate::pages::runs::data::Permission;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Icon, Skeleton, use_query};

/// A new event.
#[component]
pub fn EventNew(locale: Locale, query: ReadSignal<Params>) -> Element {
    rsx! { EventPage { locale, event: None, query: query() } }
}

/// An event.
#[component]
pub fn EventEditor(locale: Locale, id: ReadSignal<String>, query: ReadSignal<Params>) -> Element {
    let mut event = use_query(move || {
        let id = id();
        async move { data::event(&id).await }
    });
    let held = event.data.read();
    match (&*held, (event.error)()) {
        (Some(Some(held)), _) => {
            // A key is heeded among siblings: another event gets another page, with nothing of this one in it.
            rsx! {
                for held in [held.clone()] {
                    EventPage { key: "{held.id.inner()}", locale, event: Some(held), query: query() }
                }
            }
        }
        (Some(None), _) => rsx! {
            Empty { icon: "event", title: t("event.none"), text: t("error.not_found"),
                Link { class: "btn", to: Route::Events { locale, query: Params::default() }, {t("event.all")} }
            }
        },
        (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| event.reload() } },
        (None, None) => rsx! { Skeleton { lines: 8 } },
    }
}

/// Where the window is too narrow for the test run beside the editor, it has a tab of its own.
const TEST: &str = "test";
const TABS: [(&str, &str); 5] = [
    ("", "event.tab.editor"),
    (TEST, "test.title"),
    ("settings", "event.tab.settings"),
    ("versions", "event.tab.versions"),
    ("runs", "event.tab.runs"),
];

/// The tab that shows what is wrong with a path.
fn place_of(path: &str) -> &'static str {
    match path.split('.').next().unwrap_or_default() {
        "source" | "type" | "http" => "",
        "input" => TEST,
        _ => "settings",
    }
}

/// The page. `event` is what to begin with; what is saved later is kept in the form.
#[component]
fn EventPage(locale: Locale, event: Option<Event>, query: Params) -> Element {
    let form = use_form(event);
    let test = use_test_run(form);
    let dirty = use_memo(move || form.dirty());
    let navigator = use_navigator();
    let saved = form.event.read();
    let title = saved
        .as_ref()
        .map_or_else(|| t("nav.new_event"), |event| event.name.clone());
    use_crumbs(vec![
        Crumb::link(
            t("nav.events"),
            Route::Events {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(title),
    ]);
    let may = |permission| {
        saved
            .as_ref()
            .is_some_and(|event| event.viewer_can.contains(&permission))
    };
    let may_create =
        saved.is_none() && session::viewer().is_some_and(|viewer| viewer.may(Scope::CreateEvents));
    let (may_change, may_run) = (
        may_create || may(Permission::Change),
        may_create || may(Permission::Run),
    );
    let go = move |tab: &str| {
        let query = Params::default().with("tab", tab);
        let event = form.event.peek();
        navigator.replace(match &*event {
            Some(event) => Route::EventEditor {
                locale,
                id: event.id.inner().to_owned(),
                query,
            },
            None => Route::EventNew { locale, query },
        });
    };
    let tab = query.get("tab").unwrap_or_default().to_owned();
    let mut open = use_signal(|| tab.clone());
    if *open.peek() != tab {
        open.set(tab.clone());
    }
    // What is wrong comes into view, and the first field of it takes the focus.
    let show_faults = move || {
        let here = open.peek().clone();
        if form.errors.peek().is_empty() {
            return;
        }
        // The name of a new event stands in the head of every tab.
        let in_head = |path: &str| path == "name" && form.event.peek().is_none();
        let wanted = form
            .errors
            .peek()
            .iter()
            .find(|(path, _)| !in_head(path))
            .map(|(path, _)| place_of(path));
        match wanted {
            // The script and the test run share a tab where there is room.
            Some(wanted)
                if wanted != here && (wanted == "settings" || here == "settings" || !browser::is_wide()) =>
            {
                go(wanted);
            }
            _ => {}
        }
        browser::focus_invalid();
    };
    let save = move || {
        spawn(async move {
            let new = form.event.peek().is_none();
            match form.save().await {
                Some(event) if new => drop(navigator.replace(Route::event(locale, event.id.inner()))),
                Some(_) => {}
                None => show_faults(),
            }
        });
    };
    let run = move || {
        spawn(async move {
            if !test.start().await {
                show_faults();
            } else if open.peek().is_empty() && !browser::is_wide() {
                go(TEST);
            }
        });
    };
    use_listener("keydown", false, false, move |event| {
        // Keys belong to a dialog while one is open.
        let command = dom::command_key(&event).filter(|_| !browser::has_dialog());
        let plain = dom::plain_key(&event).filter(|_| !dom::typing() && !browser::has_dialog());
        match (command.as_deref(), plain.as_deref()) {
            (Some("s"), _) if may_change => {
                event.prevent_default();
                save();
            }
            (Some("Enter"), _) if may_run => {
                event.prevent_default();
                run();
            }
            (None, Some("r")) if may_run && matches!(open.peek().as_str(), "" | TEST) => {
                event.prevent_default();
                run();
            }
            _ => {}
        }
    });
    let address = |tab: &str| {
        let query = Params::default().with("tab", tab);
        match &*saved {
            Some(event) => Route::EventEditor {
                locale,
                id: event.id.inner().to_owned(),
                query,
            },
            None => Route::EventNew { locale, query },
        }
    };
    rsx! {
        Guard { dirty, ondiscard: move |()| form.discard() }
        Head { locale, form, may_change, onsave: move |()| save() }
        Notices { form, may_change }
        nav { class: "tabs", "aria-label": t("event.tabs"),
            for (name, key) in TABS {
                if saved.is_some() || matches!(name, "" | TEST | "settings") {
                    Link {
                        key: "{name}",
                        class: if name == TEST { "tab only-narrow" } else if name.is_empty() && tab == TEST { "tab tab-also" } else { "tab" },
                        to: address(name),
                        "aria-current": (tab == name).then_some("page"),
                        {t(key)}
                        if name == "settings" && form.wrong_settings() {
                            span { class: "status", "data-status": "FAILED", Icon { name: "alert" } }
                        }
                        if let (Some(event), "versions") = (&*saved, name) {
                            span { class: "count", "{event.version.number}" }
                        }
                    }
                }
            }
        }
        match tab.as_str() {
            "settings" => rsx! { Settings { form, read_only: !may_change } },
            "versions" if saved.is_some() => rsx! { Versions { locale, form, query: query.clone(), may_change } },
            "runs" if saved.is_some() => rsx! {
                EventRuns { locale, id: saved.as_ref().map(|event| event.id.inner().to_owned()).unwrap_or_default() }
            },
            _ => rsx! {
                div { class: "ev-body", "data-pane": if tab == TEST { "test" } else { "script" },
                    Script { form, read_only: !may_change }
                    TestPane { locale, form, test, may_run, onrun: move |()| run() }
                }
            },
        }
    }
}

/// What stands in the way, above the tabs.
#[component]
fn Notices(form: Form, may_change: bool) -> Element {
    let reload = move |_| async move {
        let id = form
            .event
            .peek()
            .as_ref()
            .map(|event| event.id.inner().to_owned());
        if let Some(id) = id
            && let Ok(Some(event)) = data::event(&id).await
        {
            form.show(event);
        }
    };
    let mut restored = form.restored;
    rsx! {
        if (form.conflict)() {
            div { class: "banner ev-notice", role: "alert", "data-status": "FAILED",
                Icon { name: "alert" }
                span { b { {t("event.conflict")} } " " {t("event.conflict_text")} }
                span { class: "end", button { class: "btn btn-sm", r#type: "button", onclick: reload, {t("event.conflict_reload")} } }
            }
        }
        if restored() && form.dirty() {
            div { class: "banner ev-notice", role: "status",
                Icon { name: "info" }
                span { {t("event.restored_draft")} }
                span { class: "end",
                    button { class: "btn btn-sm", r#type: "button", onclick: move |_| form.discard(), {t("event.discard")} }
                    button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": t("dialog.close"), title: t("dialog.close"), onclick: move |_| restored.set(false), Icon { name: "x" } }
                }
            }
        }
        if !may_change {
            div { class: "banner ev-notice", role: "status", Icon { name: "lock" } span { {t("event.read_only")} } }
        }
        for error in form.other_errors() {
            div { key: "{error}", class: "banner ev-notice", role: "alert", "data-status": "FAILED", Icon { name: "alert" } span { "{error}" } }
        }
    }
}
