//! What was changed and what was refused: found, verified, taken along.

use std::time::Duration;

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiError, Json, Timestamp, schema};
use crate::i18n::{Locale, known, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::Pager;
use crate::pages::runs::data::{PAGE, PageInfo, Place};
use crate::pages::runs::filters::{self, ChoiceFilter};
use crate::params::Params;
use crate::routes::Route;
use crate::session::Scope;
use crate::ui::{
    Empty, ErrorNotice, Icon, JobStatus, Skeleton, StatusDot, TimeAgo, toast_error, use_now, use_query,
};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum AuditOutcome {
    Done,
    Denied,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
struct AuditFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    outcome: Option<AuditOutcome>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    actor_id: Option<cynic::Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    target_id: Option<cynic::Id>,
}

#[derive(cynic::QueryVariables)]
struct AuditVariables {
    filter: Option<AuditFilter>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "AuditVariables")]
struct AuditQuery {
    #[arguments(filter: $filter, first: $first, after: $after, last: $last, before: $before)]
    audit_log: AuditEntryConnection,
}

crate::api::listed!(Query AuditQuery, AuditVariables);

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct AuditEntryConnection {
    nodes: Vec<AuditEntry>,
    page_info: PageInfo,
    total_count: i32,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct AuditEntry {
    id: cynic::Id,
    seq: i32,
    at: Timestamp,
    action: Option<AuditAction>,
    outcome: AuditOutcome,
    actor: Option<Actor>,
    actor_email: Option<String>,
    address: Option<String>,
    target_id: Option<cynic::Id>,
    target_name: Option<String>,
    before: Option<Json>,
    after: Option<Json>,
    hash: String,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "User")]
struct Actor {
    id: cynic::Id,
}

/// What was done; of a later version: something unknown.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[cynic(non_exhaustive)]
enum AuditAction {
    CancelJob,
    ChangePassword,
    CloseTerminal,
    ConfirmHostKey,
    CreateApiToken,
    CreateEvent,
    CreateRole,
    CreateServer,
    CreateUser,
    CreateVariable,
    DeleteEvent,
    DeleteRole,
    DeleteServer,
    DeleteVariable,
    Deny,
    DisableTotp,
    EnableTotp,
    ExportSecrets,
    InviteUser,
    LinkOidc,
    OpenTerminal,
    ResendInvite,
    ResetPassword,
    RevokeApiToken,
    RevokeInvite,
    RevokeSession,
    RotateEncryptionKey,
    SetQuota,
    SignIn,
    SignOut,
    UnlinkOidc,
    UpdateEvent,
    UpdateOidcProvider,
    UpdateRole,
    UpdateServer,
    UpdateSettings,
    UpdateUser,
    UpdateVariable,
    UseRecoveryCode,
    WatchTerminal,
    #[cynic(fallback)]
    Other,
}

impl AuditAction {
    fn words(self) -> String {
        let mut key = String::from("audit.action");
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() {
                key.push('_');
            }
            key.extend(letter.to_lowercase());
        }
        known(&key.replacen("action_", "action.", 1)).unwrap_or_else(|| t("audit.other"))
    }
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct VerifyQuery {
    audit_verification: AuditVerification,
}

crate::api::listed!(Query VerifyQuery, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct AuditVerification {
    whole: bool,
    entries: i32,
    verified_up_to: i32,
    broken_at: Option<i32>,
    problem: Option<String>,
    hash: String,
}

async fn load(params: Params) -> Result<AuditEntryConnection, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match filters::place(&params) {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let filter = Some(AuditFilter {
        outcome: match params.get("outcome") {
            Some("DONE") => Some(AuditOutcome::Done),
            Some("DENIED") => Some(AuditOutcome::Denied),
            _ => None,
        },
        actor_id: params.get("actor").map(cynic::Id::new),
        target_id: params.get("target").map(cynic::Id::new),
    });
    let variables = AuditVariables {
        filter,
        first,
        after,
        last,
        before,
    };
    Ok(api::run(AuditQuery::build(variables)).await?.audit_log)
}

/// The audit log.
#[component]
pub fn AuditLog(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.audit"))]);
    let navigator = use_navigator();
    let now = use_now(Duration::from_secs(30));
    let mut page = use_query(move || load(query()));
    let mut verified = use_signal(|| None::<AuditVerification>);
    let mut busy = use_signal(|| false);
    let go = move |params: Params| {
        navigator.push(Route::AuditLog {
            locale,
            query: params,
        });
    };
    let params = query();
    let held = page.data.read();
    let narrowed = ["actor", "target"]
        .into_iter()
        .filter(|name| params.get(name).is_some());
    rsx! {
        div { class: "toolbar runs-filters",
            ChoiceFilter {
                name: "outcome",
                label: t("audit.outcome"),
                choices: vec![("DONE".to_owned(), t("audit.done")), ("DENIED".to_owned(), t("audit.denied"))],
                single: true,
                params: params.clone(),
                onchange: go,
            }
            for name in narrowed {
                button { key: "{name}", class: "chip chip-on", r#type: "button", "aria-label": format!("{}: {}", t("filter.clear"), t(&format!("audit.{name}"))),
                    onclick: {
                        let without = filters::with(&params, name, "");
                        move |_| go(without.clone())
                    },
                    {t(&format!("audit.{name}"))}
                    Icon { name: "x" }
                }
            }
            span { class: "end toolbar",
                button { class: "btn btn-sm", r#type: "button", "aria-busy": if busy() { "true" },
                    onclick: move |_| async move {
                        if busy() {
                            return;
                        }
                        busy.set(true);
                        match api::run(VerifyQuery::build(())).await {
                            Ok(answer) => verified.set(Some(answer.audit_verification)),
                            Err(error) => toast_error(t("audit.not_verified"), &error),
                        }
                        busy.set(false);
                    },
                    Icon { name: "check" }
                    {t("audit.verify")}
                }
                a { class: "btn btn-sm", href: "/api/audit.ndjson", download: "audit.ndjson", Icon { name: "download" } "NDJSON" }
            }
        }
        if let Some(found) = verified() {
            div { class: "banner", "data-status": if found.whole { "SUCCEEDED" } else { "FAILED" }, role: "status",
                Icon { name: if found.whole { "check" } else { "alert" } }
                span {
                    if found.whole {
                        {tf("audit.whole", &[("n", &found.entries.to_string())])}
                    } else {
                        {tf("audit.broken", &[("n", &found.broken_at.unwrap_or(found.verified_up_to + 1).to_string())])}
                        " "
                        {found.problem.clone().unwrap_or_default()}
                    }
                    span { class: "sub mono block hash", "{found.hash}" }
                }
            }
        }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("nav.audit"),
            if let Some(error) = (page.error)() {
                ErrorNotice { error, onretry: move |()| page.reload() }
            } else if let Some(list) = &*held {
                if list.nodes.is_empty() {
                    Empty { icon: "search", title: t("audit.none"), text: t("audit.none_text") }
                } else {
                    table { class: "table",
                        thead {
                            tr {
                                th { class: "num", "#" }
                                th { {t("audit.what")} }
                                th { {t("audit.who")} }
                                th { class: "md", {t("audit.target")} }
                                th { class: "num", {t("audit.when")} }
                            }
                        }
                        tbody {
                            for entry in list.nodes.iter().cloned() {
                                Row { key: "{entry.id.inner()}", locale, entry, now }
                            }
                        }
                    }
                }
            } else {
                Skeleton { lines: 8 }
            }
        }
        if let Some(list) = &*held {
            Pager { shown: list.nodes.len(), total: list.total_count, info: list.page_info.clone(), params: params.clone(), onchange: go }
        }
    }
}

/// What was acted on: a permission that somebody lacks in words, anything else by its name.
fn target_words(name: String) -> String {
    serde_json::from_value::<Scope>(Json::String(name.clone())).map_or(name, Scope::words)
}

fn pretty(value: &Json) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

#[component]
fn Row(locale: Locale, entry: AuditEntry, now: Signal<f64>) -> Element {
    let status = match entry.outcome {
        AuditOutcome::Done => JobStatus::Succeeded,
        AuditOutcome::Denied => JobStatus::Failed,
    };
    let narrowed = |name: &str, id: &cynic::Id| Route::AuditLog {
        locale,
        query: Params::default().with(name, id.inner()),
    };
    let who = entry.actor_email.clone().unwrap_or_else(|| t("audit.nobody"));
    let target = entry.target_name.clone().map(target_words).unwrap_or_default();
    rsx! {
        tr {
            td { class: "num dim", "{entry.seq}" }
            td {
                span { class: "cell-main", StatusDot { status }
                    {entry.action.map_or_else(|| t("audit.other"), AuditAction::words)}
                    if entry.outcome == AuditOutcome::Denied {
                        span { class: "badge", {t("audit.denied")} }
                    }
                }
                details {
                    summary { class: "sub", {t("audit.details")} }
                    dl { class: "kv",
                        if let Some(before) = &entry.before {
                            dt { {t("audit.before")} }
                            dd { pre { class: "mono", {pretty(before)} } }
                        }
                        if let Some(after) = &entry.after {
                            dt { {t("audit.after")} }
                            dd { pre { class: "mono", {pretty(after)} } }
                        }
                        dt { {t("audit.hash")} }
                        dd { class: "mono hash", "{entry.hash}" }
                    }
                }
            }
            td { class: "who",
                if let Some(actor) = &entry.actor {
                    Link { to: narrowed("actor", &actor.id), "{who}" }
                } else {
                    "{who}"
                }
                if let Some(address) = &entry.address {
                    span { class: "sub mono block", "{address}" }
                }
            }
            td { class: "md",
                if let Some(id) = &entry.target_id {
                    Link { to: narrowed("target", id), {if target.is_empty() { t("audit.target") } else { target.clone() }} }
                } else {
                    "{target}"
                }
            }
            td { class: "num dim", TimeAgo { at: entry.at, now } }
        }
    }
}
