//! Pages that not everybody opens come in parts of their own, each fetched when its first page is opened, so that
//! the first visit stays small. The build cuts the module at the loaders that are named here: whatever only a
//! part's page needs is in the part.

use dioxus::prelude::*;
use wasm_split::{LazyLoader, lazy_loader};

use super::{account, admin, event_editor, events, monitoring, run, servers, terminals, variables};
use crate::browser;
use crate::i18n::{Locale, bring_editor, bring_servers, bring_terminals, t};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Icon, Skeleton};

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Account,
    Admin,
    Editor,
    Events,
    Monitoring,
    Run,
    Servers,
    Terminals,
    Variables,
}

static ACCOUNT: LazyLoader<Route, Element> =
    lazy_loader!(extern "account" fn account_part(route: Route) -> Element);

fn account_part(route: Route) -> Element {
    match route {
        Route::Account { locale } => rsx! { account::Account { locale } },
        _ => rsx! {},
    }
}

static ADMIN: LazyLoader<Route, Element> =
    lazy_loader!(extern "admin" fn admin_part(route: Route) -> Element);

fn admin_part(route: Route) -> Element {
    match route {
        Route::Users { locale, query } => rsx! { admin::Users { locale, query } },
        Route::Roles { .. } => rsx! { admin::Roles {} },
        Route::SettingsPage { locale } => rsx! { admin::SettingsPage { locale } },
        Route::AuditLog { locale, query } => rsx! { admin::AuditLog { locale, query } },
        _ => rsx! {},
    }
}

static EDITOR: LazyLoader<Route, Element> =
    lazy_loader!(extern "editor" fn editor_part(route: Route) -> Element);

fn editor_part(route: Route) -> Element {
    bring_editor();
    match route {
        Route::EventNew { locale, query } => rsx! { event_editor::EventNew { locale, query } },
        Route::EventEditor { locale, id, query } => rsx! { event_editor::EventEditor { locale, id, query } },
        _ => rsx! {},
    }
}

static EVENTS: LazyLoader<Route, Element> =
    lazy_loader!(extern "events" fn events_part(route: Route) -> Element);

fn events_part(route: Route) -> Element {
    match route {
        Route::Events { locale, query } => rsx! { events::Events { locale, query } },
        _ => rsx! {},
    }
}

static RUN: LazyLoader<Route, Element> = lazy_loader!(extern "run" fn run_part(route: Route) -> Element);

fn run_part(route: Route) -> Element {
    match route {
        Route::Run {
            locale,
            id,
            query,
            hash,
        } => rsx! { run::Run { locale, id, query, hash } },
        _ => rsx! {},
    }
}

static MONITORING: LazyLoader<Route, Element> =
    lazy_loader!(extern "monitoring" fn monitoring_part(route: Route) -> Element);

fn monitoring_part(route: Route) -> Element {
    match route {
        Route::Monitoring { locale } => rsx! { monitoring::Monitoring { locale } },
        _ => rsx! {},
    }
}

static SERVERS: LazyLoader<Route, Element> =
    lazy_loader!(extern "servers" fn servers_part(route: Route) -> Element);

fn servers_part(route: Route) -> Element {
    bring_servers();
    match route {
        Route::Servers { locale, query } => rsx! { servers::Servers { locale, query } },
        Route::ServerNew { locale } => rsx! { servers::ServerNew { locale } },
        Route::Server { locale, id, query } => rsx! { servers::Server { locale, id, query } },
        _ => rsx! {},
    }
}

static TERMINALS: LazyLoader<Route, Element> =
    lazy_loader!(extern "terminals" fn terminals_part(route: Route) -> Element);

fn terminals_part(route: Route) -> Element {
    bring_terminals();
    match route {
        Route::Terminals { locale, query } => rsx! { terminals::Terminals { locale, query } },
        Route::Terminal { locale, id } => rsx! { terminals::Terminal { locale, id } },
        _ => rsx! {},
    }
}

static VARIABLES: LazyLoader<Route, Element> =
    lazy_loader!(extern "variables" fn variables_part(route: Route) -> Element);

fn variables_part(route: Route) -> Element {
    match route {
        Route::Variables { locale, query } => rsx! { variables::Variables { locale, query } },
        _ => rsx! {},
    }
}

impl Part {
    fn loader(self) -> &'static LazyLoader<Route, Element> {
        match self {
            Self::Account => &ACCOUNT,
            Self::Admin => &ADMIN,
            Self::Editor => &EDITOR,
            Self::Events => &EVENTS,
            Self::Monitoring => &MONITORING,
            Self::Run => &RUN,
            Self::Servers => &SERVERS,
            Self::Terminals => &TERMINALS,
            Self::Variables => &VARIABLES,
        }
    }
}

/// The page of an address, as soon as its part is there.
#[component]
fn PageOf(part: Part, route: Route) -> Element {
    let there = use_resource(move || part.loader().load());
    match there() {
        None => rsx! { Skeleton {} },
        Some(true) => rsx! { Arrived { part, route } },
        Some(false) => rsx! {
            div { class: "empty", role: "alert",
                Icon { name: "alert" }
                p { class: "title", {t("part.failed")} }
                p { {t("part.failed_text")} }
                div { class: "acts",
                    button { class: "btn", r#type: "button", onclick: move |_| browser::reload(), Icon { name: "retry" } {t("part.reload")} }
                }
            }
        },
    }
}

#[component]
fn Arrived(part: Part, route: Route) -> Element {
    // It was loaded: this is drawn only then.
    part.loader().call(route).unwrap_or_else(|_| rsx! {})
}

/// The account page.
#[component]
pub fn Account(locale: Locale) -> Element {
    rsx! { PageOf { part: Part::Account, route: Route::Account { locale } } }
}

/// The page of an event that is not there yet.
#[component]
pub fn EventNew(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Editor, route: Route::EventNew { locale, query } } }
}

/// The page of an event.
#[component]
pub fn EventEditor(locale: Locale, id: String, query: Params) -> Element {
    rsx! { PageOf { part: Part::Editor, route: Route::EventEditor { locale, id, query } } }
}

/// The list of events.
#[component]
pub fn Events(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Events, route: Route::Events { locale, query } } }
}

/// One run.
#[component]
pub fn Run(locale: Locale, id: String, query: Params, hash: String) -> Element {
    rsx! { PageOf { part: Part::Run, route: Route::Run { locale, id, query, hash } } }
}

/// How the installation is.
#[component]
pub fn Monitoring(locale: Locale) -> Element {
    rsx! { PageOf { part: Part::Monitoring, route: Route::Monitoring { locale } } }
}

/// The list of servers.
#[component]
pub fn Servers(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Servers, route: Route::Servers { locale, query } } }
}

/// The page on which a server is added.
#[component]
pub fn ServerNew(locale: Locale) -> Element {
    rsx! { PageOf { part: Part::Servers, route: Route::ServerNew { locale } } }
}

/// One server.
#[component]
pub fn Server(locale: Locale, id: String, query: Params) -> Element {
    rsx! { PageOf { part: Part::Servers, route: Route::Server { locale, id, query } } }
}

/// Open terminals, and the list of all.
#[component]
pub fn Terminals(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Terminals, route: Route::Terminals { locale, query } } }
}

/// One terminal.
#[component]
pub fn Terminal(locale: Locale, id: String) -> Element {
    rsx! { PageOf { part: Part::Terminals, route: Route::Terminal { locale, id } } }
}

/// Variables and secrets.
#[component]
pub fn Variables(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Variables, route: Route::Variables { locale, query } } }
}

/// People with an account.
#[component]
pub fn Users(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Admin, route: Route::Users { locale, query } } }
}

/// What each role allows.
#[component]
pub fn Roles(locale: Locale) -> Element {
    rsx! { PageOf { part: Part::Admin, route: Route::Roles { locale } } }
}

/// Settings of the installation.
#[component]
pub fn SettingsPage(locale: Locale) -> Element {
    rsx! { PageOf { part: Part::Admin, route: Route::SettingsPage { locale } } }
}

/// What was changed and what was refused.
#[component]
pub fn AuditLog(locale: Locale, query: Params) -> Element {
    rsx! { PageOf { part: Part::Admin, route: Route::AuditLog { locale, query } } }
}
