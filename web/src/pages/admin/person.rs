//! One person: name, role, state and limits.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use super::explain::ExplainAccess;
use super::users::{RoleRef, User, UserStatus};
use crate::api::{self, schema};
use crate::i18n::t;
use crate::pages::forms::{Choice, Entry, Faults};
use crate::pages::links::Links;
use crate::pages::quotas::{QuotaForm, QuotaSubject};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{Dialog, toast};

#[derive(cynic::InputObject)]
struct UpdateUserInput {
    id: cynic::Id,
    name: Option<String>,
    role_id: Option<cynic::Id>,
    status: Option<UserStatus>,
}

#[derive(cynic::QueryVariables)]
struct UpdateVariables {
    input: UpdateUserInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "UpdateVariables")]
struct UpdateUser {
    #[arguments(input: $input)]
    update_user: UpdateUserPayload,
}

crate::api::listed!(Mutation UpdateUser, UpdateVariables);

#[derive(cynic::QueryFragment)]
struct UpdateUserPayload {
    user: Option<User>,
    user_errors: Vec<UserError>,
}

async fn update(input: UpdateUserInput) -> Result<User, Refusal> {
    let answer = api::run(UpdateUser::build(UpdateVariables { input }))
        .await?
        .update_user;
    settled(answer.user, answer.user_errors)
}

#[derive(cynic::InputObject)]
struct ResetUserTotpInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct ResetTotpVariables {
    input: ResetUserTotpInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ResetTotpVariables")]
struct ResetUserTotp {
    #[arguments(input: $input)]
    reset_user_totp: ResetUserTotpPayload,
}

crate::api::listed!(Mutation ResetUserTotp, ResetTotpVariables);

#[derive(cynic::QueryFragment)]
struct ResetUserTotpPayload {
    user: Option<User>,
    user_errors: Vec<UserError>,
}

async fn reset_totp(id: cynic::Id) -> Result<User, Refusal> {
    let input = ResetUserTotpInput { id };
    let answer = api::run(ResetUserTotp::build(ResetTotpVariables { input }))
        .await?
        .reset_user_totp;
    settled(answer.user, answer.user_errors)
}

/// The form of one person.
#[component]
pub fn EditPerson(user: User, roles: Vec<RoleRef>, onclose: EventHandler) -> Element {
    let name = use_signal(|| user.name.clone());
    let role = use_signal(|| user.assigned_role.id.inner().to_owned());
    let status = use_signal(|| user.status.name().to_owned());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let (id, before) = (user.id.clone(), user.clone());
    rsx! {
        Dialog { id: "person", title: user.email.clone(), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.close")} }
                button { class: "btn btn-primary", r#type: "submit", form: "person-form", "aria-busy": if busy() { "true" }, {t("event.save")} }
            },
            form { class: "form", id: "person-form", novalidate: true,
                onsubmit: move |event: FormEvent| {
                    event.prevent_default();
                    let before = before.clone();
                    async move {
                        if busy() {
                            return;
                        }
                        busy.set(true);
                        // Only what differs is sent, so that a change made elsewhere meanwhile stays.
                        let input = UpdateUserInput {
                            name: Some(name()).filter(|name| *name != before.name),
                            role_id: Some(role()).filter(|id| id != before.assigned_role.id.inner()).map(cynic::Id::new),
                            status: UserStatus::from_name(&status()).filter(|status| *status != before.status),
                            id: before.id,
                        };
                        match update(input).await {
                            Ok(user) => {
                                toast(JobStatus::Succeeded, t("account.saved"), user.email);
                                onclose.call(());
                            }
                            Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                        }
                        busy.set(false);
                    }
                },
                Entry { id: "person-name", label: t("field.name"), value: name, error: wrong.read().at("name") }
                Choice { id: "person-role", label: t("account.role"), value: role, error: wrong.read().at("roleId"),
                    choices: roles.iter().map(|role| (role.id.inner().to_owned(), role.words())).collect::<Vec<_>>() }
                Choice { id: "person-status", label: t("overview.col.status"), value: status, error: wrong.read().at("status"), hint: t("users.status_hint"),
                    choices: UserStatus::ALL.iter().map(|one| (one.name().to_owned(), one.words())).collect::<Vec<_>>() }
            }
            if user.totp_enabled == Some(true) {
                div { class: "more",
                    p { class: "hint", {t("users.totp_hint")} }
                    button { class: "btn btn-danger", r#type: "button",
                        onclick: {
                            let id = user.id.clone();
                            move |_| {
                                let id = id.clone();
                                async move {
                                    match reset_totp(id).await {
                                        Ok(user) => {
                                            toast(JobStatus::Succeeded, t("users.totp_reset_done"), user.email);
                                            onclose.call(());
                                        }
                                        Err(refusal) => say(t("account.not_saved"), &refusal),
                                    }
                                }
                            }
                        },
                        {t("users.totp_reset")}
                    }
                }
            }
            if let Some(links) = user.oidc_links.clone().filter(|links| !links.is_empty()) {
                div { class: "more",
                    h3 { {t("links.title")} }
                    Links { links, onchanged: move |()| onclose.call(()) }
                }
            }
            details { class: "more",
                summary { {t("explain.title")} }
                ExplainAccess { user: id.clone() }
            }
            details { class: "more",
                summary { {t("quota.title")} }
                QuotaForm { id: "person-quota", subject: QuotaSubject { user: Some(id), ..QuotaSubject::default() }, unset: t("quota.of_role") }
            }
        }
    }
}
