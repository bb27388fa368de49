//! Where the person is signed in, and the way to end it.

use std::time::Duration;

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use crate::api::{self, ApiError, Timestamp, schema};
use crate::i18n::{t, tn};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{ErrorNotice, Skeleton, TimeAgo, toast, use_now, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OwnSessions {
    viewer: Option<SessionsOfViewer>,
}

crate::api::listed!(Query OwnSessions, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "User")]
struct SessionsOfViewer {
    #[arguments(first: 100)]
    sessions: SessionConnection,
}

#[derive(cynic::QueryFragment)]
struct SessionConnection {
    nodes: Vec<Session>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Session {
    id: cynic::Id,
    address: Option<String>,
    user_agent: Option<String>,
    current: bool,
    last_seen_at: Timestamp,
}

#[derive(cynic::InputObject)]
struct RevokeSessionInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct RevokeVariables {
    input: RevokeSessionInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RevokeVariables")]
struct RevokeSession {
    #[arguments(input: $input)]
    revoke_session: RevokeSessionPayload,
}

crate::api::listed!(Mutation RevokeSession, RevokeVariables);

#[derive(cynic::QueryFragment)]
struct RevokeSessionPayload {
    session: Option<RevokedSession>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Session")]
#[expect(dead_code, reason = "that it is there says enough")]
struct RevokedSession {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation")]
struct RevokeOtherSessions {
    revoke_other_sessions: RevokeOtherSessionsPayload,
}

crate::api::listed!(Mutation RevokeOtherSessions, ());

#[derive(cynic::QueryFragment)]
struct RevokeOtherSessionsPayload {
    revoked_count: Option<i32>,
    user_errors: Vec<UserError>,
}

async fn revoke_others() -> Result<i32, Refusal> {
    let answer = api::run(RevokeOtherSessions::build(()))
        .await?
        .revoke_other_sessions;
    settled(answer.revoked_count, answer.user_errors)
}

async fn load() -> Result<Vec<Session>, ApiError> {
    let answer = api::run(OwnSessions::build(())).await?;
    Ok(answer
        .viewer
        .map(|viewer| viewer.sessions.nodes)
        .unwrap_or_default())
}

async fn revoke(id: cynic::Id) -> Result<(), Refusal> {
    let input = RevokeSessionInput { id };
    let answer = api::run(RevokeSession::build(RevokeVariables { input }))
        .await?
        .revoke_session;
    settled(answer.session.map(|_| ()), answer.user_errors)
}

/// Browser and system in short, as far as the header of the client says them.
fn client(user_agent: &str) -> String {
    // Each browser also names those that it descends from, so the youngest is looked for first.
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]
    .into_iter()
    .find(|(mark, _)| user_agent.contains(mark));
    let system = [
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(mark, _)| user_agent.contains(mark));
    match (browser, system) {
        (Some((_, browser)), Some((_, system))) => format!("{browser} · {system}"),
        (Some((_, browser)), None) => browser.to_owned(),
        _ => user_agent.chars().take(60).collect(),
    }
}

/// All sessions, the present one marked.
#[component]
pub fn Sessions() -> Element {
    let mut query = use_query(load);
    let now = use_now(Duration::from_secs(30));
    let mut ending = use_signal(|| false);
    rsx! {
        section {
            h2 { {t("sessions.title")} }
            if let Some(sessions) = (query.data)() {
                div { class: "stack",
                if sessions.len() > 1 {
                    div {
                        button { class: "btn", r#type: "button", "aria-busy": if ending() { "true" },
                            onclick: move |_| async move {
                                if ending() {
                                    return;
                                }
                                ending.set(true);
                                match revoke_others().await {
                                    Ok(count) => toast(JobStatus::Succeeded, tn("sessions.ended_n", u64::try_from(count).unwrap_or(0)), ""),
                                    Err(refusal) => say(t("account.not_saved"), &refusal),
                                }
                                ending.set(false);
                                query.reload();
                            },
                            {t("sessions.end_others")}
                        }
                    }
                }
                ul { class: "rows lined",
                    for session in sessions {
                        li { key: "{session.id.inner()}", class: "between",
                            span {
                                span { class: "cell-main",
                                    {session.user_agent.as_deref().map_or_else(|| t("sessions.unknown"), client)}
                                    if session.current {
                                        span { class: "badge badge-accent", {t("sessions.current")} }
                                    }
                                }
                                span { class: "sub",
                                    {session.address.clone().unwrap_or_default()}
                                    " · "
                                    TimeAgo { at: session.last_seen_at, now }
                                }
                            }
                            if !session.current {
                                button { class: "btn btn-sm", r#type: "button", "aria-busy": if ending() { "true" },
                                    "aria-label": "{t(\"sessions.end\")}: {session.user_agent.as_deref().map_or_else(|| t(\"sessions.unknown\"), client)}",
                                    onclick: {
                                        let id = session.id.clone();
                                        move |_| {
                                            let id = id.clone();
                                            async move {
                                                if ending() {
                                                    return;
                                                }
                                                ending.set(true);
                                                match revoke(id).await {
                                                    Ok(()) => toast(JobStatus::Succeeded, t("sessions.ended"), ""),
                                                    Err(refusal) => say(t("account.not_saved"), &refusal),
                                                }
                                                ending.set(false);
                                                query.reload();
                                            }
                                        }
                                    },
                                    {t("sessions.end")}
                                }
                            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_youngest_name() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0";
        assert_eq!(client(edge), "Edge · Windows");
        assert_eq!(
            client("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
            "Firefox · Linux"
        );
        assert_eq!(client("curl/8.5"), "curl/8.5");
    }
}
