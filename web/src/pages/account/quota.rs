//! The person's limits, and how much of each is used.

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiError, schema};
use crate::i18n::{group_digits, t, tf};
use crate::pages::quotas::{QuotaKind, kind_words};
use crate::ui::{ErrorNotice, Meter, Skeleton, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OwnQuotas {
    viewer: Option<QuotasOfViewer>,
}

crate::api::listed!(Query OwnQuotas, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "User")]
struct QuotasOfViewer {
    quotas: Option<Vec<Quota>>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Quota {
    kind: QuotaKind,
    limit: Option<i32>,
    used: Option<i32>,
}

async fn load() -> Result<Vec<Quota>, ApiError> {
    let answer = api::run(OwnQuotas::build(())).await?;
    let quotas = answer.viewer.and_then(|viewer| viewer.quotas).unwrap_or_default();
    // Without one of the person's own, the server's limit holds, which is no quota.
    let told = |quota: &Quota| quota.kind != QuotaKind::ApiCostPerMinute || quota.limit.is_some();
    Ok(quotas.into_iter().filter(told).collect())
}

fn words(quota: &Quota) -> String {
    let digits = |n: i32| group_digits(u64::try_from(n).unwrap_or(0));
    match (quota.used, quota.limit) {
        (Some(used), Some(limit)) => tf("overview.of", &[("n", &digits(used)), ("all", &digits(limit))]),
        (Some(used), None) => format!("{} · {}", digits(used), t("quota.none")),
        (None, Some(limit)) => digits(limit),
        (None, None) => t("quota.none"),
    }
}

/// Limits with their meters.
#[component]
pub fn Limits() -> Element {
    let mut query = use_query(load);
    rsx! {
        section {
            h2 { {t("quota.title")} }
            if let Some(quotas) = (query.data)() {
                ul { class: "quota",
                    for quota in quotas {
                        li { key: "{quota.kind:?}",
                            span { {kind_words(quota.kind)} }
                            span { class: "num", {words(&quota)} }
                            if let (Some(used), Some(limit)) = (quota.used, quota.limit) {
                                Meter { share: f64::from(used) / f64::from(limit.max(1)), label: kind_words(quota.kind) }
                            }
                        }
                    }
                }
            } else if let Some(error) = (query.error)() {
                ErrorNotice { error, onretry: move |()| query.reload() }
            } else {
                Skeleton { lines: 3 }
            }
        }
    }
}
