//! What each role allows, side by side.

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use super::role::EditRole;
use crate::api::{self, ApiError, schema};
use crate::i18n::{known, t, tn};
use crate::layout::{Crumb, use_crumbs};
use crate::session::{self, RoleName, Scope};
use crate::ui::{ErrorNotice, Icon, Skeleton, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct RolesQuery {
    roles: Vec<Role>,
}

crate::api::listed!(Query RolesQuery, ());

/// A role with what it allows.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Role {
    pub id: cynic::Id,
    pub name: String,
    pub description: String,
    pub built_in: bool,
    pub permissions: Vec<Scope>,
    pub user_count: Option<i32>,
}

impl Role {
    pub fn words(&self) -> String {
        let Self { name, built_in, .. } = self.clone();
        RoleName { name, built_in }.words()
    }

    /// What it is for; of a built-in one in the language of the page.
    fn about(&self) -> String {
        self.built_in
            .then(|| known(&format!("roles.about.{}", self.name.to_lowercase())))
            .flatten()
            .unwrap_or_else(|| self.description.clone())
    }
}

async fn load() -> Result<Vec<Role>, ApiError> {
    Ok(api::run(RolesQuery::build(())).await?.roles)
}

/// What can be done with a role: of a built-in one only its limits can be set.
fn act(role: &Role) -> String {
    t(if role.built_in {
        "quota.title"
    } else {
        "users.change"
    })
}

/// The matrix of roles.
#[component]
pub fn Roles() -> Element {
    use_crumbs(vec![Crumb::here(t("nav.roles"))]);
    let mut query = use_query(load);
    // The role that is being changed; without an id, a new one.
    let mut editing = use_signal(|| None::<Option<Role>>);
    let known = (query.data)();
    rsx! {
        div { class: "pane",
            div { class: "pane-head",
                h2 { {t("nav.roles")} }
                span { class: "end",
                    if session::may(Scope::ManageRoles) {
                        button { class: "btn btn-primary btn-sm", r#type: "button", onclick: move |_| editing.set(Some(None)), Icon { name: "plus" } {t("roles.new")} }
                    }
                }
            }
            if let Some(roles) = known {
                div { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("nav.roles"),
                    table { class: "table roles",
                        thead {
                            tr {
                                th { {t("roles.permission")} }
                                for role in roles.iter().cloned() {
                                    th { key: "{role.id.inner()}", class: "role", scope: "col",
                                        span { title: role.about(), {role.words()} }
                                        span { class: "sub", {tn("roles.people", u64::try_from(role.user_count.unwrap_or(0)).unwrap_or(0))} }
                                        button { class: "btn btn-sm", r#type: "button", "aria-label": format!("{}: {}", act(&role), role.words()),
                                            onclick: {
                                                let role = role.clone();
                                                move |_| editing.set(Some(Some(role.clone())))
                                            },
                                            {act(&role)}
                                        }
                                    }
                                }
                            }
                        }
                        tbody {
                            for scope in Scope::ALL {
                                tr { key: "{scope:?}",
                                    th { scope: "row", {scope.words()} }
                                    for role in &roles {
                                        td { key: "{role.id.inner()}", class: "role",
                                            if role.permissions.contains(&scope) {
                                                Icon { name: "check" }
                                                span { class: "sr", {t("yes")} }
                                            } else {
                                                span { class: "dim", "aria-hidden": "true", "–" }
                                                span { class: "sr", {t("no")} }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            } else if let Some(error) = (query.error)() {
                ErrorNotice { error, onretry: move |()| query.reload() }
            } else {
                Skeleton { lines: 8 }
            }
        }
        if let Some(role) = editing() {
            EditRole { role,
                onclose: move |()| {
                    editing.set(None);
                    query.reload();
                },
            }
        }
    }
}
