//! Accounts at an OpenID Connect provider that open an account here, with the way to remove them.

use std::time::Duration;

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use super::runs::data::{JobStatus, Refusal, UserError, settled};
use super::runs::say;
use crate::api::{self, Timestamp, schema};
use crate::i18n::t;
use crate::ui::{TimeAgo, toast, use_now};

/// One of them.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct OidcLink {
    pub id: cynic::Id,
    pub issuer: String,
    pub email: Option<String>,
    pub last_used_at: Timestamp,
}

#[derive(cynic::InputObject)]
struct RemoveOidcLinkInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct RemoveVariables {
    input: RemoveOidcLinkInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RemoveVariables")]
struct RemoveOidcLink {
    #[arguments(input: $input)]
    remove_oidc_link: RemoveOidcLinkPayload,
}

crate::api::listed!(Mutation RemoveOidcLink, RemoveVariables);

#[derive(cynic::QueryFragment)]
struct RemoveOidcLinkPayload {
    link: Option<OidcLink>,
    user_errors: Vec<UserError>,
}

async fn remove(id: cynic::Id) -> Result<OidcLink, Refusal> {
    let input = RemoveOidcLinkInput { id };
    let answer = api::run(RemoveOidcLink::build(RemoveVariables { input }))
        .await?
        .remove_oidc_link;
    settled(answer.link, answer.user_errors)
}

/// The links of one account.
#[component]
pub fn Links(links: Vec<OidcLink>, onchanged: EventHandler) -> Element {
    let now = use_now(Duration::from_secs(30));
    let mut busy = use_signal(|| false);
    rsx! {
        ul { class: "rows lined",
            for link in links {
                li { key: "{link.id.inner()}", class: "between",
                    span { class: "grow",
                        span { class: "cell-main", "{link.issuer}" }
                        span { class: "sub",
                            if let Some(email) = &link.email {
                                "{email} · "
                            }
                            TimeAgo { at: link.last_used_at, now }
                        }
                    }
                    button { class: "btn btn-sm", r#type: "button", "aria-busy": if busy() { "true" }, "aria-label": "{t(\"links.remove\")}: {link.issuer}",
                        onclick: {
                            let id = link.id.clone();
                            move |_| {
                                let id = id.clone();
                                async move {
                                    if busy() {
                                        return;
                                    }
                                    busy.set(true);
                                    match remove(id).await {
                                        Ok(_) => toast(JobStatus::Succeeded, t("links.removed"), ""),
                                        Err(refusal) => say(t("account.not_saved"), &refusal),
                                    }
                                    busy.set(false);
                                    onchanged.call(());
                                }
                            }
                        },
                        {t("links.remove")}
                    }
                }
            }
        }
    }
}
