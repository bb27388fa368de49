//! Variables and secrets: the list, filtered by the address, and what is done with them.

mod data;
mod edit;
mod exchange;
mod remove;

use std::time::Duration;

use dioxus::prelude::*;

use self::data::{Variable, VariableFilter, VariableScope};
use self::edit::Edit;
use self::exchange::{Export, Import};
use self::remove::Remove;
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::Pager;
use crate::pages::runs::filters::{self, ChoiceFilter, TextFilter};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, ErrorNotice, Icon, Skeleton, TimeAgo, use_now, use_query};

/// Scopes in which the person may make variables.
fn places() -> Vec<VariableScope> {
    let all = VariableScope::ALL.into_iter();
    all.filter(|scope| *scope != VariableScope::Global || session::may(Scope::ManageSettings))
        .collect()
}

fn choices(scopes: &[VariableScope]) -> Vec<(String, String)> {
    let both = |scope: &VariableScope| (scope.name().to_owned(), scope.words());
    scopes.iter().map(both).collect()
}

/// What is being done.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    New,
    Open(Variable),
    Removing(Variable),
    Importing,
    Exporting,
}

fn filter(params: &Params) -> VariableFilter {
    VariableFilter {
        text: params.get("q").map(str::to_owned),
        scope: params.get("scope").and_then(VariableScope::from_name),
        secret: match params.get("kind") {
            Some("SECRET") => Some(true),
            Some("PLAIN") => Some(false),
            _ => None,
        },
    }
}

/// The list of variables.
#[component]
pub fn Variables(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.variables"))]);
    let navigator = use_navigator();
    let mut page = use_query(move || {
        let params = query();
        data::page(filter(&params), filters::place(&params))
    });
    let mut doing = use_signal(|| Doing::Nothing);
    let go = move |params: Params| {
        navigator.push(Route::Variables {
            locale,
            query: params,
        });
    };
    let close = move |changed: bool| {
        doing.set(Doing::Nothing);
        if changed {
            page.reload();
        }
    };
    let params = query();
    let held = page.data.read();
    let may_make = session::may(Scope::ManageVariables);
    rsx! {
        div { class: "toolbar runs-filters",
            TextFilter { id: "variables-search", label: t("vars.search"), params: params.clone(), onchange: go }
            ChoiceFilter {
                name: "scope",
                label: t("vars.scope"),
                choices: choices(&VariableScope::ALL),
                single: true,
                params: params.clone(),
                onchange: go,
            }
            ChoiceFilter {
                name: "kind",
                label: t("vars.kind"),
                choices: vec![("PLAIN".to_owned(), t("vars.plain")), ("SECRET".to_owned(), t("vars.secret"))],
                single: true,
                params: params.clone(),
                onchange: go,
            }
            span { class: "end vars-acts",
                button { class: "btn btn-sm", r#type: "button", onclick: move |_| doing.set(Doing::Exporting), Icon { name: "download" } {t("vars.export")} }
                if may_make {
                    button { class: "btn btn-sm vars-up", r#type: "button", onclick: move |_| doing.set(Doing::Importing), Icon { name: "download" } {t("vars.import")} }
                    button { class: "btn btn-primary btn-sm", r#type: "button", onclick: move |_| doing.set(Doing::New), Icon { name: "plus" } {t("vars.new")} }
                }
            }
        }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("nav.variables"),
            match (&*held, (page.error)()) {
                (_, Some(error)) if !error.is_offline() || held.is_none() => rsx! {
                    ErrorNotice { error, onretry: move |()| page.reload() }
                },
                (None, _) => rsx! { Skeleton { lines: 6 } },
                (Some(list), _) if list.nodes.is_empty() && filters::place(&params) == filters::Place::default() => rsx! {
                    Nothing { locale, filtered: !params.is_empty(), onnew: move |()| doing.set(Doing::New) }
                },
                (Some(list), _) => rsx! {
                    List { variables: list.nodes.clone(), onopen: move |one| doing.set(Doing::Open(one)), onremove: move |one| doing.set(Doing::Removing(one)) }
                },
            }
        }
        if let Some(list) = &*held {
            Pager { shown: list.nodes.len(), total: list.total_count, info: list.page_info.clone(), params: params.clone(), onchange: go }
        }
        match doing() {
            Doing::Nothing => rsx! {},
            Doing::New => rsx! { Edit { locale, variable: None, onclose: close } },
            Doing::Open(one) => rsx! { Edit { key: "{one.id.inner()}", locale, variable: Some(one), onclose: close } },
            Doing::Removing(one) => rsx! { Remove { locale, variable: one, onclose: close } },
            Doing::Importing => rsx! { Import { onclose: close } },
            Doing::Exporting => rsx! { Export { onclose: close } },
        }
    }
}

#[component]
fn Nothing(locale: Locale, filtered: bool, onnew: EventHandler) -> Element {
    let (title, text) = if filtered {
        ("vars.none_match", "vars.none_match_text")
    } else {
        ("vars.none", "vars.none_text")
    };
    rsx! {
        Empty { icon: "variable", title: t(title), text: t(text),
            if filtered {
                Link { class: "btn", to: Route::Variables { locale, query: Params::default() }, {t("filter.clear_all")} }
            } else if session::may(Scope::ManageVariables) {
                button { class: "btn btn-primary", r#type: "button", onclick: move |_| onnew.call(()), Icon { name: "plus" } {t("vars.new")} }
            }
        }
    }
}

#[component]
fn List(
    variables: Vec<Variable>,
    onopen: EventHandler<Variable>,
    onremove: EventHandler<Variable>,
) -> Element {
    let now = use_now(Duration::from_secs(30));
    rsx! {
        table { class: "table vars",
            thead {
                tr {
                    th { {t("vars.key")} }
                    th { {t("vars.value")} }
                    th { class: "md", {t("vars.scope")} }
                    th { class: "lo", {t("vars.owner")} }
                    th { class: "num md", {t("events.changed")} }
                    th { class: "tight", span { class: "sr", {t("runs.actions")} } }
                }
            }
            tbody {
                for one in variables {
                    Line { key: "{one.id.inner()}", variable: one, now, onopen, onremove }
                }
            }
        }
    }
}

/// Whose a variable is, as a badge.
#[component]
pub(super) fn ScopeBadge(scope: VariableScope) -> Element {
    let class = match scope {
        VariableScope::Own => "badge badge-line",
        VariableScope::Shared => "badge",
        VariableScope::Global => "badge badge-accent",
    };
    rsx! { span { class, {scope.words()} } }
}

#[component]
fn Line(
    variable: Variable,
    now: Signal<f64>,
    onopen: EventHandler<Variable>,
    onremove: EventHandler<Variable>,
) -> Element {
    let (opened, removed) = (variable.clone(), variable.clone());
    let may_change = variable.may_change();
    let owner = variable.owner.as_ref().map(|owner| owner.name.clone());
    // A value of many lines or words shows its beginning.
    let shown: String = variable
        .value
        .as_deref()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect();
    rsx! {
        tr {
            td {
                button { class: "link-btn mono vars-key", r#type: "button", onclick: move |_| onopen.call(opened.clone()), "{variable.key}" }
                if !variable.description.is_empty() {
                    span { class: "sub block vars-note", title: "{variable.description}", "{variable.description}" }
                }
            }
            td { class: "grow",
                if variable.secret {
                    span { class: "badge", Icon { name: "lock" } {t("vars.secret")} }
                    span { class: "dim vars-dots md", "aria-hidden": "true", "••••••••" }
                } else if shown.is_empty() {
                    span { class: "dim", {t("vars.empty")} }
                } else {
                    span { class: "mono vars-value", title: "{shown}", "{shown}" }
                }
            }
            td { class: "md", ScopeBadge { scope: variable.scope } }
            td { class: "lo", if let Some(owner) = owner { "{owner}" } else { span { class: "dim", {t("vars.installation")} } } }
            td { class: "num dim md", TimeAgo { at: variable.updated_at, now } }
            td { class: "tight",
                if may_change {
                    button { class: "icon-btn icon-btn-sm", r#type: "button",
                        "aria-label": "{t(\"vars.delete\")}: {variable.key}", title: t("vars.delete"),
                        onclick: move |_| onremove.call(removed.clone()),
                        Icon { name: "trash" }
                    }
                }
            }
        }
    }
}
