//! Invitations that nobody has taken yet: sent again, or taken back.

use std::time::Duration;

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use super::users::RoleRef;
use crate::api::{self, ApiError, Timestamp, schema};
use crate::i18n::{Locale, t, tf, tn};
use crate::pages::forms::CopyField;
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{Dialog, ErrorNotice, TimeAgo, toast, use_now, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OpenInvites {
    #[arguments(first: 100, filter: { status: OPEN })]
    invites: InviteConnection,
}

crate::api::listed!(Query OpenInvites, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct InviteConnection {
    nodes: Vec<Invite>,
    total_count: i32,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Invite {
    id: cynic::Id,
    email: String,
    role: RoleRef,
    created_at: Timestamp,
}

#[derive(cynic::InputObject)]
struct ResendInviteInput {
    id: cynic::Id,
    locale: String,
}

#[derive(cynic::QueryVariables)]
struct ResendVariables {
    input: ResendInviteInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ResendVariables")]
struct ResendInvite {
    #[arguments(input: $input)]
    resend_invite: ResendInvitePayload,
}

crate::api::listed!(Mutation ResendInvite, ResendVariables);

#[derive(cynic::QueryFragment)]
struct ResendInvitePayload {
    invitation: Option<Sent>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "Invitation")]
struct Sent {
    email: String,
    url: String,
}

#[derive(cynic::InputObject)]
struct RevokeInviteInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct RevokeVariables {
    input: RevokeInviteInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RevokeVariables")]
struct RevokeInvite {
    #[arguments(input: $input)]
    revoke_invite: RevokeInvitePayload,
}

crate::api::listed!(Mutation RevokeInvite, RevokeVariables);

#[derive(cynic::QueryFragment)]
struct RevokeInvitePayload {
    deleted_id: Option<cynic::Id>,
    user_errors: Vec<UserError>,
}

async fn load() -> Result<InviteConnection, ApiError> {
    Ok(api::run(OpenInvites::build(())).await?.invites)
}

async fn resend(id: cynic::Id, locale: Locale) -> Result<Sent, Refusal> {
    let locale = locale.tag().to_owned();
    let input = ResendInviteInput { id, locale };
    let answer = api::run(ResendInvite::build(ResendVariables { input }))
        .await?
        .resend_invite;
    settled(answer.invitation, answer.user_errors)
}

async fn revoke(id: cynic::Id) -> Result<cynic::Id, Refusal> {
    let input = RevokeInviteInput { id };
    let answer = api::run(RevokeInvite::build(RevokeVariables { input }))
        .await?
        .revoke_invite;
    settled(answer.deleted_id, answer.user_errors)
}

/// The open invitations; nothing where there are none. `changes` counts what makes it look again.
#[component]
pub fn Invites(locale: Locale, changes: Signal<u32>) -> Element {
    let mut query = use_query(move || {
        changes.read();
        load()
    });
    let now = use_now(Duration::from_secs(30));
    let mut sent = use_signal(|| None::<Sent>);
    let known = (query.data)();
    rsx! {
        if let Some(error) = (query.error)() {
            ErrorNotice { error, onretry: move |()| query.reload() }
        } else if let Some(open) = known.filter(|open| open.total_count > 0) {
            details { class: "invites", open: true,
                summary { {tn("invites.open", u64::try_from(open.total_count).unwrap_or(0))} }
                ul { class: "rows",
                    for invite in open.nodes {
                        li { key: "{invite.id.inner()}", class: "between",
                            span { class: "grow",
                                b { "{invite.email}" }
                                span { class: "sub", {invite.role.words()} " · " TimeAgo { at: invite.created_at, now } }
                            }
                            button { class: "btn btn-sm", r#type: "button", "aria-label": "{t(\"invites.again\")}: {invite.email}",
                                onclick: {
                                    let id = invite.id.clone();
                                    move |_| {
                                        let id = id.clone();
                                        async move {
                                            match resend(id, locale).await {
                                                Ok(made) => sent.set(Some(made)),
                                                Err(refusal) => say(t("invite.not_made"), &refusal),
                                            }
                                            query.reload();
                                        }
                                    }
                                },
                                {t("invites.again")}
                            }
                            button { class: "btn btn-sm btn-danger", r#type: "button", "aria-label": "{t(\"invites.revoke\")}: {invite.email}",
                                onclick: {
                                    let id = invite.id.clone();
                                    move |_| {
                                        let id = id.clone();
                                        async move {
                                            match revoke(id).await {
                                                Ok(_) => toast(JobStatus::Succeeded, t("invites.revoked"), ""),
                                                Err(refusal) => say(t("account.not_saved"), &refusal),
                                            }
                                            query.reload();
                                        }
                                    }
                                },
                                {t("invites.revoke")}
                            }
                        }
                    }
                }
            }
        }
        if let Some(made) = sent() {
            Dialog { id: "invited-again", title: t("invite.made"), onclose: move |()| sent.set(None),
                foot: rsx! { button { class: "btn btn-primary", r#type: "button", onclick: move |_| sent.set(None), {t("tokens.done")} } },
                p { {tf("invite.made_text", &[("email", &made.email)])} }
                CopyField { id: "invite-link", label: t("invite.link"), value: made.url, hint: t("invite.link_hint") }
            }
        }
    }
}
