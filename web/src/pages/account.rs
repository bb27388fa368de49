//! The person's own account: name, language, theme, password.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::browser;
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, Theme, role_key, use_crumbs};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::routes::Route;
use crate::session::{self, SESSION, Session, Viewer};
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

/// Field and words of what is wrong; what has no field is told in passing.
fn faults(title: &str, refusal: &Refusal) -> Vec<(String, String)> {
    match refusal {
        Refusal::Refused(errors) if errors.iter().all(|error| !error.path().is_empty()) => {
            browser::focus_invalid();
            errors.iter().map(|error| (error.path(), error.words())).collect()
        }
        _ => {
            say(t(title), refusal);
            Vec::new()
        }
    }
}

/// The account page.
#[component]
pub fn Account(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("account.page"))]);
    let Some(viewer) = session::viewer() else {
        return rsx! {};
    };
    rsx! {
        div { class: "pane account",
            Profile { viewer }
            Looks { locale }
            Password {}
        }
    }
}

#[component]
fn Profile(viewer: Viewer) -> Element {
    let mut name = use_signal(|| viewer.name.clone());
    let mut wrong = use_signal(Vec::<(String, String)>::new);
    let mut busy = use_signal(|| false);
    let error = wrong
        .read()
        .iter()
        .find(|(path, _)| path == "name")
        .map(|(_, words)| words.clone());
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
                            wrong.write().clear();
                            toast(JobStatus::Succeeded, t("account.saved"), "");
                        }
                        Err(refusal) => wrong.set(faults("account.not_saved", &refusal)),
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
                            wrong.write().clear();
                        },
                    }
                }
                dl { class: "kv",
                    dt { {t("signin.email")} }
                    dd { "{viewer.email}" }
                    dt { {t("account.role")} }
                    dd { {t(role_key(viewer.role))} }
                }
                div {
                    button { class: "btn", r#type: "submit", disabled: busy() || unchanged, "aria-busy": if busy() { "true" }, {t("event.save")} }
                }
            }
        }
    }
}

#[component]
fn Looks(locale: Locale) -> Element {
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

#[component]
fn Password() -> Element {
    let mut current = use_signal(String::new);
    let mut new = use_signal(String::new);
    let mut wrong = use_signal(Vec::<(String, String)>::new);
    let mut busy = use_signal(|| false);
    let of = move |path: &str| {
        wrong
            .read()
            .iter()
            .find(|(at, _)| at == path)
            .map(|(_, words)| words.clone())
    };
    let (current_error, new_error) = (of("currentPassword"), of("newPassword"));
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
                            wrong.write().clear();
                            current.set(String::new());
                            new.set(String::new());
                            toast(JobStatus::Succeeded, t("account.password_changed"), t("account.password_changed_text"));
                        }
                        Err(refusal) => wrong.set(faults("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Secret { id: "account-current", label: t("account.current"), complete: "current-password", value: current, error: current_error }
                Secret { id: "account-new", label: t("account.new"), complete: "new-password", value: new, error: new_error, hint: t("account.new_hint") }
                div {
                    button {
                        class: "btn",
                        r#type: "submit",
                        disabled: busy() || current.read().is_empty() || new.read().is_empty(),
                        "aria-busy": if busy() { "true" },
                        {t("account.change")}
                    }
                }
            }
        }
    }
}

#[component]
fn Secret(
    id: String,
    label: String,
    complete: String,
    value: Signal<String>,
    error: Option<String>,
    #[props(default)] hint: Option<String>,
) -> Element {
    let note = (error.is_some() || hint.is_some()).then(|| format!("{id}-note"));
    rsx! {
        Field { id: id.clone(), label, error: error.clone(), hint,
            input {
                class: "input",
                id: "{id}",
                r#type: "password",
                autocomplete: "{complete}",
                "aria-invalid": error.as_ref().map(|_| "true"),
                "aria-describedby": note,
                value: "{value}",
                oninput: move |event| value.set(event.value()),
            }
        }
    }
}
