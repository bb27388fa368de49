//! API tokens: made with what they may do, shown once, revoked.

use std::time::Duration;

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use crate::api::{self, ApiError, Timestamp, schema};
use crate::browser;
use crate::i18n::{t, tf};
use crate::pages::forms::{Choice, CopyField, Entry, Faults, Tick};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::session::{self, Scope};
use crate::ui::{Dialog, ErrorNotice, Icon, Skeleton, TimeAgo, toast, use_now, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct OwnTokens {
    viewer: Option<TokensOfViewer>,
}

crate::api::listed!(Query OwnTokens, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "User")]
struct TokensOfViewer {
    #[arguments(first: 100)]
    api_tokens: ApiTokenConnection,
}

#[derive(cynic::QueryFragment)]
struct ApiTokenConnection {
    nodes: Vec<ApiToken>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct ApiToken {
    id: cynic::Id,
    name: String,
    hint: String,
    status: ApiTokenStatus,
    scopes: Option<Vec<Scope>>,
    resource_kinds: Option<Vec<ResourceKind>>,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// What a token may be limited to.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum ResourceKind {
    Account,
    Audit,
    Event,
    Job,
    Server,
    System,
    User,
    Variable,
}

impl ResourceKind {
    fn words(self) -> String {
        t(match self {
            Self::Account => "tokens.kind_account",
            Self::Audit => "nav.audit",
            Self::Event => "quota.events",
            Self::Job => "nav.runs",
            Self::Server => "nav.servers",
            Self::System => "nav.settings",
            Self::User => "nav.users",
            Self::Variable => "nav.variables",
        })
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
enum ApiTokenStatus {
    Active,
    Expired,
    Revoked,
}

#[derive(cynic::InputObject)]
struct CreateApiTokenInput {
    name: String,
    expires_at: Option<Timestamp>,
    scopes: Option<Vec<Scope>>,
}

#[derive(cynic::QueryVariables)]
struct CreateVariables {
    input: CreateApiTokenInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "CreateVariables")]
struct CreateApiToken {
    #[arguments(input: $input)]
    create_api_token: CreateApiTokenPayload,
}

crate::api::listed!(Mutation CreateApiToken, CreateVariables);

#[derive(cynic::QueryFragment)]
struct CreateApiTokenPayload {
    secret: Option<String>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct RevokeApiTokenInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct RevokeVariables {
    input: RevokeApiTokenInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "RevokeVariables")]
struct RevokeApiToken {
    #[arguments(input: $input)]
    revoke_api_token: RevokeApiTokenPayload,
}

crate::api::listed!(Mutation RevokeApiToken, RevokeVariables);

#[derive(cynic::QueryFragment)]
struct RevokeApiTokenPayload {
    api_token: Option<ApiToken>,
    user_errors: Vec<UserError>,
}

async fn load() -> Result<Vec<ApiToken>, ApiError> {
    let answer = api::run(OwnTokens::build(())).await?;
    Ok(answer
        .viewer
        .map(|viewer| viewer.api_tokens.nodes)
        .unwrap_or_default())
}

async fn create(input: CreateApiTokenInput) -> Result<String, Refusal> {
    let made = api::run(CreateApiToken::build(CreateVariables { input }))
        .await?
        .create_api_token;
    settled(made.secret, made.user_errors)
}

async fn revoke(id: cynic::Id) -> Result<ApiToken, Refusal> {
    let input = RevokeApiTokenInput { id };
    let answer = api::run(RevokeApiToken::build(RevokeVariables { input }))
        .await?
        .revoke_api_token;
    settled(answer.api_token, answer.user_errors)
}

/// The tokens that still work, and the way to a new one.
#[component]
pub fn Tokens() -> Element {
    let mut query = use_query(load);
    let now = use_now(Duration::from_secs(30));
    let mut adding = use_signal(|| false);
    rsx! {
        section {
            h2 { {t("tokens.title")} }
            div { class: "stack",
                p { class: "hint", {t("tokens.text")} }
                if let Some(tokens) = (query.data)() {
                    ul { class: "rows lined",
                        for token in tokens.into_iter().filter(|token| token.status == ApiTokenStatus::Active) {
                            Row { key: "{token.id.inner()}", token, now, onchange: move |()| query.reload() }
                        }
                    }
                } else if let Some(error) = (query.error)() {
                    ErrorNotice { error, onretry: move |()| query.reload() }
                } else {
                    Skeleton { lines: 2 }
                }
                div {
                    button { class: "btn", r#type: "button", onclick: move |_| adding.set(true), Icon { name: "plus" } {t("tokens.new")} }
                }
            }
        }
        if adding() {
            NewToken {
                onclose: move |()| {
                    adding.set(false);
                    query.reload();
                },
            }
        }
    }
}

/// What a token may do, and what it is limited to.
fn told(token: &ApiToken) -> String {
    let list = |words: Vec<String>| {
        if words.is_empty() {
            t("tokens.nothing")
        } else {
            words.join(", ")
        }
    };
    let scopes = token.scopes.as_ref();
    let may = scopes.map_or_else(
        || t("tokens.all"),
        |scopes| list(scopes.iter().map(|scope| scope.words()).collect()),
    );
    match &token.resource_kinds {
        Some(kinds) => {
            let about = list(kinds.iter().map(|kind| kind.words()).collect());
            format!("{may} · {}", tf("tokens.about", &[("what", &about)]))
        }
        None => may,
    }
}

#[component]
fn Row(token: ApiToken, now: Signal<f64>, onchange: EventHandler) -> Element {
    let id = token.id.clone();
    let may = told(&token);
    rsx! {
        li { class: "between",
            span { class: "grow",
                span { class: "cell-main", b { "{token.name}" } code { class: "mono dim", "{token.hint}" } }
                span { class: "sub", "{may}" }
                span { class: "sub",
                    {tf("tokens.until", &[("date", &browser::date_label(token.expires_at.timestamp_millis() as f64, crate::i18n::Locale::current().tag()))])}
                    " · "
                    if let Some(at) = token.last_used_at {
                        {t("tokens.used")} " " TimeAgo { at, now }
                    } else {
                        {t("tokens.unused")}
                    }
                }
            }
            button { class: "btn btn-sm btn-danger", r#type: "button", "aria-label": "{t(\"tokens.revoke\")}: {token.name}",
                onclick: move |_| {
                    let id = id.clone();
                    async move {
                        match revoke(id).await {
                            Ok(token) => toast(JobStatus::Succeeded, t("tokens.revoked"), token.name),
                            Err(refusal) => say(t("account.not_saved"), &refusal),
                        }
                        onchange.call(());
                    }
                },
                {t("tokens.revoke")}
            }
        }
    }
}

#[component]
fn NewToken(onclose: EventHandler) -> Element {
    let name = use_signal(String::new);
    let days = use_signal(|| "90".to_owned());
    let mut limited = use_signal(|| false);
    let mut scopes = use_signal(Vec::<Scope>::new);
    let mut secret = use_signal(|| None::<String>);
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let own = session::viewer()
        .map(|viewer| viewer.permissions)
        .unwrap_or_default();
    let expiries = [
        ("7", "tokens.days_7"),
        ("30", "tokens.days_30"),
        ("90", "tokens.days_90"),
        ("365", "tokens.days_365"),
    ];
    if let Some(secret) = secret() {
        return rsx! {
            Dialog { id: "token-made", title: t("tokens.made"), onclose,
                foot: rsx! { button { class: "btn btn-primary", r#type: "button", onclick: move |_| onclose.call(()), {t("tokens.done")} } },
                CopyField { id: "token-secret", label: t("tokens.secret"), value: secret, hint: t("tokens.secret_hint") }
            }
        };
    }
    rsx! {
        Dialog { id: "token-new", title: t("tokens.new"), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "submit", form: "token-form", "aria-busy": if busy() { "true" }, {t("tokens.make")} }
            },
            form { class: "form", id: "token-form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    let ms = browser::now_ms() + days().parse::<f64>().unwrap_or(90.0) * 86_400_000.0;
                    let input = CreateApiTokenInput {
                        name: name(),
                        expires_at: Timestamp::from_timestamp_millis(ms as i64),
                        scopes: limited().then(&*scopes),
                    };
                    match create(input).await {
                        Ok(made) => secret.set(Some(made)),
                        Err(refusal) => wrong.set(Faults::of("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "token-name", label: t("field.name"), value: name, error: wrong.read().at("name"), hint: t("tokens.name_hint") }
                Choice { id: "token-days", label: t("tokens.expires"), value: days, error: wrong.read().at("expiresAt"),
                    choices: expiries.iter().map(|(value, key)| ((*value).to_owned(), t(key))).collect::<Vec<_>>() }
                fieldset { class: "field",
                    legend { class: "label", {t("tokens.may")} }
                    Tick { on: !limited(), label: t("tokens.all"), onchange: move |all: bool| limited.set(!all) }
                    if limited() {
                        div { class: "ticks",
                            for scope in own {
                                Tick { key: "{scope:?}", on: scopes.read().contains(&scope), label: scope.words(),
                                    onchange: move |on: bool| {
                                        let mut scopes = scopes.write();
                                        scopes.retain(|one| *one != scope);
                                        if on {
                                            scopes.push(scope);
                                        }
                                    },
                                }
                            }
                        }
                    }
                    if let Some(words) = wrong.read().at("scopes") {
                        p { class: "error", role: "alert", Icon { name: "alert" } "{words}" }
                    }
                }
            }
        }
    }
}
