//! Name, language and theme.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::i18n::{Locale, t};
use crate::layout::Theme;
use crate::pages::forms::Faults;
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::routes::Route;
use crate::session::{SESSION, Session, Viewer};
use crate::ui::{Field, toast};

#[derive(cynic::InputObject)]
struct UpdateProfileInput {
    name: Option<String>,
    locale: Option<String>,
}

#[derive(cynic::QueryVariables)]
struct ProfileVariables {
    input: UpdateProfileInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ProfileVariables")]
struct UpdateProfile {
    #[arguments(input: $input)]
    update_profile: UpdateProfilePayload,
}

crate::api::listed!(Mutation UpdateProfile, ProfileVariables);

#[derive(cynic::QueryFragment)]
struct UpdateProfilePayload {
    viewer: Option<Viewer>,
    user_errors: Vec<UserError>,
}

async fn save_profile(name: Option<String>, locale: Option<Locale>) -> Result<(), Refusal> {
    let input = UpdateProfileInput {
        name,
        locale: locale.map(|locale| locale.tag().to_owned()),
    };
    let answer = api::run(UpdateProfile::build(ProfileVariables { input }))
        .await?
        .update_profile;
    *SESSION.write() = Session::SignedIn(settled(answer.viewer, answer.user_errors)?);
    Ok(())
}

/// Name, and what stands of the account.
#[component]
pub fn Profile(viewer: Viewer) -> Element {
    let mut name = use_signal(|| viewer.name.clone());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let error = wrong.read().at("name");
    let unchanged = name.read().trim() == viewer.name;
    rsx! {
        section {
            h2 { {t("account.profile")} }
            form {
                class: "form",
                novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    match save_profile(Some(name()), None).await {
                        Ok(()) => {
                            wrong.set(Faults::default());
                            toast(JobStatus::Succeeded, t("account.saved"), "");
                        }
                        Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Field { id: "account-name", label: t("field.name"), error: error.clone(),
                    input {
                        class: "input",
                        id: "account-name",
                        autocomplete: "name",
                        "aria-invalid": error.as_ref().map(|_| "true"),
                        "aria-describedby": error.as_ref().map(|_| "account-name-note"),
                        value: "{name}",
                        oninput: move |event| {
                            name.set(event.value());
                            wrong.set(Faults::default());
                        },
                    }
                }
                dl { class: "kv",
                    dt { {t("signin.email")} }
                    dd { "{viewer.email}" }
                    dt { {t("account.role")} }
                    dd { {viewer.assigned_role.words()} }
                }
                div {
                    button { class: "btn", r#type: "submit", disabled: unchanged, "aria-busy": if busy() { "true" }, {t("event.save")} }
                }
            }
        }
    }
}

/// Theme and language.
#[component]
pub fn Looks(locale: Locale) -> Element {
    let navigator = use_navigator();
    rsx! {
        section {
            h2 { {t("account.looks")} }
            div { class: "form",
                div { class: "field",
                    span { class: "label", id: "account-theme", {t("theme.title")} }
                    div { class: "seg fit", role: "group", "aria-labelledby": "account-theme",
                        for choice in Theme::ALL {
                            button {
                                key: "{choice.key()}",
                                r#type: "button",
                                "aria-pressed": "{Theme::current() == choice}",
                                onclick: move |_| choice.activate(),
                                {t(choice.key())}
                            }
                        }
                    }
                }
                Field { id: "account-language", label: t("language.title"), hint: t("account.language_hint"),
                    select {
                        class: "select fit",
                        id: "account-language",
                        "aria-describedby": "account-language-note",
                        onchange: move |event| async move {
                            let Ok(to) = event.value().parse::<Locale>() else { return };
                            navigator.replace(Route::Account { locale: to });
                            if let Err(refusal) = save_profile(None, Some(to)).await {
                                say(t("account.not_saved"), &refusal);
                            }
                        },
                        for choice in Locale::ALL {
                            option { key: "{choice}", value: "{choice}", selected: choice == locale, {choice.name()} }
                        }
                    }
                }
            }
        }
    }
}
