//! The master keys that seal what is secret, and the way to a new one.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use crate::api::{self, ApiError, schema};
use crate::i18n::{t, tf, tn};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{Dialog, ErrorNotice, Skeleton, toast, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct KeysQuery {
    encryption_keys: Vec<EncryptionKey>,
}

crate::api::listed!(Query KeysQuery, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct EncryptionKey {
    id: String,
    present: bool,
    sealed_values: f64,
}

#[derive(cynic::InputObject)]
struct RotateEncryptionKeyInput {
    expected_key_id: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct RotateVariables {
    input: RotateEncryptionKeyInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RotateVariables")]
struct RotateEncryptionKey {
    #[arguments(input: $input)]
    rotate_encryption_key: RotateEncryptionKeyPayload,
}

crate::api::listed!(Mutation RotateEncryptionKey, RotateVariables);

#[derive(cynic::QueryFragment)]
struct RotateEncryptionKeyPayload {
    key_id: Option<String>,
    user_errors: Vec<UserError>,
}

async fn load() -> Result<Vec<EncryptionKey>, ApiError> {
    Ok(api::run(KeysQuery::build(())).await?.encryption_keys)
}

async fn rotate(present: Option<String>) -> Result<String, Refusal> {
    let input = RotateEncryptionKeyInput {
        expected_key_id: present,
    };
    let answer = api::run(RotateEncryptionKey::build(RotateVariables { input }))
        .await?
        .rotate_encryption_key;
    settled(answer.key_id, answer.user_errors)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, as JSON has it"
)]
fn values(count: f64) -> String {
    tn("keys.values", count as u64)
}

/// The section of the keys.
#[component]
pub fn Keys() -> Element {
    let mut query = use_query(load);
    let mut asking = use_signal(|| false);
    let mut busy = use_signal(|| false);
    let known = (query.data)();
    let present = known
        .as_ref()
        .and_then(|keys| keys.iter().find(|key| key.present))
        .map(|key| key.id.clone());
    rsx! {
        section {
            h2 { {t("keys.title")} }
            div { class: "stack",
                p { class: "hint", {t("keys.text")} }
                if let Some(keys) = known {
                    ul { class: "rows lined",
                        for key in keys {
                            li { key: "{key.id}", class: "between",
                                span {
                                    span { class: "cell-main",
                                        code { "{key.id}" }
                                        if key.present {
                                            span { class: "badge badge-accent", {t("keys.present")} }
                                        }
                                    }
                                    span { class: "sub", {values(key.sealed_values)} }
                                }
                            }
                        }
                    }
                    div { button { class: "btn", r#type: "button", onclick: move |_| asking.set(true), {t("keys.change")} } }
                } else if let Some(error) = (query.error)() {
                    ErrorNotice { error, onretry: move |()| query.reload() }
                } else {
                    Skeleton { lines: 2 }
                }
            }
        }
        if asking() {
            Dialog { id: "keys", title: t("keys.change_title"), onclose: move |()| asking.set(false),
                foot: rsx! {
                    button { class: "btn", r#type: "button", onclick: move |_| asking.set(false), {t("dialog.close")} }
                    button { class: "btn btn-primary", r#type: "button", "aria-busy": if busy() { "true" },
                        onclick: move |_| {
                            let present = present.clone();
                            async move {
                                if busy() {
                                    return;
                                }
                                busy.set(true);
                                match rotate(present).await {
                                    Ok(id) => {
                                        toast(JobStatus::Succeeded, t("keys.changed"), tf("keys.changed_text", &[("id", &id)]));
                                        asking.set(false);
                                    }
                                    Err(refusal) => say(t("account.not_saved"), &refusal),
                                }
                                query.reload();
                                busy.set(false);
                            }
                        },
                        {t("keys.do_change")}
                    }
                },
                p { {t("keys.change_text")} }
                p { {t("keys.backup")} }
            }
        }
    }
}
