//! A new password.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::i18n::t;
use crate::pages::forms::{Entry, Faults};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::session::Viewer;
use crate::ui::toast;

#[derive(cynic::InputObject)]
struct ChangePasswordInput {
    current_password: String,
    new_password: String,
}

#[derive(cynic::QueryVariables)]
struct PasswordVariables {
    input: ChangePasswordInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "PasswordVariables")]
struct ChangePassword {
    #[arguments(input: $input)]
    change_password: ChangePasswordPayload,
}

crate::api::listed!(Mutation ChangePassword, PasswordVariables);

#[derive(cynic::QueryFragment)]
struct ChangePasswordPayload {
    viewer: Option<Viewer>,
    user_errors: Vec<UserError>,
}

/// A new password, with the present one.
#[component]
pub fn Password() -> Element {
    let mut current = use_signal(String::new);
    let mut new = use_signal(String::new);
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let (current_error, new_error) = (wrong.read().at("currentPassword"), wrong.read().at("newPassword"));
    rsx! {
        section {
            h2 { {t("account.password")} }
            form {
                class: "form",
                novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let input = ChangePasswordInput { current_password: current(), new_password: new() };
                    let answer = api::run(ChangePassword::build(PasswordVariables { input })).await;
                    let changed = answer.map_err(Refusal::from).and_then(|answer| {
                        settled(answer.change_password.viewer, answer.change_password.user_errors)
                    });
                    match changed {
                        Ok(_) => {
                            wrong.set(Faults::default());
                            current.set(String::new());
                            new.set(String::new());
                            toast(JobStatus::Succeeded, t("account.password_changed"), t("account.password_changed_text"));
                        }
                        Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "account-current", label: t("account.current"), kind: "password", complete: "current-password", value: current, error: current_error }
                Entry { id: "account-new", label: t("account.new"), kind: "password", complete: "new-password", value: new, error: new_error, hint: t("account.new_hint") }
                div {
                    button {
                        class: "btn",
                        r#type: "submit",
                        disabled: current.read().is_empty() || new.read().is_empty(),
                        "aria-busy": if busy() { "true" },
                        {t("account.change")}
                    }
                }
            }
        }
    }
}
