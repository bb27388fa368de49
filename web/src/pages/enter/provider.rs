//! Signing in by an OpenID Connect provider: the way there, why it came to nothing, and the code that may be owed
//! afterwards.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::browser;
use crate::i18n::{Locale, known, t, tf};
use crate::pages::forms::Entry;
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::params;
use crate::session::{OidcSignIn, PROOF, SESSION, Session, Viewer};
use crate::ui::Icon;

use super::{Form, Outcome};

#[derive(cynic::InputObject)]
struct FinishOidcSignInInput {
    proof: String,
    code: String,
}

#[derive(cynic::QueryVariables)]
struct FinishVariables {
    input: FinishOidcSignInInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "FinishVariables")]
struct FinishOidcSignIn {
    #[arguments(input: $input)]
    finish_oidc_sign_in: FinishPayload,
}

crate::api::listed!(Mutation FinishOidcSignIn, FinishVariables);

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "SignInPayload")]
struct FinishPayload {
    viewer: Option<Viewer>,
    user_errors: Vec<UserError>,
}

async fn finish(proof: String, code: String) -> Result<Viewer, Refusal> {
    let input = FinishOidcSignInInput { proof, code };
    let answer = api::run(FinishOidcSignIn::build(FinishVariables { input }))
        .await?
        .finish_oidc_sign_in;
    settled(answer.viewer, answer.user_errors)
}

/// Why a sign-in by the provider came to nothing, by the code in the address.
pub(super) fn why(code: &str) -> String {
    known(&format!("oidc.{}", code.to_lowercase())).unwrap_or_else(|| t("oidc.failed"))
}

/// The way to the provider.
#[component]
pub(super) fn Button(locale: Locale, oidc: OidcSignIn, back: String) -> Element {
    let query = [("locale", locale.tag()), ("returnTo", back.as_str())];
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", params::encode(value)))
        .collect();
    rsx! {
        div { class: "si-or", {t("signin.or")} }
        // Not a page of ours: the browser goes there.
        a { class: "btn btn-lg btn-wide", href: "{oidc.start_url}?{query.join(\"&\")}",
            Icon { name: "key" }
            {tf("signin.continue_with", &[("name", &oidc.label)])}
        }
    }
}

/// The code that is owed after the provider vouched.
#[component]
pub(super) fn OwedCode(locale: Locale, proof: String) -> Element {
    let code = use_signal(String::new);
    let mut outcome = use_signal(Outcome::default);
    let mut busy = use_signal(|| false);
    use_effect(|| browser::focus("code"));
    let submit = move |()| {
        let proof = proof.clone();
        spawn(async move {
            busy.set(true);
            match finish(proof, code()).await {
                Ok(viewer) => {
                    *PROOF.write() = None;
                    api::restart();
                    *SESSION.write() = Session::SignedIn(viewer);
                }
                Err(refusal) => outcome.set(Outcome::refused(&refusal)),
            }
            busy.set(false);
        });
    };
    let found = outcome.read().clone();
    rsx! {
        Form { locale, title: t("signin.code_title"), lead: t("signin.code_lead"), submit: t("signin.submit"), busy: busy(),
            done: None, problem: found.elsewhere(&["code"]), onsubmit: submit,
            Entry { class: "input input-lg", id: "code", label: t("signin.code"), kind: "text", complete: "one-time-code", value: code, error: found.at("code"), hint: t("signin.code_hint") }
        }
    }
}
