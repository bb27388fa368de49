//! The person's own accounts at an OpenID Connect provider; nothing where there are none.

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiError, schema};
use crate::i18n::t;
use crate::pages::links::{Links, OidcLink};
use crate::ui::{ErrorNotice, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OwnLinks {
    viewer: Option<LinksOfViewer>,
}

crate::api::listed!(Query OwnLinks, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "User")]
struct LinksOfViewer {
    has_password: Option<bool>,
    oidc_links: Option<Vec<OidcLink>>,
}

async fn load() -> Result<Option<LinksOfViewer>, ApiError> {
    Ok(api::run(OwnLinks::build(())).await?.viewer)
}

/// The section of them.
#[component]
pub fn Providers() -> Element {
    let mut query = use_query(load);
    let known = (query.data)().flatten();
    let links = known
        .as_ref()
        .and_then(|viewer| viewer.oidc_links.clone())
        .unwrap_or_default();
    rsx! {
        if let Some(error) = (query.error)() {
            section { ErrorNotice { error, onretry: move |()| query.reload() } }
        } else if !links.is_empty() {
            section {
                h2 { {t("links.title")} }
                div { class: "stack",
                    if known.as_ref().is_some_and(|viewer| viewer.has_password == Some(false)) {
                        p { class: "hint", {t("links.only")} }
                    }
                    Links { links, onchanged: move |()| query.reload() }
                }
            }
        }
    }
}
