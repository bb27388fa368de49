//! One role: a custom one's name and permissions, and any one's limits.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use super::roles::Role;
use crate::api::{self, schema};
use crate::i18n::t;
use crate::pages::forms::{Entry, Faults, Tick};
use crate::pages::quotas::{QuotaForm, QuotaSubject};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::session::Scope;
use crate::ui::{Dialog, Icon, toast};

#[derive(cynic::InputObject)]
struct SaveRoleInput {
    id: Option<cynic::Id>,
    name: String,
    description: String,
    permissions: Vec<Scope>,
}

#[derive(cynic::QueryVariables)]
struct SaveVariables {
    input: SaveRoleInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SaveVariables")]
struct SaveRole {
    #[arguments(input: $input)]
    save_role: SaveRolePayload,
}

crate::api::listed!(Mutation SaveRole, SaveVariables);

#[derive(cynic::QueryFragment)]
struct SaveRolePayload {
    role: Option<Role>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct DeleteRoleInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct DeleteVariables {
    input: DeleteRoleInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DeleteVariables")]
struct DeleteRole {
    #[arguments(input: $input)]
    delete_role: DeleteRolePayload,
}

crate::api::listed!(Mutation DeleteRole, DeleteVariables);

#[derive(cynic::QueryFragment)]
struct DeleteRolePayload {
    deleted_id: Option<cynic::Id>,
    user_errors: Vec<UserError>,
}

async fn save(input: SaveRoleInput) -> Result<Role, Refusal> {
    let answer = api::run(SaveRole::build(SaveVariables { input }))
        .await?
        .save_role;
    settled(answer.role, answer.user_errors)
}

async fn delete(id: cynic::Id) -> Result<cynic::Id, Refusal> {
    let input = DeleteRoleInput { id };
    let answer = api::run(DeleteRole::build(DeleteVariables { input }))
        .await?
        .delete_role;
    settled(answer.deleted_id, answer.user_errors)
}

/// The form of a role. Built-in ones keep what they allow; their limits can be set.
#[component]
pub fn EditRole(role: Option<Role>, onclose: EventHandler) -> Element {
    let name = use_signal(|| role.as_ref().map(|role| role.name.clone()).unwrap_or_default());
    let description = use_signal(|| {
        role.as_ref()
            .map(|role| role.description.clone())
            .unwrap_or_default()
    });
    let mut scopes = use_signal(|| {
        role.as_ref()
            .map(|role| role.permissions.clone())
            .unwrap_or_default()
    });
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let id = role.as_ref().map(|role| role.id.clone());
    let built_in = role.as_ref().is_some_and(|role| role.built_in);
    let title = role.as_ref().map_or_else(|| t("roles.new"), Role::words);
    let submit = {
        let id = id.clone();
        move |event: FormEvent| {
            event.prevent_default();
            let id = id.clone();
            async move {
                if busy() {
                    return;
                }
                busy.set(true);
                let input = SaveRoleInput {
                    id,
                    name: name(),
                    description: description(),
                    permissions: scopes(),
                };
                match save(input).await {
                    Ok(role) => {
                        toast(JobStatus::Succeeded, t("account.saved"), role.name);
                        onclose.call(());
                    }
                    Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                }
                busy.set(false);
            }
        }
    };
    let remove = id.clone().filter(|_| !built_in);
    rsx! {
        Dialog { id: "role", title, onclose,
            foot: rsx! {
                if let Some(id) = remove {
                    button { class: "btn btn-danger", r#type: "button",
                        onclick: move |_| {
                            let id = id.clone();
                            async move {
                                match delete(id).await {
                                    Ok(_) => onclose.call(()),
                                    Err(refusal) => say(t("account.not_saved"), &refusal),
                                }
                            }
                        },
                        Icon { name: "trash" }
                        {t("roles.delete")}
                    }
                }
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.close")} }
                if !built_in {
                    button { class: "btn btn-primary", r#type: "submit", form: "role-form", "aria-busy": if busy() { "true" }, {t("event.save")} }
                }
            },
            if built_in {
                p { class: "hint", {t("roles.built_in")} }
            } else {
                form { class: "form", id: "role-form", novalidate: true, onsubmit: submit,
                    Entry { id: "role-name", label: t("field.name"), value: name, error: wrong.read().at("name") }
                    Entry { id: "role-description", label: t("roles.description"), value: description, error: wrong.read().at("description"), optional: true }
                    fieldset { class: "field",
                        legend { class: "label", {t("tokens.may")} }
                        div { class: "ticks",
                            for scope in Scope::ALL {
                                Tick { key: "{scope:?}", on: scopes.read().contains(&scope), label: scope.words(),
                                    onchange: move |on: bool| {
                                        let mut scopes = scopes.write();
                                        scopes.retain(|one| *one != scope);
                                        if on {
                                            scopes.push(scope);
                                        }
                                    },
                                }
                            }
                        }
                        if let Some(words) = wrong.read().at("permissions") {
                            p { class: "error", role: "alert", Icon { name: "alert" } "{words}" }
                        }
                    }
                }
            }
            if let Some(id) = id {
                details { class: "more", open: built_in,
                    summary { {t("quota.title")} }
                    QuotaForm { id: "role-quota", subject: QuotaSubject { role: Some(id), ..QuotaSubject::default() }, unset: t("quota.of_installation") }
                }
            }
        }
    }
}
