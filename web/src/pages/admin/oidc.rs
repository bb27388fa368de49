//! The OpenID Connect provider that people may sign in by.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use super::settings::MODES;
use super::users::RoleRef;
use crate::api::{self, ApiError, schema};
use crate::i18n::t;
use crate::pages::forms::{Choice, CopyField, Entry, Faults, Tick};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::session::RegistrationMode;
use crate::ui::{ErrorNotice, Skeleton, toast, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OidcQuery {
    oidc_settings: OidcSettings,
    roles: Vec<RoleRef>,
}

crate::api::listed!(Query OidcQuery, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct OidcSettings {
    callback_url: String,
    provider: Option<OidcProvider>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct OidcProvider {
    issuer: String,
    client_id: String,
    has_client_secret: bool,
    scopes: Vec<String>,
    label: String,
    allowed_domains: Vec<String>,
    registration: RegistrationMode,
    role: Option<RoleRef>,
    trusts_second_factor: bool,
    version: i32,
}

#[derive(cynic::InputObject)]
struct SaveOidcProviderInput {
    expected_version: Option<i32>,
    issuer: String,
    client_id: String,
    #[cynic(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    scopes: Vec<String>,
    label: String,
    allowed_domains: Vec<String>,
    registration: RegistrationMode,
    #[cynic(skip_serializing_if = "Option::is_none")]
    role_id: Option<cynic::Id>,
    trusts_second_factor: bool,
}

#[derive(cynic::QueryVariables)]
struct SaveVariables {
    input: SaveOidcProviderInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SaveVariables")]
struct SaveOidcProvider {
    #[arguments(input: $input)]
    save_oidc_provider: SaveOidcProviderPayload,
}

crate::api::listed!(Mutation SaveOidcProvider, SaveVariables);

#[derive(cynic::QueryFragment)]
struct SaveOidcProviderPayload {
    provider: Option<OidcProvider>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct RemoveOidcProviderInput {
    expected_version: Option<i32>,
}

#[derive(cynic::QueryVariables)]
struct RemoveVariables {
    input: RemoveOidcProviderInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RemoveVariables")]
struct RemoveOidcProvider {
    #[arguments(input: $input)]
    remove_oidc_provider: RemoveOidcProviderPayload,
}

crate::api::listed!(Mutation RemoveOidcProvider, RemoveVariables);

#[derive(cynic::QueryFragment)]
struct RemoveOidcProviderPayload {
    removed: bool,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation")]
struct TestOidcProvider {
    test_oidc_provider: TestOidcProviderPayload,
}

crate::api::listed!(Mutation TestOidcProvider, ());

#[derive(cynic::QueryFragment)]
struct TestOidcProviderPayload {
    usable: bool,
    user_errors: Vec<UserError>,
}

async fn load() -> Result<(OidcSettings, Vec<RoleRef>), ApiError> {
    let answer = api::run(OidcQuery::build(())).await?;
    Ok((answer.oidc_settings, answer.roles))
}

async fn save(input: SaveOidcProviderInput) -> Result<OidcProvider, Refusal> {
    let answer = api::run(SaveOidcProvider::build(SaveVariables { input }))
        .await?
        .save_oidc_provider;
    settled(answer.provider, answer.user_errors)
}

async fn remove(expected_version: i32) -> Result<(), Refusal> {
    let input = RemoveOidcProviderInput {
        expected_version: Some(expected_version),
    };
    let answer = api::run(RemoveOidcProvider::build(RemoveVariables { input }))
        .await?
        .remove_oidc_provider;
    settled(answer.removed.then_some(()), answer.user_errors)
}

async fn test() -> Result<(), Refusal> {
    let answer = api::run(TestOidcProvider::build(())).await?.test_oidc_provider;
    settled(answer.usable.then_some(()), answer.user_errors)
}

/// Words apart by spaces, commas or line ends.
fn listed(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The section of the provider.
#[component]
pub fn Provider() -> Element {
    let mut query = use_query(load);
    rsx! {
        section {
            h2 { {t("oidc.title")} }
            div { class: "stack",
                p { class: "hint", {t("oidc.text")} }
                if let Some((settings, roles)) = (query.data)() {
                    // A new version begins a new form.
                    div { key: "{settings.provider.as_ref().map_or(0, |provider| provider.version)}",
                        ProviderForm { settings, roles, onsaved: move |()| query.reload() }
                    }
                } else if let Some(error) = (query.error)() {
                    ErrorNotice { error, onretry: move |()| query.reload() }
                } else {
                    Skeleton { lines: 6 }
                }
            }
        }
    }
}

#[component]
fn ProviderForm(settings: OidcSettings, roles: Vec<RoleRef>, onsaved: EventHandler) -> Element {
    let known = settings.provider.clone();
    let of = |value: fn(&OidcProvider) -> String, none: &str| {
        known.as_ref().map_or_else(|| none.to_owned(), value)
    };
    let issuer = use_signal(|| of(|it| it.issuer.clone(), ""));
    let client_id = use_signal(|| of(|it| it.client_id.clone(), ""));
    let secret = use_signal(String::new);
    let label = use_signal(|| of(|it| it.label.clone(), ""));
    let scopes = use_signal(|| of(|it| it.scopes.join(" "), "email profile"));
    let domains = use_signal(|| of(|it| it.allowed_domains.join(" "), ""));
    let mode = use_signal(|| {
        let now = known
            .as_ref()
            .map_or(RegistrationMode::InviteOnly, |it| it.registration);
        let name = MODES.iter().find(|(mode, ..)| *mode == now);
        name.map(|(_, name, _)| (*name).to_owned()).unwrap_or_default()
    });
    let role = use_signal(|| {
        let given = known.as_ref().and_then(|it| it.role.clone());
        let viewer = || {
            roles
                .iter()
                .find(|role| role.built_in && role.name == "VIEWER")
                .cloned()
        };
        let role = given.or_else(viewer);
        role.map(|role| role.id.inner().to_owned()).unwrap_or_default()
    });
    let mut trusts = use_signal(|| known.as_ref().is_some_and(|it| it.trusts_second_factor));
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let version = known.as_ref().map_or(0, |it| it.version);
    let kept = known.as_ref().is_some_and(|it| it.has_client_secret);
    let is_set = known.is_some();
    rsx! {
        form { class: "form", novalidate: true,
            onsubmit: move |event: FormEvent| async move {
                event.prevent_default();
                if busy() {
                    return;
                }
                busy.set(true);
                let chosen = MODES.iter().find(|(_, name, _)| *name == mode());
                let input = SaveOidcProviderInput {
                    expected_version: Some(version),
                    issuer: issuer().trim().to_owned(),
                    client_id: client_id().trim().to_owned(),
                    client_secret: Some(secret()).filter(|secret| !secret.is_empty()),
                    scopes: listed(&scopes()),
                    label: label().trim().to_owned(),
                    allowed_domains: listed(&domains()),
                    registration: chosen.map_or(RegistrationMode::InviteOnly, |(mode, ..)| *mode),
                    role_id: Some(role()).filter(|id| !id.is_empty()).map(cynic::Id::new),
                    trusts_second_factor: trusts(),
                };
                match save(input).await {
                    Ok(_) => {
                        toast(JobStatus::Succeeded, t("account.saved"), "");
                        onsaved.call(());
                    }
                    Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                }
                busy.set(false);
            },
            CopyField { id: "oidc-callback", label: t("oidc.callback"), value: settings.callback_url.clone(), hint: t("oidc.callback_hint") }
            Entry { id: "oidc-issuer", label: t("oidc.issuer"), class: "input mono", value: issuer, error: wrong.read().at("issuer"), hint: t("oidc.issuer_hint") }
            div { class: "form-2",
                Entry { id: "oidc-client", label: t("oidc.client"), class: "input mono", value: client_id, error: wrong.read().at("clientId") }
                Entry { id: "oidc-secret", label: t("oidc.secret"), kind: "password", complete: "new-password", value: secret, error: wrong.read().at("clientSecret"),
                    optional: true, hint: kept.then(|| t("settings.password_kept")) }
            }
            Entry { id: "oidc-label", label: t("oidc.label"), value: label, error: wrong.read().at("label"), hint: t("oidc.label_hint") }
            Entry { id: "oidc-scopes", label: t("oidc.scopes"), class: "input mono", value: scopes, error: wrong.read().at("scopes"), optional: true }
            Entry { id: "oidc-domains", label: t("oidc.domains"), class: "input mono", value: domains, error: wrong.read().at("allowedDomains"), optional: true, hint: t("oidc.domains_hint") }
            div { class: "form-2",
                Choice { id: "oidc-mode", label: t("oidc.who"), value: mode, error: wrong.read().at("registration"),
                    choices: MODES.iter().map(|(_, name, key)| ((*name).to_owned(), t(key))).collect::<Vec<_>>() }
                Choice { id: "oidc-role", label: t("oidc.role"), value: role, error: wrong.read().at("roleId"), hint: t("oidc.role_hint"),
                    choices: roles.iter().map(|role| (role.id.inner().to_owned(), role.words())).collect::<Vec<_>>() }
            }
            Tick { on: trusts(), label: t("oidc.trusts"), onchange: move |on| trusts.set(on) }
            if let Some(words) = wrong.read().at("expectedVersion") {
                p { class: "error", role: "alert", "{words}" }
            }
            div { class: "toolbar",
                button { class: "btn", r#type: "submit", "aria-busy": if busy() { "true" }, {t("event.save")} }
                if is_set {
                    button { class: "btn", r#type: "button",
                        onclick: move |_| async move {
                            if busy() {
                                return;
                            }
                            busy.set(true);
                            match test().await {
                                Ok(()) => {
                                    wrong.set(Faults::default());
                                    toast(JobStatus::Succeeded, t("oidc.usable"), "");
                                }
                                Err(refusal) => wrong.set(Faults::of("oidc.not_usable", &refusal)),
                            }
                            busy.set(false);
                        },
                        {t("oidc.test")}
                    }
                    button { class: "btn btn-danger", r#type: "button",
                        onclick: move |_| async move {
                            if busy() {
                                return;
                            }
                            busy.set(true);
                            match remove(version).await {
                                Ok(()) => {
                                    toast(JobStatus::Succeeded, t("oidc.removed"), "");
                                    onsaved.call(());
                                }
                                Err(refusal) => say(t("account.not_saved"), &refusal),
                            }
                            busy.set(false);
                        },
                        {t("oidc.remove")}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn lists_are_typed_in_any_way() {
        assert_eq!(listed("a.org, b.org\nc.org  "), ["a.org", "b.org", "c.org"]);
        assert_eq!(listed(" ,"), Vec::<String>::new());
    }
}
