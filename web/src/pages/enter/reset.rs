//! A forgotten password: asking for a link, and setting a new one with it.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::browser;
use crate::i18n::{Locale, t};
use crate::pages::forms::Entry;
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::params::Params;

use super::{Form, Outcome};

#[derive(cynic::InputObject)]
struct RequestPasswordResetInput {
    email: String,
}

#[derive(cynic::QueryVariables)]
struct AskVariables {
    input: RequestPasswordResetInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "AskVariables")]
struct RequestPasswordReset {
    #[arguments(input: $input)]
    request_password_reset: RequestPasswordResetPayload,
}

crate::api::listed!(Mutation RequestPasswordReset, AskVariables);

#[derive(cynic::QueryFragment)]
struct RequestPasswordResetPayload {
    accepted: bool,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct ResetPasswordInput {
    token: String,
    new_password: String,
}

#[derive(cynic::QueryVariables)]
struct SetVariables {
    input: ResetPasswordInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SetVariables")]
struct ResetPasswordMutation {
    #[arguments(input: $input)]
    reset_password: ResetPasswordPayload,
}

crate::api::listed!(Mutation ResetPasswordMutation, SetVariables);

#[derive(cynic::QueryFragment)]
struct ResetPasswordPayload {
    changed: bool,
    user_errors: Vec<UserError>,
}

async fn ask(email: String) -> Result<(), Refusal> {
    let input = RequestPasswordResetInput { email };
    let answer = api::run(RequestPasswordReset::build(AskVariables { input }))
        .await?
        .request_password_reset;
    settled(answer.accepted.then_some(()), answer.user_errors)
}

async fn set(token: String, new_password: String) -> Result<(), Refusal> {
    let input = ResetPasswordInput { token, new_password };
    let answer = api::run(ResetPasswordMutation::build(SetVariables { input }))
        .await?
        .reset_password;
    settled(answer.changed.then_some(()), answer.user_errors)
}

/// With a link's token: a new password. Without: asking for a link.
#[component]
pub fn ResetPassword(locale: Locale, query: Params) -> Element {
    let token = query.get("token").map(str::to_owned);
    let with_link = token.is_some();
    let (email, password) = (use_signal(String::new), use_signal(String::new));
    let mut busy = use_signal(|| false);
    let mut outcome = use_signal(Outcome::default);
    use_effect(move || browser::focus(if with_link { "password" } else { "email" }));
    let submit = move |()| {
        let token = token.clone();
        spawn(async move {
            busy.set(true);
            let ended = match token {
                Some(token) => set(token, password()).await.map(|()| t("enter.reset_done")),
                None => ask(email().trim().to_owned())
                    .await
                    .map(|()| t("enter.mail_sent")),
            };
            busy.set(false);
            outcome.set(ended.map_or_else(|refusal| Outcome::refused(&refusal), Outcome::done));
        });
    };
    let found = outcome();
    rsx! {
        Form {
            locale,
            title: t("enter.reset_title"),
            lead: t(if with_link { "enter.reset_lead" } else { "enter.ask_lead" }),
            submit: t(if with_link { "enter.reset_submit" } else { "enter.ask_submit" }),
            busy: busy(),
            done: found.done.clone(),
            problem: found.elsewhere(&["email", "newPassword"]),
            onsubmit: submit,
            if with_link {
                Entry { class: "input input-lg", id: "password", label: t("account.new"), kind: "password", complete: "new-password", value: password,
                    error: found.at("newPassword"), hint: t("account.new_hint") }
            } else {
                Entry { class: "input input-lg", id: "email", label: t("signin.email"), kind: "email", complete: "username", value: email, error: found.at("email") }
            }
        }
    }
}
