//! Servers: the list, live and filtered by the address, the page on which one is added, and the page of each.

mod actions;
mod changes;
mod checks;
mod confirm;
pub(super) mod data;
mod draft;
mod facts;
mod fields;
mod figures;
mod form;
mod hop;
mod keys;
mod page;
mod remove;
pub(super) mod status;
mod steps;
mod table;
mod used;
mod wizard;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use dioxus::prelude::*;

use self::data::{Row, ServerFilter, ServerPage};
pub use self::page::Server;
use self::status::{ATTENTION, ServerStatus};
pub use self::steps::ServerNew;
use self::table::{Attention, Table};
use crate::api::{self, Feed};
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::Pager;
use crate::pages::runs::filters::{self, ChoiceFilter, TextFilter};
use crate::pages::runs::table::TableSkeleton;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Icon, Live, use_now, use_query};

/// The filter of an address.
fn filter(params: &Params) -> ServerFilter {
    ServerFilter {
        text: params.get("q").map(str::to_owned),
        tags: params.get("tag").map(|tag| vec![tag.to_owned()]),
        status: filters::list(params, "status", ServerStatus::from_name),
        shared: match params.get("who") {
            Some("SHARED") => Some(true),
            Some("OWN") => Some(false),
            _ => None,
        },
    }
}

/// Takes in a server as it is now. True where it is not on the page and may belong there: that only the API can tell.
fn take(page: &mut ServerPage, news: Row, filter: &ServerFilter) -> bool {
    if let Some(row) = page.nodes.iter_mut().find(|row| row.id == news.id) {
        *row = news;
        return false;
    }
    let whole = !page.page_info.has_next_page && !page.page_info.has_previous_page;
    let wanted = filter
        .status
        .as_ref()
        .is_none_or(|wanted| wanted.contains(&news.status));
    // Of a list with more pages most that is told is of those: only what was just made is worth asking for.
    wanted && (whole || news.last_check.is_none())
}

/// The list of servers.
#[component]
pub fn Servers(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.servers"))]);
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(1));
    let mut page = use_query(move || {
        let params = query();
        data::page(filter(&params), filters::place(&params))
    });
    let mut flowing = use_signal(|| false);
    // Servers of which was asked already whether they belong here.
    let mut strange = use_signal(BTreeSet::<String>::new);
    use_resource(move || {
        let filter = filter(&query());
        async move {
            strange.write().clear();
            api::insist(data::all_updates, |event| {
                let flows = matches!(event, Feed::Live | Feed::Data(_));
                if *flowing.peek() != flows {
                    flowing.set(flows);
                }
                match event {
                    // What happened before they flowed is not told.
                    Feed::Live => page.reload_soon(),
                    Feed::Down | Feed::Failed(_) => {}
                    Feed::Data(update) => {
                        let (news, filter, again) = (update.server_updated, filter.clone(), page);
                        page.change(move |held| {
                            let Some(held) = held else { return };
                            let mut strange = strange;
                            let id = news.id.inner().to_owned();
                            if take(held, news.clone(), &filter) && strange.write().insert(id) {
                                again.reload_soon();
                            }
                        });
                    }
                }
                ControlFlow::Continue(())
            })
            .await;
            flowing.set(false);
        }
    });
    let go = move |params: Params| {
        navigator.push(Route::Servers {
            locale,
            query: params,
        });
    };
    let params = query();
    let held = page.data.read();
    rsx! {
        Views { locale, params: params.clone() }
        div { class: "toolbar runs-filters",
            TextFilter { id: "servers-search", label: t("servers.search"), params: params.clone(), onchange: go }
            ChoiceFilter {
                name: "status",
                label: t("runs.status"),
                choices: ServerStatus::ALL.iter().map(|one| (one.name().to_owned(), one.word())).collect::<Vec<_>>(),
                params: params.clone(),
                onchange: go,
            }
            ChoiceFilter {
                name: "who",
                label: t("servers.who"),
                choices: vec![("OWN".to_owned(), t("servers.own")), ("SHARED".to_owned(), t("servers.shared"))],
                single: true,
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
            span { class: "end",
                Live { on: flowing() }
                if session::may(Scope::ManageServers) {
                    Link { class: "btn btn-primary btn-sm", to: Route::ServerNew { locale }, Icon { name: "plus" } {t("nav.new_server")} }
                }
            }
        }
        div { class: "runs-table srv-table", tabindex: "0", role: "region", "aria-label": t("nav.servers"),
            match (&*held, (page.error)()) {
                (_, Some(error)) if !error.is_offline() || held.is_none() => rsx! {
                    ErrorNotice { error, onretry: move |()| page.reload() }
                },
                (None, _) => rsx! { TableSkeleton {} },
                (Some(list), _) if list.nodes.is_empty() && filters::place(&params) == filters::Place::default() => rsx! {
                    NoServers { locale, filtered: !params.is_empty() }
                },
                (Some(list), _) => rsx! {
                    if params.get("status").is_none() {
                        Attention { locale, servers: list.nodes.clone(), now, onchanged: move |()| page.reload() }
                    }
                    Table { locale, servers: list.nodes.clone(), params: params.clone(), now, onchanged: move |()| page.reload() }
                },
            }
        }
        if let Some(list) = &*held {
            Pager { shown: list.nodes.len(), total: list.total_count, info: list.page_info.clone(), params: params.clone(), onchange: go }
        }
    }
}

/// All servers, and those that ask for somebody.
#[component]
fn Views(locale: Locale, params: Params) -> Element {
    let now = params.get("status").unwrap_or_default().to_owned();
    rsx! {
        div { class: "tabs-row",
            nav { class: "tabs", "aria-label": t("runs.views"),
                for (key, status) in [("servers.view_all", ""), ("servers.view_attention", ATTENTION)] {
                    Link {
                        key: "{key}",
                        class: "tab",
                        to: Route::Servers { locale, query: filters::with(&params, "status", status) },
                        "aria-current": (now == status).then_some("page"),
                        {t(key)}
                    }
                }
            }
        }
    }
}

#[component]
fn NoServers(locale: Locale, filtered: bool) -> Element {
    let (title, text) = if filtered {
        ("servers.none_match", "servers.none_match_text")
    } else {
        ("servers.none", "servers.none_text")
    };
    rsx! {
        Empty { icon: "server", title: t(title), text: t(text),
            if filtered {
                Link { class: "btn", to: Route::Servers { locale, query: Params::default() }, {t("filter.clear_all")} }
            } else if session::may(Scope::ManageServers) {
                Link { class: "btn btn-primary", to: Route::ServerNew { locale }, Icon { name: "plus" } {t("nav.new_server")} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::runs::data::PageInfo;

    fn row(id: &str, status: ServerStatus) -> Row {
        Row {
            id: id.into(),
            name: id.to_owned(),
            address: "192.0.2.10".to_owned(),
            port: 22,
            username: "root".to_owned(),
            tags: Vec::new(),
            shared: false,
            owner: None,
            status,
            status_reason: None,
            last_check: Some(data::tests::check(1, None)),
            viewer_can: Vec::new(),
        }
    }

    fn list(more: bool) -> ServerPage {
        ServerPage {
            nodes: vec![row("a", ServerStatus::Unknown)],
            page_info: PageInfo {
                has_previous_page: false,
                has_next_page: more,
                start_cursor: None,
                end_cursor: None,
            },
            total_count: 1,
        }
    }

    #[test]
    fn an_address_says_which_servers() {
        let params = Params::from("status=ONLINE,NONSENSE&tag=prod&q=db&who=SHARED");
        let asked = filter(&params);
        assert_eq!(asked.status, Some(vec![ServerStatus::Online]));
        assert_eq!(asked.tags, Some(vec!["prod".to_owned()]));
        assert_eq!((asked.text.as_deref(), asked.shared), (Some("db"), Some(true)));
        assert_eq!(filter(&Params::default()), ServerFilter::default());
    }

    #[test]
    fn a_server_stays_at_its_row_and_a_strange_one_is_asked_for() {
        let (mut page, all) = (list(false), ServerFilter::default());
        assert!(!take(&mut page, row("a", ServerStatus::Online), &all));
        assert_eq!(page.nodes[0].status, ServerStatus::Online);
        assert!(take(&mut page, row("b", ServerStatus::Online), &all));
        let lost = filter(&Params::from("status=UNREACHABLE"));
        assert!(!take(&mut page, row("b", ServerStatus::Online), &lost));
        assert!(take(&mut page, row("b", ServerStatus::Unreachable), &lost));
    }

    #[test]
    fn of_a_list_with_more_pages_only_what_is_new_is_asked_for() {
        let (mut page, all) = (list(true), ServerFilter::default());
        assert!(!take(&mut page, row("b", ServerStatus::Online), &all));
        let mut new = row("c", ServerStatus::Unknown);
        new.last_check = None;
        assert!(take(&mut page, new, &all));
    }
}
