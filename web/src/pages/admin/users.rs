//! People with an account: found, changed, invited.

use std::time::Duration;

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use super::invite::Invite;
use super::invites::Invites;
use super::person::EditPerson;
use crate::api::{self, ApiError, Timestamp, schema};
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::links::OidcLink;
use crate::pages::runs::Pager;
use crate::pages::runs::data::{PAGE, PageInfo, Place};
use crate::pages::runs::filters::{self, ChoiceFilter, TextFilter};
use crate::params::Params;
use crate::routes::Route;
use crate::session::RoleName;
use crate::ui::{Empty, ErrorNotice, Icon, JobStatus, Skeleton, StatusDot, TimeAgo, use_now, use_query};

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
struct UserFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    status: Option<UserStatus>,
}

#[derive(cynic::QueryVariables)]
struct UsersVariables {
    filter: Option<UserFilter>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "UsersVariables")]
struct UsersQuery {
    #[arguments(filter: $filter, first: $first, after: $after, last: $last, before: $before)]
    users: UserConnection,
    roles: Vec<RoleRef>,
}

crate::api::listed!(Query UsersQuery, UsersVariables);

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct UserConnection {
    nodes: Vec<User>,
    page_info: PageInfo,
    total_count: i32,
}

/// A person in the list.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct User {
    pub id: cynic::Id,
    pub name: String,
    pub email: String,
    pub status: UserStatus,
    pub assigned_role: RoleRef,
    pub totp_enabled: Option<bool>,
    pub oidc_links: Option<Vec<OidcLink>>,
    pub last_sign_in_at: Option<Timestamp>,
}

/// A role, as a choice.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Role")]
pub struct RoleRef {
    pub id: cynic::Id,
    pub name: String,
    pub built_in: bool,
}

impl RoleRef {
    /// Its name; of a built-in one in the language of the page.
    pub fn words(&self) -> String {
        let Self { name, built_in, .. } = self.clone();
        RoleName { name, built_in }.words()
    }
}

/// Where an account is in its life.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    Active,
    Pending,
    Disabled,
}

impl UserStatus {
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Disabled];

    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Pending => "PENDING",
            Self::Disabled => "DISABLED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    pub fn words(self) -> String {
        t(match self {
            Self::Active => "users.active",
            Self::Pending => "users.pending",
            Self::Disabled => "users.disabled",
        })
    }

    fn status(self) -> JobStatus {
        match self {
            Self::Active => JobStatus::Succeeded,
            Self::Pending => JobStatus::Queued,
            Self::Disabled => JobStatus::Cancelled,
        }
    }
}

async fn load(params: Params) -> Result<UsersQuery, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match filters::place(&params) {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let filter = Some(UserFilter {
        text: params.get("q").map(str::to_owned),
        status: params.get("status").and_then(UserStatus::from_name),
    });
    let variables = UsersVariables {
        filter,
        first,
        after,
        last,
        before,
    };
    api::run(UsersQuery::build(variables)).await
}

/// What is being done with whom.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    Inviting,
    Changing(User),
}

/// The list of people.
#[component]
pub fn Users(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.users"))]);
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(30));
    let mut page = use_query(move || load(query()));
    let mut doing = use_signal(|| Doing::Nothing);
    let go = move |params: Params| {
        navigator.push(Route::Users {
            locale,
            query: params,
        });
    };
    let params = query();
    let held = page.data.read();
    let roles = held.as_ref().map(|held| held.roles.clone()).unwrap_or_default();
    let mut changes = use_signal(|| 0_u32);
    let close = move |()| {
        doing.set(Doing::Nothing);
        changes += 1;
        page.reload();
    };
    rsx! {
        div { class: "toolbar runs-filters",
            TextFilter { id: "users-search", label: t("users.search"), params: params.clone(), onchange: go }
            ChoiceFilter {
                name: "status",
                label: t("overview.col.status"),
                choices: UserStatus::ALL.iter().map(|s| (s.name().to_owned(), s.words())).collect::<Vec<_>>(),
                single: true,
                params: params.clone(),
                onchange: go,
            }
            span { class: "end",
                button { class: "btn btn-primary btn-sm", r#type: "button",
                    // The dialog offers the roles that came with the list.
                    disabled: held.is_none(), onclick: move |_| doing.set(Doing::Inviting), Icon { name: "plus" } {t("users.invite")} }
            }
        }
        Invites { locale, changes }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("nav.users"),
            if let Some(error) = (page.error)() {
                ErrorNotice { error, onretry: move |()| page.reload() }
            } else if let Some(list) = &*held {
                if list.users.nodes.is_empty() {
                    Empty { icon: "search", title: t("users.none"), text: t("users.none_text") }
                } else {
                    table { class: "table",
                        thead {
                            tr {
                                th { {t("field.name")} }
                                th { {t("account.role")} }
                                th { {t("overview.col.status")} }
                                th { class: "md", {t("totp.short")} }
                                th { class: "md num", {t("users.last_sign_in")} }
                                th { span { class: "sr", {t("users.change")} } }
                            }
                        }
                        tbody {
                            for user in list.users.nodes.iter().cloned() {
                                tr { key: "{user.id.inner()}",
                                    td {
                                        span { class: "cell-main", b { "{user.name}" } }
                                        span { class: "sub", "{user.email}" }
                                    }
                                    td { {user.assigned_role.words()} }
                                    td { span { class: "cell-main", StatusDot { status: user.status.status() } {user.status.words()} } }
                                    td { class: "md", if user.totp_enabled == Some(true) { {t("yes")} } else { span { class: "dim", {t("no")} } } }
                                    td { class: "md num dim", if let Some(at) = user.last_sign_in_at { TimeAgo { at, now } } else { {t("users.never")} } }
                                    td { class: "act",
                                        button { class: "btn btn-sm", r#type: "button", "aria-label": "{t(\"users.change\")}: {user.email}",
                                            onclick: move |_| doing.set(Doing::Changing(user.clone())),
                                            {t("users.change")}
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            } else {
                Skeleton { lines: 6 }
            }
        }
        if let Some(list) = &*held {
            Pager { shown: list.users.nodes.len(), total: list.users.total_count, info: list.users.page_info.clone(), params: params.clone(), onchange: go }
        }
        match doing() {
            Doing::Nothing => rsx! {},
            Doing::Inviting => rsx! { Invite { locale, roles, onclose: close } },
            Doing::Changing(user) => rsx! { EditPerson { key: "{user.id.inner()}", user, roles, onclose: close } },
        }
    }
}
