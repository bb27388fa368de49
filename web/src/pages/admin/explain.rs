//! Why somebody may or may not do something: the policy's own answer.

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiError, schema};
use crate::i18n::t;
use crate::pages::forms::{Choice, Entry};
use crate::session::Scope;
use crate::ui::{JobStatus, StatusDot, error_text};

#[derive(cynic::InputObject)]
struct AuthorizationExplainInput {
    user_id: Option<cynic::Id>,
    scope: Option<Scope>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    node_id: Option<cynic::Id>,
}

#[derive(cynic::QueryVariables)]
struct ExplainVariables {
    input: AuthorizationExplainInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ExplainVariables")]
struct ExplainQuery {
    #[arguments(input: $input)]
    authorization_explain: AuthorizationExplanation,
}

crate::api::listed!(Query ExplainQuery, ExplainVariables);

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct AuthorizationExplanation {
    allowed: bool,
    rule: AuthorizationRule,
}

/// The rule that answered.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum AuthorizationRule {
    AllResources,
    InactiveAccount,
    MissingPermission,
    NotOwner,
    Owner,
    Permission,
    Public,
    Shared,
}

impl AuthorizationRule {
    fn words(self) -> String {
        t(match self {
            Self::AllResources => "explain.all_resources",
            Self::InactiveAccount => "explain.inactive_account",
            Self::MissingPermission => "explain.missing_permission",
            Self::NotOwner => "explain.not_owner",
            Self::Owner => "explain.owner",
            Self::Permission => "explain.permission",
            Self::Public => "explain.public",
            Self::Shared => "explain.shared",
        })
    }
}

async fn ask(user: cynic::Id, scope: Scope, node: &str) -> Result<AuthorizationExplanation, ApiError> {
    let input = AuthorizationExplainInput {
        user_id: Some(user),
        scope: Some(scope),
        node_id: Some(node.trim().to_owned())
            .filter(|id| !id.is_empty())
            .map(cynic::Id::new),
    };
    let answer = api::run(ExplainQuery::build(ExplainVariables { input })).await?;
    Ok(answer.authorization_explain)
}

/// Asks for one person.
#[component]
pub fn ExplainAccess(user: cynic::Id) -> Element {
    let scope = use_signal(|| "0".to_owned());
    let node = use_signal(String::new);
    let mut answer = use_signal(|| None::<Result<AuthorizationExplanation, String>>);
    let submit = move |event: FormEvent| {
        event.prevent_default();
        let user = user.clone();
        async move {
            let chosen = scope()
                .parse()
                .ok()
                .and_then(|at: usize| Scope::ALL.get(at).copied());
            let Some(chosen) = chosen else { return };
            let found = ask(user, chosen, &node()).await;
            answer.set(Some(found.map_err(|error| error_text(&error))));
        }
    };
    rsx! {
        form { class: "form", novalidate: true, onsubmit: submit,
            div { class: "form-2",
                Choice { id: "explain-scope", label: t("explain.what"), value: scope,
                    choices: Scope::ALL.iter().enumerate().map(|(at, scope)| (at.to_string(), scope.words())).collect::<Vec<_>>() }
                Entry { id: "explain-node", label: t("explain.node"), class: "input mono", value: node, error: None, optional: true, hint: t("explain.node_hint") }
            }
            div { button { class: "btn", r#type: "submit", {t("explain.ask")} } }
            div { role: "status",
                match answer.read().as_ref() {
                    Some(Ok(found)) => rsx! {
                        p { class: "cell-main",
                            StatusDot { status: if found.allowed { JobStatus::Succeeded } else { JobStatus::Failed } }
                            {t(if found.allowed { "explain.allowed" } else { "explain.denied" })}
                            ": "
                            {found.rule.words()}
                        }
                    },
                    Some(Err(words)) => rsx! { p { class: "error", "{words}" } },
                    None => rsx! {},
                }
            }
        }
    }
}
