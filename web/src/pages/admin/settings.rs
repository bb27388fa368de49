//! Settings of the installation: who may sign up, mail, limits for everybody. Other sections have files of their own.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use super::keys::Keys;
use super::oidc::Provider;
use super::terminals::Terminals;
use crate::api::{self, ApiError, schema};
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::forms::{Choice, Entry, Faults};
use crate::pages::quotas::{QuotaForm, QuotaSubject};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::session::{self, RegistrationMode, Scope};
use crate::ui::{ErrorNotice, Skeleton, toast, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct SettingsQuery {
    settings: Settings,
}

crate::api::listed!(Query SettingsQuery, ());

/// All settings, as one version of them is.
#[derive(cynic::QueryFragment, Clone, PartialEq)]
pub struct Settings {
    registration: RegistrationMode,
    smtp: Option<SmtpSettings>,
    pub terminals: TerminalSettings,
    pub version: i32,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct SmtpSettings {
    from: String,
    host: String,
    port: i32,
    security: SmtpSecurity,
    username: Option<String>,
    has_password: bool,
}

/// How long terminals stay open, and recordings are kept.
#[derive(cynic::QueryFragment, Clone, Copy, PartialEq)]
pub struct TerminalSettings {
    pub idle_minutes: i32,
    pub max_minutes: i32,
    pub recording_days: i32,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum SmtpSecurity {
    StartTls,
    Tls,
    None,
}

impl SmtpSecurity {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::StartTls, "START_TLS", "settings.start_tls"),
        (Self::Tls, "TLS", "settings.tls"),
        (Self::None, "NONE", "settings.no_tls"),
    ];
}

#[derive(cynic::InputObject)]
struct SmtpInput {
    from: String,
    host: String,
    port: i32,
    security: SmtpSecurity,
    #[cynic(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// How long terminals are to stay open, and recordings to be kept.
#[derive(cynic::InputObject)]
pub struct TerminalSettingsInput {
    pub idle_minutes: i32,
    pub max_minutes: i32,
    pub recording_days: i32,
}

/// What changes; what is absent stays as it is.
#[derive(cynic::InputObject, Default)]
struct UpdateSettingsInput {
    expected_version: Option<i32>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationMode>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    smtp: Option<SmtpInput>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    terminals: Option<TerminalSettingsInput>,
}

#[derive(cynic::QueryVariables)]
struct UpdateVariables {
    input: UpdateSettingsInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "UpdateVariables")]
struct UpdateSettings {
    #[arguments(input: $input)]
    update_settings: UpdateSettingsPayload,
}

crate::api::listed!(Mutation UpdateSettings, UpdateVariables);

#[derive(cynic::QueryFragment)]
struct UpdateSettingsPayload {
    settings: Option<Settings>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct SendTestEmailInput {
    to: String,
    locale: String,
}

#[derive(cynic::QueryVariables)]
struct TestVariables {
    input: SendTestEmailInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "TestVariables")]
struct SendTestEmail {
    #[arguments(input: $input)]
    send_test_email: SendTestEmailPayload,
}

crate::api::listed!(Mutation SendTestEmail, TestVariables);

#[derive(cynic::QueryFragment)]
struct SendTestEmailPayload {
    sent: bool,
    user_errors: Vec<UserError>,
}

async fn load() -> Result<Settings, ApiError> {
    Ok(api::run(SettingsQuery::build(())).await?.settings)
}

async fn update(input: UpdateSettingsInput) -> Result<Settings, Refusal> {
    let answer = api::run(UpdateSettings::build(UpdateVariables { input }))
        .await?
        .update_settings;
    settled(answer.settings, answer.user_errors)
}

/// Sets what holds for terminals, if the settings still have this version; gives all settings as they are then.
pub async fn set_terminals(version: i32, terminals: TerminalSettingsInput) -> Result<Settings, Refusal> {
    let input = UpdateSettingsInput {
        expected_version: Some(version),
        terminals: Some(terminals),
        ..UpdateSettingsInput::default()
    };
    update(input).await
}

async fn send_test(input: SendTestEmailInput) -> Result<(), Refusal> {
    let answer = api::run(SendTestEmail::build(TestVariables { input }))
        .await?
        .send_test_email;
    settled(answer.sent.then_some(()), answer.user_errors)
}

/// Who gets an account: the mode, its name and its words.
pub const MODES: [(RegistrationMode, &str, &str); 4] = [
    (RegistrationMode::Closed, "CLOSED", "settings.closed"),
    (
        RegistrationMode::InviteOnly,
        "INVITE_ONLY",
        "settings.invite_only",
    ),
    (RegistrationMode::Approval, "APPROVAL", "settings.approval"),
    (RegistrationMode::Open, "OPEN", "settings.open"),
];

/// The page of settings.
#[component]
pub fn SettingsPage(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.settings"))]);
    let mut query = use_query(load);
    let limits = session::viewer().is_some_and(|viewer| viewer.may(Scope::ManageUsers));
    rsx! {
        div { class: "pane account",
            if let Some(settings) = (query.data)() {
                Registration { settings: settings.clone(), onsaved: move |()| query.reload() }
                Mail { settings: settings.clone(), onsaved: move |()| query.reload() }
                if settings.smtp.is_some() {
                    TestMail { locale }
                }
            } else if let Some(error) = (query.error)() {
                ErrorNotice { error, onretry: move |()| query.reload() }
            } else {
                Skeleton { lines: 8 }
            }
            if let Some(settings) = (query.data)() {
                Provider {}
                Keys {}
                Terminals { settings, onsaved: move |()| query.reload() }
            }
            if limits {
                section {
                    h2 { {t("settings.limits")} }
                    QuotaForm { id: "everybody", subject: QuotaSubject { installation: Some(true), ..QuotaSubject::default() }, unset: t("quota.none") }
                }
            }
        }
    }
}

#[component]
fn Registration(settings: Settings, onsaved: EventHandler) -> Element {
    let mode = use_signal(|| {
        let name = MODES.iter().find(|(mode, ..)| *mode == settings.registration);
        name.map(|(_, name, _)| (*name).to_owned()).unwrap_or_default()
    });
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let version = settings.version;
    // That mail is not set up yet is said where it is asked for.
    let refused = ["registration", "smtp", "expectedVersion"]
        .into_iter()
        .find_map(|path| wrong.read().at(path));
    rsx! {
        section {
            h2 { {t("settings.registration")} }
            form { class: "form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let chosen = MODES.iter().find(|(_, name, _)| *name == mode()).map(|(mode, ..)| *mode);
                    let input = UpdateSettingsInput {
                        expected_version: Some(version),
                        registration: chosen,
                        ..UpdateSettingsInput::default()
                    };
                    match update(input).await {
                        Ok(_) => {
                            wrong.set(Faults::default());
                            toast(JobStatus::Succeeded, t("account.saved"), "");
                        }
                        Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                    }
                    onsaved.call(());
                    busy.set(false);
                },
                Choice { id: "registration", label: t("settings.who"), value: mode, error: refused,
                    choices: MODES.iter().map(|(_, name, key)| ((*name).to_owned(), t(key))).collect::<Vec<_>>() }
                div { button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("event.save")} } }
            }
        }
    }
}

#[component]
fn Mail(settings: Settings, onsaved: EventHandler) -> Element {
    let known = settings.smtp.clone();
    let of = |value: fn(&SmtpSettings) -> String| known.as_ref().map(value).unwrap_or_default();
    let (host, from, username) = (
        use_signal(|| of(|smtp| smtp.host.clone())),
        use_signal(|| of(|smtp| smtp.from.clone())),
        use_signal(|| of(|smtp| smtp.username.clone().unwrap_or_default())),
    );
    let port = use_signal(|| known.as_ref().map_or(587, |smtp| smtp.port).to_string());
    let security = use_signal(|| {
        let now = known
            .as_ref()
            .map_or(SmtpSecurity::StartTls, |smtp| smtp.security);
        let name = SmtpSecurity::ALL.iter().find(|(one, ..)| *one == now);
        name.map(|(_, name, _)| (*name).to_owned()).unwrap_or_default()
    });
    let mut password = use_signal(String::new);
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let version = settings.version;
    let kept = known.as_ref().is_some_and(|smtp| smtp.has_password);
    rsx! {
        section {
            h2 { {t("settings.mail")} }
            form { class: "form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let given = |text: String| Some(text).filter(|text| !text.is_empty());
                    let chosen = SmtpSecurity::ALL.iter().find(|(_, name, _)| *name == security());
                    let smtp = SmtpInput {
                        from: from().trim().to_owned(),
                        host: host().trim().to_owned(),
                        // What is no number is refused by the API, at its field.
                        port: port().trim().parse().unwrap_or(-1),
                        security: chosen.map_or(SmtpSecurity::StartTls, |(one, ..)| *one),
                        username: given(username()),
                        password: given(password()),
                    };
                    let input = UpdateSettingsInput {
                        expected_version: Some(version),
                        smtp: Some(smtp),
                        ..UpdateSettingsInput::default()
                    };
                    match update(input).await {
                        Ok(_) => {
                            wrong.set(Faults::default());
                            password.set(String::new());
                            toast(JobStatus::Succeeded, t("account.saved"), "");
                            onsaved.call(());
                        }
                        Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "smtp-host", label: t("settings.host"), class: "input mono", value: host, error: wrong.read().at("smtp.host") }
                div { class: "form-2",
                    Entry { id: "smtp-port", label: t("settings.port"), class: "input num", value: port, error: wrong.read().at("smtp.port") }
                    Choice { id: "smtp-security", label: t("settings.security"), value: security, error: wrong.read().at("smtp.security"),
                        choices: SmtpSecurity::ALL.iter().map(|(_, name, key)| ((*name).to_owned(), t(key))).collect::<Vec<_>>() }
                }
                Entry { id: "smtp-from", label: t("settings.from"), value: from, error: wrong.read().at("smtp.from") }
                Entry { id: "smtp-username", label: t("settings.username"), value: username, error: wrong.read().at("smtp.username"), optional: true }
                Entry { id: "smtp-password", label: t("signin.password"), kind: "password", complete: "new-password", value: password, error: wrong.read().at("smtp.password"),
                    optional: true, hint: kept.then(|| t("settings.password_kept")) }
                if let Some(words) = wrong.read().at("expectedVersion") {
                    p { class: "error", role: "alert", "{words}" }
                }
                div { button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("event.save")} } }
            }
        }
    }
}

#[component]
fn TestMail(locale: Locale) -> Element {
    let to = use_signal(|| session::viewer().map(|viewer| viewer.email).unwrap_or_default());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    rsx! {
        section {
            h2 { {t("settings.test")} }
            form { class: "form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let input = SendTestEmailInput { to: to().trim().to_owned(), locale: locale.tag().to_owned() };
                    match send_test(input).await {
                        Ok(()) => {
                            wrong.set(Faults::default());
                            toast(JobStatus::Succeeded, t("settings.test_sent"), to());
                        }
                        Err(refusal) => wrong.set(Faults::of("settings.test_failed", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "test-to", label: t("settings.test_to"), kind: "email", value: to, error: wrong.read().at("to") }
                div { button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("settings.test_send")} } }
            }
        }
    }
}
