//! One server: how it stands and what to do, what it has left, and its checks. Live.

use std::ops::ControlFlow;
use std::time::Duration;

use dioxus::prelude::*;

use super::actions::check_now;
use super::checks::History;
use super::confirm::ConfirmKey;
use super::data::{self, Detail};
use super::facts::Facts;
use super::figures::Figures;
use super::remove::Remove;
use super::status::{ServerPill, ServerStatus};
use super::steps::{ServerForm, saved};
use crate::api::{self, Feed};
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::data::{PAGE, Permission, Place};
use crate::pages::runs::filters;
use crate::pages::terminals::{OpenTerminal, Place as TerminalPlace};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, Icon, Query, Skeleton, TimeAgo, use_now, use_query};

/// Checks that a course is drawn from.
const COURSE: i32 = 60;
const SETTINGS: &str = "settings";

/// Loads a server and keeps it up to date.
fn use_server(id: ReadSignal<String>) -> Query<Option<Detail>> {
    let mut server = use_query(move || {
        let id = id();
        async move { data::server(&id).await }
    });
    use_resource(move || {
        let id = id();
        api::insist(
            move || data::updates(id.clone()),
            move |event| {
                // The first word is the server as it is, also after a loss of the connection: nothing need be asked again.
                if let Feed::Data(update) = event {
                    let news = update.server_updated;
                    server.change(move |held| *held = Some(Some(news.clone())));
                }
                ControlFlow::Continue(())
            },
        )
    });
    server
}

/// One server.
#[component]
pub fn Server(locale: Locale, id: ReadSignal<String>, query: ReadSignal<Params>) -> Element {
    let mut load = use_server(id);
    let held = load.data.read();
    let name = held.iter().flatten().map(|server| server.name.clone()).next();
    use_crumbs(vec![
        Crumb::link(
            t("nav.servers"),
            Route::Servers {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(name.unwrap_or_else(|| t("servers.one"))),
    ]);
    match (&*held, (load.error)()) {
        (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| load.reload() } },
        (None, None) => rsx! { Skeleton { lines: 8 } },
        (Some(None), _) => rsx! {
            Empty { icon: "server", title: t("servers.gone"), text: t("error.not_found"),
                Link { class: "btn", to: Route::Servers { locale, query: Params::default() }, {t("servers.all")} }
            }
        },
        (Some(Some(server)), _) => rsx! {
            // A key is heeded among siblings: another server gets another page, with nothing of this one in it.
            for server in [server.clone()] {
                ServerView { key: "{server.id.inner()}", locale, server, load, query }
            }
        },
    }
}

/// What is asked about.
#[derive(Clone, Copy, PartialEq)]
enum Asking {
    Nothing,
    Key,
    Removal,
}

#[component]
fn ServerView(
    locale: Locale,
    server: Detail,
    load: Query<Option<Detail>>,
    query: ReadSignal<Params>,
) -> Element {
    let navigator = use_navigator();
    let mut asking = use_signal(|| Asking::Nothing);
    // Begun anew where somebody else changed the server while it was being changed here.
    let mut round = use_signal(|| 0_u32);
    let may_change = server.may(Permission::Change);
    let tab = query().get("tab").unwrap_or_default().to_owned();
    let settings = tab == SETTINGS && may_change;
    let id = server.id.inner().to_owned();
    let take = move |news: Detail| {
        let mut load = load;
        load.change(move |held| *held = Some(Some(news.clone())));
    };
    let home = Route::server(locale, &id);
    let edit = Route::Server {
        locale,
        id: id.clone(),
        query: Params::default().with("tab", SETTINGS),
    };
    rsx! {
        Head { locale, server: server.clone(), load, onremove: move |()| asking.set(Asking::Removal) }
        Notice { server: server.clone(), edit: edit.clone(), onconfirm: move |()| asking.set(Asking::Key) }
        nav { class: "tabs", "aria-label": t("servers.tabs"),
            Link { class: "tab", to: home.clone(), "aria-current": (!settings).then_some("page"), {t("servers.tab_overview")} }
            if may_change {
                Link { class: "tab", to: edit, "aria-current": settings.then_some("page"), {t("event.tab.settings")} }
            }
        }
        if settings {
            div { class: "ev-scroll", tabindex: "0", role: "region", "aria-label": t("event.tab.settings"),
                for (at, one) in [(round(), server.clone())] {
                    ServerForm {
                        key: "{at}",
                        locale,
                        server: one,
                        onsaved: {
                            let home = home.clone();
                            move |news: Detail| {
                                saved(&news);
                                take(news);
                                navigator.push(home.clone());
                            }
                        },
                        onreload: move |()| async move {
                            let mut load = load;
                            let id = match &*load.data.peek() {
                                Some(Some(server)) => server.id.inner().to_owned(),
                                _ => return,
                            };
                            if let Ok(found) = data::server(&id).await {
                                load.change(move |held| *held = Some(found.clone()));
                                round += 1;
                            }
                        },
                    }
                }
            }
        } else {
            Overview { locale, server: server.clone(), query }
        }
        match asking() {
            Asking::Nothing => rsx! {},
            Asking::Key => rsx! {
                ConfirmKey { server, onclose: move |news: Option<Detail>| {
                    asking.set(Asking::Nothing);
                    if let Some(news) = news {
                        take(news);
                    }
                } }
            },
            Asking::Removal => rsx! {
                Remove { locale, server, onclose: move |done: bool| {
                    asking.set(Asking::Nothing);
                    if done {
                        navigator.replace(Route::Servers { locale, query: Params::default() });
                    }
                } }
            },
        }
    }
}

#[component]
fn Head(locale: Locale, server: Detail, load: Query<Option<Detail>>, onremove: EventHandler) -> Element {
    let now = use_now(Duration::from_secs(1));
    let mut busy = use_signal(|| false);
    let checked = server.last_check.as_ref().map(|check| check.at);
    let owner = server.owner.as_ref().map(|owner| owner.name.clone());
    let id = server.id.clone();
    let check = move |_| {
        let id = id.clone();
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            if let Some(news) = check_now(id).await {
                let mut load = load;
                load.change(move |held| *held = Some(Some(news.clone())));
            }
            busy.set(false);
        }
    };
    rsx! {
        div { class: "page-head",
            div { class: "titles",
                div { class: "line",
                    h1 { "{server.name}" }
                    span { role: "status", ServerPill { status: server.status, large: true } }
                }
                div { class: "facts",
                    span { Icon { name: "server" } span { class: "mono", {server.place()} } }
                    span { Icon { name: "clock" }
                        if let Some(at) = checked {
                            {t("servers.checked")}
                            " "
                            TimeAgo { at, now }
                        } else {
                            {t("servers.unchecked")}
                        }
                    }
                    if let Some(owner) = owner {
                        span { Icon { name: if server.shared { "approval" } else { "lock" } } "{owner}" }
                    }
                    for tag in server.tags.iter() {
                        Link { key: "{tag}", class: "sub", to: Route::Servers { locale, query: Params::default().with("tag", tag) }, Icon { name: "tag" } "{tag}" }
                    }
                }
            }
            div { class: "acts",
                if server.status != ServerStatus::Unconfirmed {
                    OpenTerminal { locale, place: TerminalPlace::Server(server.id.clone()) }
                }
                if server.may(Permission::Change) && server.status != ServerStatus::Unconfirmed {
                    button { class: "btn btn-primary", r#type: "button", "aria-busy": if busy() { "true" }, onclick: check,
                        Icon { name: "retry" }
                        {t(if busy() { "servers.checking" } else { "servers.check_now" })}
                    }
                }
                if server.may(Permission::Delete) {
                    button { class: "btn btn-danger", r#type: "button", onclick: move |_| onremove.call(()),
                        Icon { name: "trash" }
                        {t("servers.delete")}
                    }
                }
            }
        }
    }
}

/// Why it can't be used, and what to do.
#[component]
fn Notice(server: Detail, edit: Route, onconfirm: EventHandler) -> Element {
    let status = server.status;
    let trouble = server.last_check.as_ref().and_then(|check| check.trouble);
    let reason = status.reason(server.status_reason.as_deref(), trouble);
    let Some(reason) = reason.filter(|_| status != ServerStatus::Online) else {
        return rsx! {};
    };
    let may_change = server.may(Permission::Change);
    rsx! {
        div { class: "banner ev-notice srv-notice", role: "status", "data-status": status.colour().name(),
            Icon { name: if status.asks() { "alert" } else { "info" } }
            span { b { {status.word()} } " " "{reason}" }
            if may_change {
                span { class: "end",
                    match status {
                        ServerStatus::Unconfirmed | ServerStatus::KeyChanged => rsx! {
                            button { class: "btn btn-sm", r#type: "button", onclick: move |_| onconfirm.call(()),
                                Icon { name: "key" }
                                {t("servers.compare")}
                            }
                        },
                        ServerStatus::SignInRefused => rsx! {
                            Link { class: "btn btn-sm", to: edit, Icon { name: "edit" } {t("servers.change_sign_in")} }
                        },
                        _ => rsx! {},
                    }
                }
            }
        }
    }
}

/// Figures with their courses, the checks, and the facts beside them.
#[component]
fn Overview(locale: Locale, server: Detail, query: ReadSignal<Params>) -> Element {
    let navigator = use_navigator();
    let id = server.id.inner().to_owned();
    let (of_course, of_history, here) = (id.clone(), id.clone(), id);
    let course = use_query(move || {
        let id = of_course.clone();
        async move { data::checks(&id, Place::First, COURSE).await }
    });
    let history = use_query(move || {
        let (id, place) = (of_history.clone(), filters::place(&query()));
        async move { data::checks(&id, place, PAGE).await }
    });
    let news = server.last_check.clone();
    use_effect(use_reactive((&news,), move |(news,)| {
        let Some(check) = news else { return };
        let (mut course, mut history) = (course, history);
        let newer = check.clone();
        course.change(move |held| {
            if let Some(Some(page)) = held {
                page.take(newer.clone(), COURSE as usize);
            }
        });
        // A page further back stays as it is.
        if filters::place(&query.peek()) == Place::First {
            history.change(move |held| {
                if let Some(Some(page)) = held {
                    page.take(check.clone(), 10 * PAGE as usize);
                }
            });
        }
    }));
    let known = course.data.read();
    let checks = known.iter().flatten().flat_map(|page| &page.nodes).cloned();
    let checks: Vec<_> = checks.collect();
    let go = move |params: Params| {
        navigator.push(Route::Server {
            locale,
            id: here.clone(),
            query: params,
        });
    };
    rsx! {
        div { class: "run-body",
            div { class: "srv-main", tabindex: "0", role: "region", "aria-label": t("servers.tab_overview"),
                Figures { checks }
                History { history, params: query(), onpage: go }
            }
            Facts { locale, server }
        }
    }
}
