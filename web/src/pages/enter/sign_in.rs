//! Signing in. Goes back to where the person was headed.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiErrorKind, schema};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::forms::Entry;
use crate::pages::runs::data::UserError;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, PROOF, SERVER, SESSION, ServerInfo, Session, Viewer};
use crate::ui::{Field, Icon, error_text};

use super::provider::{self, Button, OwedCode};
use super::{Front, Submit};

#[derive(cynic::InputObject)]
struct SignInInput {
    email: String,
    password: String,
    #[cynic(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    return_token: bool,
}

#[derive(cynic::QueryVariables)]
struct Variables {
    input: SignInInput,
}

#[derive(cynic::QueryFragment)]
struct SignInPayload {
    viewer: Option<Viewer>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "Variables")]
struct SignInMutation {
    #[arguments(input: $input)]
    sign_in: SignInPayload,
}

crate::api::listed!(Mutation SignInMutation, Variables);

/// Errors by the place where they are shown.
#[derive(Clone, Default, PartialEq)]
struct Faults {
    email: Option<String>,
    password: Option<String>,
    code: Option<String>,
    form: Option<String>,
}

impl Faults {
    fn of_entries(email: &str, password: &str) -> Option<Self> {
        let faults = Self {
            email: email.trim().is_empty().then(|| t("signin.email_missing")),
            password: password.is_empty().then(|| t("signin.password_missing")),
            ..Self::default()
        };
        (faults != Self::default()).then_some(faults)
    }

    fn of_answer(errors: &[UserError], words: fn(&UserError) -> String) -> Self {
        let mut faults = Self::default();
        for error in errors {
            let place = match error
                .field
                .as_deref()
                .and_then(<[String]>::last)
                .map(String::as_str)
            {
                Some("email") => &mut faults.email,
                Some("password") => &mut faults.password,
                Some("code") => &mut faults.code,
                _ => &mut faults.form,
            };
            place.get_or_insert_with(|| words(error));
        }
        faults
    }

    /// The field to mend first.
    fn place(&self) -> &'static str {
        match self {
            Self { email: Some(_), .. } => "email",
            Self { code: Some(_), .. } => "code",
            _ => "password",
        }
    }
}

/// Only a path of our own: an address from elsewhere must not choose where a sign-in ends.
fn safe_back(back: Option<&str>) -> Option<&str> {
    back.filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'))
}

/// The sign-in page.
#[component]
pub fn SignIn(locale: Locale, query: Params) -> Element {
    let email = use_signal(String::new);
    let mut password = use_signal(String::new);
    // Asked for once the server said that this account has a second factor.
    let mut code = use_signal(|| None::<String>);
    let mut shown = use_signal(|| false);
    let mut busy = use_signal(|| false);
    let mut faults = use_signal(Faults::default);
    let navigator = use_navigator();
    let back = safe_back(query.get("back"))
        .and_then(|path| path.parse::<Route>().ok())
        .filter(|route| {
            !matches!(
                route,
                Route::SignIn { .. } | Route::NotFound { .. } | Route::Missing { .. } | Route::Root {}
            )
        })
        .unwrap_or(Route::Overview {
            locale,
            query: Params::default(),
        });

    use_future(|| async {
        // A failure shows itself at the first try to sign in.
        let _ = session::load().await;
    });
    use_effect(move || {
        browser::set_title(&format!("{} · {}", t("signin.title"), t("app.name")));
        browser::focus("email");
    });
    let way_back = back.to_string();
    use_effect(use_reactive((&back,), move |(back,)| {
        if matches!(*SESSION.read(), Session::SignedIn(_)) {
            navigator.replace(back);
        }
    }));

    let submit = move |event: FormEvent| async move {
        event.prevent_default();
        if busy() {
            return;
        }
        if let Some(found) = Faults::of_entries(&email(), &password()) {
            browser::focus(found.place());
            faults.set(found);
            return;
        }
        busy.set(true);
        let input = SignInInput {
            email: email().trim().to_owned(),
            password: password(),
            code: code().filter(|code| !code.trim().is_empty()),
            return_token: false,
        };
        match api::run(SignInMutation::build(Variables { input })).await {
            Ok(SignInMutation {
                sign_in: SignInPayload {
                    viewer: Some(viewer), ..
                },
            }) => {
                faults.set(Faults::default());
                api::restart();
                *SESSION.write() = Session::SignedIn(viewer);
            }
            Ok(answer) => {
                let errors = &answer.sign_in.user_errors;
                let mut found = Faults::of_answer(errors, UserError::words);
                if found.code.is_some() && code.peek().is_none() {
                    // The first time it is a question, not a mistake.
                    found.code = None;
                    code.set(Some(String::new()));
                    browser::focus_soon("code");
                } else {
                    browser::focus(found.place());
                }
                faults.set(found);
            }
            Err(error) => {
                let words = match error.kind {
                    ApiErrorKind::Offline => t("signin.offline"),
                    ApiErrorKind::RateLimited => t("signin.rate_limited"),
                    _ => error_text(&error),
                };
                faults.set(Faults {
                    form: Some(words),
                    ..Faults::default()
                });
            }
        }
        busy.set(false);
    };

    if let Some(proof) = PROOF.read().clone() {
        return rsx! { OwedCode { locale, proof } };
    }
    let found = faults();
    let refused = query.get("error").map(provider::why);
    let ended = matches!(*SESSION.read(), Session::Anonymous { ended: true });
    let server = SERVER.read().clone();
    let show_label = if shown() {
        t("signin.hide")
    } else {
        t("signin.show")
    };
    rsx! {
        Front { locale,
            form { class: "si-in", novalidate: true, onsubmit: submit,
                div {
                    h1 { {t("signin.title")} }
                    p { class: "lead", {tf("signin.lead", &[("host", &browser::host())])} }
                }
                if let Some(words) = &found.form {
                    div { class: "banner", "data-status": "FAILED", role: "alert", Icon { name: "alert" } span { "{words}" } }
                } else if let Some(words) = refused {
                    div { class: "banner", "data-status": "FAILED", role: "alert", Icon { name: "alert" } span { "{words}" } }
                } else if ended {
                    div { class: "banner", role: "status", Icon { name: "info" } span { {t("signin.ended")} } }
                } else if server.as_ref().is_some_and(|server| server.first_run) {
                    div { class: "banner", role: "status", Icon { name: "info" } span { {t("signin.first_run")} } }
                }
                div { class: "form",
                    Entry { class: "input input-lg", id: "email", label: t("signin.email"), kind: "email", complete: "username", value: email, error: found.email.clone() }
                    Field { id: "password", label: t("signin.password"), error: found.password.clone(),
                        div { class: "affix",
                            input {
                                class: "input input-lg", id: "password", name: "password", autocomplete: "current-password",
                                r#type: if shown() { "text" } else { "password" },
                                "aria-invalid": found.password.is_some().then_some("true"),
                                "aria-describedby": found.password.is_some().then_some("password-note"),
                                value: "{password}",
                                oninput: move |event| password.set(event.value()),
                            }
                            span { class: "end",
                                button { class: "icon-btn", r#type: "button", "aria-label": "{show_label}", title: "{show_label}",
                                    "aria-pressed": if shown() { "true" } else { "false" },
                                    onclick: move |_| shown.toggle(),
                                    Icon { name: "eye" }
                                }
                            }
                        }
                    }
                    if let Some(entered) = code() {
                        Field { id: "code", label: t("signin.code"), error: found.code.clone(), hint: t("signin.code_hint"),
                            input {
                                class: "input input-lg mono", id: "code", name: "code", autocomplete: "one-time-code", inputmode: "text",
                                "aria-invalid": found.code.is_some().then_some("true"),
                                "aria-describedby": "code-note",
                                value: "{entered}",
                                oninput: move |event| code.set(Some(event.value())),
                            }
                        }
                    }
                    Submit { label: t("signin.submit"), busy: busy() }
                    if let Some(oidc) = server.as_ref().and_then(|server| server.oidc.clone()) {
                        Button { locale, oidc, back: way_back }
                    }
                }
                p { class: "lead",
                    Link { to: Route::ResetPassword { locale, query: Params::default() }, {t("signin.forgotten")} }
                    if server.as_ref().is_some_and(ServerInfo::takes_people) {
                        " · "
                        Link { to: Route::SignUp { locale, query: Params::default() }, {t("signin.new_here")} }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::runs::data::UserErrorCode;

    #[test]
    fn a_sign_in_ends_only_on_our_own_pages() {
        assert_eq!(safe_back(Some("/en/runs?x=1")), Some("/en/runs?x=1"));
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
        ] {
            assert_eq!(safe_back(Some(elsewhere)), None, "{elsewhere}");
        }
    }

    #[test]
    fn errors_of_the_server_stand_at_their_field() {
        let error = |field: Option<&str>| UserError {
            code: UserErrorCode::Conflict,
            message: "no".to_owned(),
            field: field.map(|name| vec![name.to_owned()]),
        };
        let errors = [error(Some("password")), error(None)];
        let faults = Faults::of_answer(&errors, |error| error.message.clone());
        assert_eq!(faults.password.as_deref(), Some("no"));
        assert_eq!(faults.form.as_deref(), Some("no"));
        assert_eq!(faults.email, None);
    }
}
