//! A new account: asking for a link where everybody may, and making the account with one.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::browser;
use crate::i18n::{Locale, t};
use crate::pages::forms::Entry;
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::params::Params;
use crate::session::{self, SERVER, ServerInfo};

use super::{Form, Outcome};

#[derive(cynic::InputObject)]
struct SignUpInput {
    email: Option<String>,
    name: Option<String>,
    password: Option<String>,
    token: Option<String>,
    locale: String,
}

#[derive(cynic::QueryVariables)]
struct Variables {
    input: SignUpInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "Variables")]
struct SignUpMutation {
    #[arguments(input: $input)]
    sign_up: SignUpPayload,
}

crate::api::listed!(Mutation SignUpMutation, Variables);

#[derive(cynic::QueryFragment)]
struct SignUpPayload {
    status: Option<SignUpStatus>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum SignUpStatus {
    Active,
    MailSent,
    Pending,
}

impl SignUpStatus {
    fn words(self) -> String {
        t(match self {
            Self::Active => "enter.active",
            Self::MailSent => "enter.mail_sent",
            Self::Pending => "enter.pending",
        })
    }
}

async fn sign_up(input: SignUpInput) -> Result<SignUpStatus, Refusal> {
    let answer = api::run(SignUpMutation::build(Variables { input }))
        .await?
        .sign_up;
    settled(answer.status, answer.user_errors)
}

/// With a link's token: name and password. Without: asking for a link.
#[component]
pub fn SignUp(locale: Locale, query: Params) -> Element {
    let token = query.get("token").map(str::to_owned);
    let with_link = token.is_some();
    let (name, email, password) = (
        use_signal(String::new),
        use_signal(String::new),
        use_signal(String::new),
    );
    let mut busy = use_signal(|| false);
    let mut outcome = use_signal(Outcome::default);
    use_effect(|| browser::focus("name"));
    use_future(|| async {
        // A failure shows itself when the form is sent.
        let _ = session::load().await;
    });
    let submit = move |()| {
        let token = token.clone();
        spawn(async move {
            busy.set(true);
            let entered = |text: String| Some(text).filter(|text| !text.is_empty());
            let input = SignUpInput {
                email: entered(email().trim().to_owned()).filter(|_| token.is_none()),
                // Whoever was invited may have a name already.
                name: entered(name()).or_else(|| token.is_none().then(String::new)),
                password: token.is_some().then(&*password),
                token,
                locale: locale.tag().to_owned(),
            };
            let ended = sign_up(input).await.map(SignUpStatus::words);
            busy.set(false);
            outcome.set(ended.map_or_else(|refusal| Outcome::refused(&refusal), Outcome::done));
        });
    };
    let found = outcome();
    let closed = !with_link
        && SERVER
            .read()
            .as_ref()
            .is_some_and(|server| !ServerInfo::takes_people(server));
    let done = closed.then(|| t("enter.closed")).or(found.done.clone());
    rsx! {
        Form {
            locale,
            title: t("enter.signup_title"),
            lead: t(if with_link { "enter.signup_lead" } else { "enter.signup_ask_lead" }),
            submit: t(if with_link { "enter.signup_submit" } else { "enter.ask_submit" }),
            busy: busy(),
            done,
            problem: found.elsewhere(&["name", "email", "password"]),
            onsubmit: submit,
            Entry { class: "input input-lg", id: "name", label: t("field.name"), kind: "text", complete: "name", value: name, error: found.at("name"),
                hint: with_link.then(|| t("enter.name_hint")) }
            if with_link {
                Entry { class: "input input-lg", id: "password", label: t("signin.password"), kind: "password", complete: "new-password", value: password,
                    error: found.at("password"), hint: t("enter.password_hint") }
            } else {
                Entry { class: "input input-lg", id: "email", label: t("signin.email"), kind: "email", complete: "username", value: email, error: found.at("email") }
            }
        }
    }
}
