//! A second factor: set up with an authenticator app, and taken away.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;
use qrcodegen::{QrCode, QrCodeEcc};

use crate::api::{self, ApiError, schema};
use crate::browser;
use crate::i18n::t;
use crate::pages::forms::{Entry, Faults};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{Dialog, ErrorNotice, Icon, Skeleton, StatusDot, toast, use_query};

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct TotpState {
    viewer: Option<TotpOfViewer>,
}

crate::api::listed!(Query TotpState, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "User")]
struct TotpOfViewer {
    totp_enabled: Option<bool>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation")]
struct BeginTotp {
    begin_totp: BeginTotpPayload,
}

crate::api::listed!(Mutation BeginTotp, ());

#[derive(cynic::QueryFragment)]
struct BeginTotpPayload {
    secret: Option<String>,
    url: Option<String>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct ConfirmTotpInput {
    code: String,
    password: String,
}

#[derive(cynic::QueryVariables)]
struct ConfirmVariables {
    input: ConfirmTotpInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ConfirmVariables")]
struct ConfirmTotp {
    #[arguments(input: $input)]
    confirm_totp: ConfirmTotpPayload,
}

crate::api::listed!(Mutation ConfirmTotp, ConfirmVariables);

#[derive(cynic::QueryFragment)]
struct ConfirmTotpPayload {
    recovery_codes: Option<Vec<String>>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::InputObject)]
struct DisableTotpInput {
    code: String,
    password: String,
}

#[derive(cynic::QueryVariables)]
struct DisableVariables {
    input: DisableTotpInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DisableVariables")]
struct DisableTotp {
    #[arguments(input: $input)]
    disable_totp: DisableTotpPayload,
}

crate::api::listed!(Mutation DisableTotp, DisableVariables);

#[derive(cynic::QueryFragment)]
struct DisableTotpPayload {
    disabled: bool,
    user_errors: Vec<UserError>,
}

/// A secret that is not in force yet.
#[derive(Clone, PartialEq)]
struct Drawn {
    secret: String,
    url: String,
}

async fn enabled() -> Result<bool, ApiError> {
    let answer = api::run(TotpState::build(())).await?;
    Ok(answer.viewer.and_then(|viewer| viewer.totp_enabled) == Some(true))
}

async fn begin() -> Result<Drawn, Refusal> {
    let drawn = api::run(BeginTotp::build(())).await?.begin_totp;
    let both = drawn.secret.zip(drawn.url);
    settled(both.map(|(secret, url)| Drawn { secret, url }), drawn.user_errors)
}

async fn confirm(code: String, password: String) -> Result<Vec<String>, Refusal> {
    let input = ConfirmTotpInput { code, password };
    let answer = api::run(ConfirmTotp::build(ConfirmVariables { input }))
        .await?
        .confirm_totp;
    settled(answer.recovery_codes, answer.user_errors)
}

async fn disable(code: String, password: String) -> Result<(), Refusal> {
    let input = DisableTotpInput { code, password };
    let answer = api::run(DisableTotp::build(DisableVariables { input }))
        .await?
        .disable_totp;
    settled(answer.disabled.then_some(()), answer.user_errors)
}

/// What is being done.
#[derive(Clone, PartialEq)]
enum Step {
    None,
    SetUp(Drawn),
    Saved(Vec<String>),
    TakeAway,
}

/// The second factor, and the way to it or from it.
#[component]
pub fn SecondFactor() -> Element {
    let mut state = use_query(enabled);
    let mut step = use_signal(|| Step::None);
    let mut busy = use_signal(|| false);
    let on = (state.data)();
    let close = move |()| {
        step.set(Step::None);
        state.reload();
    };
    rsx! {
        section {
            h2 { {t("totp.title")} }
            match (on, (state.error)()) {
                (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| state.reload() } },
                (None, None) => rsx! { Skeleton { lines: 2 } },
                (Some(true), _) => rsx! {
                    div { class: "form",
                        p { class: "cell-main", StatusDot { status: JobStatus::Succeeded } {t("totp.on")} }
                        div { button { class: "btn btn-danger", r#type: "button", onclick: move |_| step.set(Step::TakeAway), {t("totp.take_away")} } }
                    }
                },
                (Some(false), _) => rsx! {
                    div { class: "form",
                        p { class: "hint", {t("totp.off")} }
                        div {
                            button { class: "btn", r#type: "button", "aria-busy": if busy() { "true" },
                                onclick: move |_| async move {
                                    if busy() {
                                        return;
                                    }
                                    busy.set(true);
                                    match begin().await {
                                        Ok(drawn) => step.set(Step::SetUp(drawn)),
                                        Err(refusal) => say(t("account.not_saved"), &refusal),
                                    }
                                    busy.set(false);
                                },
                                {t("totp.set_up")}
                            }
                        }
                    }
                },
            }
        }
        match step() {
            Step::None => rsx! {},
            Step::SetUp(drawn) => rsx! { SetUp { drawn, onclose: close, onsaved: move |codes| step.set(Step::Saved(codes)) } },
            Step::Saved(codes) => rsx! { Codes { codes, onclose: close } },
            Step::TakeAway => rsx! { TakeAway { onclose: close } },
        }
    }
}

/// The path of the dark modules, one unit each, with the quiet zone that readers need.
fn qr_path(code: &QrCode) -> String {
    use std::fmt::Write as _;
    const QUIET: i32 = 4;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in 0..code.size() {
            if code.get_module(x, y) {
                // Writing to a string can't fail.
                let _ = write!(path, "M{},{}h1v1h-1z", x + QUIET, y + QUIET);
            }
        }
    }
    path
}

#[component]
fn SetUp(drawn: Drawn, onclose: EventHandler, onsaved: EventHandler<Vec<String>>) -> Element {
    let (code, password) = (use_signal(String::new), use_signal(String::new));
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let submit = move |()| {
        spawn(async move {
            if busy() {
                return;
            }
            busy.set(true);
            match confirm(code().trim().to_owned(), password()).await {
                Ok(codes) => onsaved.call(codes),
                Err(refusal) => wrong.set(Faults::of_confirmation("account.not_saved", &refusal)),
            }
            busy.set(false);
        });
    };
    let qr = QrCode::encode_text(&drawn.url, QrCodeEcc::Medium).ok();
    rsx! {
        Dialog { id: "totp-set-up", title: t("totp.title"), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "submit", form: "totp-form", "aria-busy": if busy() { "true" }, {t("totp.turn_on")} }
            },
            form { class: "form", id: "totp-form", novalidate: true,
                onsubmit: move |event: FormEvent| {
                    event.prevent_default();
                    submit(());
                },
                p { class: "hint", {t("totp.scan")} }
                div { class: "qr-at",
                    if let Some(qr) = qr {
                        svg { class: "qr", role: "img", "aria-label": t("totp.qr"), view_box: "0 0 {qr.size() + 8} {qr.size() + 8}", "shape-rendering": "crispEdges",
                            rect { width: "100%", height: "100%", fill: "#fff" }
                            path { d: qr_path(&qr), fill: "#000" }
                        }
                    }
                    p { class: "hint", {t("totp.type")} " " code { class: "mono", "{drawn.secret}" } }
                }
                Entry { id: "totp-code", label: t("signin.code"), complete: "one-time-code", class: "input mono", value: code, error: wrong.read().at("code"), hint: t("totp.code_hint") }
                Entry { id: "totp-password", label: t("signin.password"), kind: "password", complete: "current-password", value: password, error: wrong.read().at("password") }
            }
        }
    }
}

#[component]
fn Codes(codes: Vec<String>, onclose: EventHandler) -> Element {
    let text = codes.join("\n");
    rsx! {
        Dialog { id: "totp-codes", title: t("totp.codes"), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button",
                    onclick: move |_| {
                        let text = text.clone();
                        async move {
                            if browser::copy(&text).await {
                                toast(JobStatus::Succeeded, t("copied"), "");
                            }
                        }
                    },
                    Icon { name: "copy" }
                    {t("copy")}
                }
                button { class: "btn btn-primary", r#type: "button", onclick: move |_| onclose.call(()), {t("totp.kept")} }
            },
            p { {t("totp.codes_text")} }
            ul { class: "codes mono",
                for code in codes {
                    li { key: "{code}", "{code}" }
                }
            }
        }
    }
}

#[component]
fn TakeAway(onclose: EventHandler) -> Element {
    let (code, password) = (use_signal(String::new), use_signal(String::new));
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    rsx! {
        Dialog { id: "totp-off", title: t("totp.take_away"), onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-danger-solid", r#type: "submit", form: "totp-off-form", "aria-busy": if busy() { "true" }, {t("totp.take_away")} }
            },
            form { class: "form", id: "totp-off-form", novalidate: true,
                onsubmit: move |event: FormEvent| async move {
                    event.prevent_default();
                    if busy() {
                        return;
                    }
                    busy.set(true);
                    match disable(code().trim().to_owned(), password()).await {
                        Ok(()) => onclose.call(()),
                        Err(refusal) => wrong.set(Faults::of_confirmation("account.not_saved", &refusal)),
                    }
                    busy.set(false);
                },
                Entry { id: "totp-code", label: t("signin.code"), complete: "one-time-code", class: "input mono", value: code, error: wrong.read().at("code"), hint: t("signin.code_hint") }
                Entry { id: "totp-password", label: t("signin.password"), kind: "password", complete: "current-password", value: password, error: wrong.read().at("password") }
            }
        }
    }
}
