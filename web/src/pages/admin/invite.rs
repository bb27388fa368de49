//! Inviting somebody.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use super::users::RoleRef;
use crate::api::{self, schema};
use crate::i18n::{Locale, t, tf};
use crate::pages::forms::{Choice, CopyField, Entry, Faults};
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::ui::Dialog;

#[derive(cynic::InputObject)]
struct InviteUserInput {
    email: String,
    name: Option<String>,
    role_id: Option<cynic::Id>,
    locale: String,
}

#[derive(cynic::QueryVariables)]
struct InviteVariables {
    input: InviteUserInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "InviteVariables")]
struct InviteUser {
    #[arguments(input: $input)]
    invite_user: InviteUserPayload,
}

crate::api::listed!(Mutation InviteUser, InviteVariables);

#[derive(cynic::QueryFragment)]
struct InviteUserPayload {
    invitation: Option<Invitation>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Invitation {
    email: String,
    url: String,
}

async fn invite(input: InviteUserInput) -> Result<Invitation, Refusal> {
    let answer = api::run(InviteUser::build(InviteVariables { input }))
        .await?
        .invite_user;
    settled(answer.invitation, answer.user_errors)
}

/// Address, name, role and language; then the link, once.
#[component]
pub fn Invite(locale: Locale, roles: Vec<RoleRef>, onclose: EventHandler) -> Element {
    let (email, name) = (use_signal(String::new), use_signal(String::new));
    let least = roles
        .iter()
        .find(|role| role.built_in && role.name == "VIEWER")
        .or(roles.first())
        .map(|role| role.id.inner().to_owned())
        .unwrap_or_default();
    let role = use_signal(|| least);
    let language = use_signal(|| locale.tag().to_owned());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let mut made = use_signal(|| None::<Invitation>);
    if let Some(invitation) = made() {
        return rsx! {
            Dialog { id: "invited", title: t("invite.made"), onclose,
                foot: rsx! { button { class: "btn btn-primary", r#type: "button", onclick: move |_| onclose.call(()), {t("tokens.done")} } },
                p { {tf("invite.made_text", &[("email", &invitation.email)])} }
                CopyField { id: "invite-link", label: t("invite.link"), value: invitation.url, hint: t("invite.link_hint") }
            }
        };
    }
    rsx! {
        Dialog { id: "invite", title: t("users.invite"), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "submit", form: "invite-form", "aria-busy": if busy() { "true" }, {t("invite.send")} }
            },
            form { class: "form", id: "invite-form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let input = InviteUserInput {
                        email: email().trim().to_owned(),
                        name: Some(name()).filter(|name| !name.trim().is_empty()),
                        role_id: Some(cynic::Id::new(role())),
                        locale: language(),
                    };
                    match invite(input).await {
                        Ok(invitation) => made.set(Some(invitation)),
                        Err(refusal) => wrong.set(Faults::of("invite.not_made", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "invite-email", label: t("signin.email"), kind: "email", value: email, error: wrong.read().at("email") }
                Entry { id: "invite-name", label: t("field.name"), value: name, error: wrong.read().at("name"), optional: true }
                Choice { id: "invite-role", label: t("account.role"), value: role, error: wrong.read().at("roleId"),
                    choices: roles.iter().map(|role| (role.id.inner().to_owned(), role.words())).collect::<Vec<_>>() }
                Choice { id: "invite-language", label: t("language.title"), value: language, error: wrong.read().at("locale"),
                    choices: Locale::ALL.iter().map(|one| (one.tag().to_owned(), one.name().to_owned())).collect::<Vec<_>>() }
            }
        }
    }
}
