//! Limits of a person, a role or the installation: their words, and the form that sets them.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use super::forms::Faults;
use super::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::api::{self, ApiError, schema};
use crate::i18n::t;
use crate::ui::{ErrorNotice, Field, Skeleton, toast, use_query};

/// What is limited.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    Events,
    JobsPerMonth,
    ConcurrentJobs,
    LogRetentionDays,
    ApiCostPerMinute,
}

impl QuotaKind {
    const ALL: [Self; 5] = [
        Self::Events,
        Self::JobsPerMonth,
        Self::ConcurrentJobs,
        Self::LogRetentionDays,
        Self::ApiCostPerMinute,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::JobsPerMonth => "jobs",
            Self::ConcurrentJobs => "concurrent",
            Self::LogRetentionDays => "retention",
            Self::ApiCostPerMinute => "api_cost",
        }
    }
}

/// What is limited, in words.
pub fn kind_words(kind: QuotaKind) -> String {
    t(&format!("quota.{}", kind.key()))
}

/// Whose limits; one of them.
#[derive(cynic::InputObject, Clone, Debug, Default, PartialEq)]
pub struct QuotaSubject {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub installation: Option<bool>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub role: Option<cynic::Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub user: Option<cynic::Id>,
}

#[derive(cynic::QueryVariables)]
struct LimitsVariables {
    subject: QuotaSubject,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "LimitsVariables")]
struct QuotaLimits {
    #[arguments(subject: $subject)]
    quota_limits: Vec<QuotaLimit>,
}

crate::api::listed!(Query QuotaLimits, LimitsVariables);

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct QuotaLimit {
    kind: QuotaKind,
    limit: Option<i32>,
}

#[derive(cynic::InputObject)]
struct QuotaLimitInput {
    kind: QuotaKind,
    limit: Option<i32>,
}

#[derive(cynic::InputObject)]
struct SetQuotaInput {
    subject: QuotaSubject,
    limits: Vec<QuotaLimitInput>,
}

#[derive(cynic::QueryVariables)]
struct SetVariables {
    input: SetQuotaInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SetVariables")]
struct SetQuota {
    #[arguments(input: $input)]
    set_quota: SetQuotaPayload,
}

crate::api::listed!(Mutation SetQuota, SetVariables);

#[derive(cynic::QueryFragment)]
struct SetQuotaPayload {
    limits: Option<Vec<QuotaLimit>>,
    user_errors: Vec<UserError>,
}

async fn load(subject: QuotaSubject) -> Result<Vec<QuotaLimit>, ApiError> {
    let answer = api::run(QuotaLimits::build(LimitsVariables { subject })).await?;
    Ok(answer.quota_limits)
}

async fn save(subject: QuotaSubject, limits: Vec<QuotaLimitInput>) -> Result<Vec<QuotaLimit>, Refusal> {
    let input = SetQuotaInput { subject, limits };
    let answer = api::run(SetQuota::build(SetVariables { input })).await?.set_quota;
    settled(answer.limits, answer.user_errors)
}

/// What is typed for one limit: nothing set, no limit, or a number.
#[derive(Clone, Debug, PartialEq)]
enum Typed {
    Unset,
    Unlimited,
    Number(String),
}

fn typed(limits: &[QuotaLimit], kind: QuotaKind) -> Typed {
    match limits
        .iter()
        .find(|limit| limit.kind == kind)
        .map(|limit| limit.limit)
    {
        None => Typed::Unset,
        Some(None) => Typed::Unlimited,
        Some(Some(number)) => Typed::Number(number.to_string()),
    }
}

/// The form of one subject's limits. `unset` says what holds where nothing is set.
#[component]
pub fn QuotaForm(id: String, subject: QuotaSubject, unset: String) -> Element {
    let mut query = use_query({
        let subject = subject.clone();
        move || load(subject.clone())
    });
    let known = (query.data)();
    rsx! {
        if let Some(limits) = known {
            Entries { id, subject, unset, limits }
        } else if let Some(error) = (query.error)() {
            ErrorNotice { error, onretry: move |()| query.reload() }
        } else {
            Skeleton { lines: 3 }
        }
    }
}

#[component]
fn Entries(id: String, subject: QuotaSubject, unset: String, limits: Vec<QuotaLimit>) -> Element {
    let mut values = use_signal(|| QuotaKind::ALL.map(|kind| typed(&limits, kind)));
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let widest = subject.installation.is_some();
    let submit = move |event: FormEvent| {
        event.prevent_default();
        let subject = subject.clone();
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            let limits: Vec<_> = QuotaKind::ALL
                .into_iter()
                .zip(values())
                .filter_map(|(kind, value)| {
                    let limit = match value {
                        Typed::Unset => return None,
                        Typed::Unlimited => None,
                        // What is no number is refused by the API, at its field.
                        Typed::Number(text) => Some(text.trim().parse().unwrap_or(-1)),
                    };
                    Some(QuotaLimitInput { kind, limit })
                })
                .collect();
            match save(subject, limits).await {
                Ok(_) => {
                    wrong.set(Faults::default());
                    toast(JobStatus::Succeeded, t("account.saved"), "");
                }
                Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
            }
            busy.set(false);
        }
    };
    // The API names a limit by its place among those that are sent.
    let error = move |kind: usize| {
        let values = values.read();
        let sent = values[..kind].iter().filter(|one| **one != Typed::Unset).count();
        (values[kind] != Typed::Unset)
            .then(|| wrong.read().at(&format!("limits.{sent}")))
            .flatten()
    };
    rsx! {
        form { class: "form", novalidate: true, onsubmit: submit,
            for (at, kind) in QuotaKind::ALL.into_iter().enumerate() {
                Field { key: "{kind:?}", id: "{id}-{kind.key()}", label: kind_words(kind),
                    error: error(at),
                    div { class: "toolbar",
                        select { class: "select fit", id: "{id}-{kind.key()}",
                            onchange: move |event| {
                                values.write()[at] = match event.value().as_str() {
                                    "number" => Typed::Number(String::new()),
                                    "unlimited" => Typed::Unlimited,
                                    _ => Typed::Unset,
                                };
                            },
                            option { value: "unset", selected: values.read()[at] == Typed::Unset,
                                if widest && kind == QuotaKind::ApiCostPerMinute {
                                    {t("quota.of_server")}
                                } else {
                                    "{unset}"
                                }
                            }
                            // Where nothing is wider, nothing set is no limit; but for what the server itself limits.
                            if !widest || kind == QuotaKind::ApiCostPerMinute {
                                option { value: "unlimited", selected: values.read()[at] == Typed::Unlimited, {t("quota.none")} }
                            }
                            option { value: "number", selected: matches!(values.read()[at], Typed::Number(_)), {t("quota.at_most")} }
                        }
                        if let Typed::Number(text) = values.read()[at].clone() {
                            input { class: "input fit num", inputmode: "numeric", "aria-label": "{kind_words(kind)}: {t(\"quota.at_most\")}", value: "{text}",
                                "aria-invalid": error(at).is_some().then_some("true"),
                                "aria-describedby": error(at).is_some().then(|| format!("{id}-{}-note", kind.key())),
                                oninput: move |event| values.write()[at] = Typed::Number(event.value()),
                            }
                        }
                    }
                }
            }
            div { button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("event.save")} } }
        }
    }
}
