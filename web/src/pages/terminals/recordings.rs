//! All terminals that the viewer may see, the newest first: those that go on can be watched, and what is kept of the
//! others can be played.

use std::time::Duration;

use dioxus::prelude::*;

use super::data::{self, Session, TerminalFilter};
use super::places::{self, ServerName};
use super::stands::{begun, length, stands_in_list};
use super::{LIST, use_looks};
use crate::i18n::{Locale, t};
use crate::pages::runs::Pager;
use crate::pages::runs::filters::{self, ChoiceFilter, Place};
use crate::pages::runs::table::TableSkeleton;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, Icon, StatusDot, bytes, use_now, use_query};

/// The filter of an address.
fn filter(params: &Params) -> TerminalFilter {
    TerminalFilter {
        open: match params.get("state") {
            Some("OPEN") => Some(true),
            Some("ENDED") => Some(false),
            _ => None,
        },
        server_id: params.get("server").map(Into::into),
        mine: (params.get("who") == Some("MINE")).then_some(true),
    }
}

/// Servers to choose from, by id and name. The one that is asked for is always among them: it may be gone, and what was
/// opened on it still tells how it was called.
fn choices<'a>(
    servers: impl Iterator<Item = &'a ServerName>,
    sessions: impl Iterator<Item = &'a Session>,
    asked: Option<&str>,
    unnamed: &str,
) -> Vec<(String, String)> {
    let mut choices: Vec<_> = servers
        .map(|server| (server.id.inner().to_owned(), server.name.clone()))
        .collect();
    if let Some(asked) = asked.filter(|asked| !choices.iter().any(|(id, _)| id == asked)) {
        let mut opened = sessions.filter_map(|session| session.server.as_ref());
        let name = opened
            .find(|server| server.id.inner() == asked)
            .map_or(unnamed, |server| server.name.as_str());
        choices.push((asked.to_owned(), name.to_owned()));
    }
    choices
}

/// The list.
#[component]
pub fn Recordings(locale: Locale, query: ReadSignal<Params>) -> Element {
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(1));
    let mut page = use_query(move || {
        let params = query();
        data::page(filter(&params), filters::place(&params))
    });
    use_looks(page);
    let servers = use_query(places::server_names);
    let go = move |params: Params| {
        navigator.push(Route::Terminals {
            locale,
            query: params,
        });
    };
    let params = query();
    let held = page.data.read();
    let choices = choices(
        servers.data.read().iter().flatten(),
        held.iter().flat_map(|list| &list.nodes),
        params.get("server"),
        &t("terminals.one_server"),
    );
    let all = Route::Terminals {
        locale,
        query: Params::default().with("view", LIST),
    };
    rsx! {
        div { class: "toolbar runs-filters",
            ChoiceFilter {
                name: "state",
                label: t("runs.status"),
                choices: vec![("OPEN".to_owned(), t("terminals.open")), ("ENDED".to_owned(), t("terminals.ended"))],
                params: params.clone(),
                single: true,
                onchange: go,
            }
            if !choices.is_empty() {
                ChoiceFilter {
                    name: "server",
                    label: t("terminals.server"),
                    choices,
                    params: params.clone(),
                    single: true,
                    onchange: go,
                }
            }
            ChoiceFilter {
                name: "who",
                label: t("terminals.who"),
                choices: vec![("MINE".to_owned(), t("terminals.mine"))],
                params: params.clone(),
                single: true,
                onchange: go,
            }
        }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("terminals.view_all"),
            match (&*held, (page.error)()) {
                (_, Some(error)) if !error.is_offline() || held.is_none() => rsx! {
                    ErrorNotice { error, onretry: move |()| page.reload() }
                },
                (None, _) => rsx! { TableSkeleton {} },
                (Some(list), _) if list.nodes.is_empty() && filters::place(&params) == Place::default() => rsx! {
                    Empty { icon: "terminal", title: t("terminals.none_kept"), text: t("terminals.none_kept_text"),
                        if filter(&params) != TerminalFilter::default() {
                            Link { class: "btn", to: all.clone(), {t("filter.clear_all")} }
                        }
                    }
                },
                (Some(list), _) => rsx! { Table { locale, sessions: list.nodes.clone(), now } },
            }
        }
        if let Some(list) = &*held {
            Pager {
                shown: list.nodes.len(),
                total: list.total_count,
                info: list.page_info.clone(),
                params: params.clone(),
                onchange: go,
            }
        }
    }
}

#[component]
fn Table(locale: Locale, sessions: Vec<Session>, now: Signal<f64>) -> Element {
    rsx! {
        table { class: "table",
            thead {
                tr {
                    th { {t("terminals.where")} }
                    th { {t("runs.status")} }
                    th { class: "md", {t("terminals.opened_by")} }
                    th { class: "num md", {t("terminals.opened")} }
                    th { class: "num", {t("runs.duration")} }
                    th { class: "num md", {t("terminals.bytes")} }
                    th { class: "tight", span { class: "sr", {t("runs.actions")} } }
                }
            }
            tbody {
                for session in sessions {
                    Line { key: "{session.id.inner()}", locale, session, now }
                }
            }
        }
    }
}

#[component]
fn Line(locale: Locale, session: Session, now: Signal<f64>) -> Element {
    let (colour, word) = stands_in_list(&session);
    let name = session.name();
    let download = format!("{}: {name}", t("terminals.download"));
    // Only what goes on grows.
    let length = if session.is_over() {
        length(&session, 0.0)
    } else {
        length(&session, now())
    };
    let to = Route::Terminal {
        locale,
        id: session.id.inner().to_owned(),
    };
    rsx! {
        tr {
            td { class: "grow",
                span { class: "cell-main", Icon { name: session.icon() } Link { to, "{name}" } }
                if let Some(reason) = session.status_reason.as_ref() {
                    span { class: "sub block md", lang: "en", "{reason}" }
                }
            }
            td { span { class: "cell-main", StatusDot { status: colour } "{word}" } }
            td { class: "md", "{session.owner.name}" }
            td { class: "num dim md", title: session.created_at.to_rfc3339(), {begun(&session)} }
            td { class: "num", {length.unwrap_or_else(|| "–".to_owned())} }
            td { class: "num md", {bytes(session.recorded_bytes)} }
            td { class: "tight",
                if session.is_over() {
                    a {
                        class: "icon-btn icon-btn-sm",
                        href: "{session.recording_path}",
                        download: "",
                        "aria-label": "{download}",
                        title: "{download}",
                        Icon { name: "download" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::tests::session;
    use super::super::data::{OnServer, TerminalStatus};
    use super::*;

    #[test]
    fn the_server_that_is_asked_for_stays_a_choice() {
        let known = [ServerName {
            id: "a".into(),
            name: "web-a".to_owned(),
        }];
        let mut opened = session("t", TerminalStatus::Ended);
        opened.server = Some(OnServer {
            id: "b".into(),
            name: "web-b".to_owned(),
        });
        let names = |asked: Option<&str>| -> Vec<String> {
            let all = choices(known.iter(), std::iter::once(&opened), asked, "one server");
            all.into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(names(None), ["web-a"]);
        assert_eq!(names(Some("a")), ["web-a"]);
        assert_eq!(names(Some("b")), ["web-a", "web-b"]);
        assert_eq!(names(Some("gone")), ["web-a", "one server"]);
    }

    #[test]
    fn an_address_says_which_terminals() {
        let asked = filter(&Params::from("view=all&state=ENDED&server=abc&who=MINE"));
        assert_eq!((asked.open, asked.mine), (Some(false), Some(true)));
        assert_eq!(asked.server_id, Some("abc".into()));
        assert_eq!(
            filter(&Params::from("view=all&state=NONSENSE&who=ALL")),
            TerminalFilter::default()
        );
    }
}
