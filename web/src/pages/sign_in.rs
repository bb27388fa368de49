//! Signing in. Goes back to where the person was headed.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, ApiErrorKind, schema};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::layout::{LanguageMenu, ThemeMenu};
use crate::pages::runs::data::UserError;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, SERVER, SESSION, Session, Viewer};
use crate::ui::{BrandMark, Field, Icon, error_text};

#[derive(cynic::InputObject)]
struct SignInInput {
    email: String,
    password: String,
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
    form: Option<String>,
}

impl Faults {
    fn of_entries(email: &str, password: &str) -> Option<Self> {
        let faults = Self {
            email: email.trim().is_empty().then(|| t("signin.email_missing")),
            password: password.is_empty().then(|| t("signin.password_missing")),
            form: None,
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
                _ => &mut faults.form,
            };
            place.get_or_insert_with(|| words(error));
        }
        faults
    }
}

/// Only a path of our own: an address from elsewhere must not choose where a sign-in ends.
fn safe_back(back: Option<&str>) -> Option<&str> {
    back.filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'))
}

/// The sign-in page.
#[component]
pub fn SignIn(locale: Locale, query: Params) -> Element {
    let mut email = use_signal(String::new);
    let mut password = use_signal(String::new);
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
            browser::focus(if found.email.is_some() {
                "email"
            } else {
                "password"
            });
            faults.set(found);
            return;
        }
        busy.set(true);
        let input = SignInInput {
            email: email().trim().to_owned(),
            password: password(),
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
                let found = Faults::of_answer(&answer.sign_in.user_errors, UserError::words);
                browser::focus(if found.email.is_some() {
                    "email"
                } else {
                    "password"
                });
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

    let found = faults();
    let ended = matches!(*SESSION.read(), Session::Anonymous { ended: true });
    let server = SERVER.read().clone();
    let show_label = if shown() {
        t("signin.hide")
    } else {
        t("signin.show")
    };
    rsx! {
        main { class: "si",
            div { class: "si-form",
                Link { class: "brand", to: Route::Overview { locale, query: Params::default() }, BrandMark {} {t("app.name")} }
                form { class: "si-in", novalidate: true, onsubmit: submit,
                    div {
                        h1 { {t("signin.title")} }
                        p { class: "lead", {tf("signin.lead", &[("host", &browser::host())])} }
                    }
                    if let Some(words) = &found.form {
                        div { class: "banner", "data-status": "FAILED", role: "alert", Icon { name: "alert" } span { "{words}" } }
                    } else if ended {
                        div { class: "banner", role: "status", Icon { name: "info" } span { {t("signin.ended")} } }
                    } else if server.as_ref().is_some_and(|server| server.first_run) {
                        div { class: "banner", role: "status", Icon { name: "info" } span { {t("signin.first_run")} } }
                    }
                    div { class: "form",
                        Field { id: "email", label: t("signin.email"), error: found.email.clone(),
                            input {
                                class: "input input-lg", id: "email", name: "email", r#type: "email", autocomplete: "username",
                                "aria-invalid": found.email.is_some().then_some("true"),
                                "aria-describedby": found.email.is_some().then_some("email-note"),
                                value: "{email}",
                                oninput: move |event| email.set(event.value()),
                            }
                        }
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
                        button { class: "btn btn-primary btn-lg btn-wide", r#type: "submit", "aria-busy": if busy() { "true" } else { "false" },
                            if busy() {
                                span { class: "spinner", "aria-hidden": "true" }
                                {t("signin.busy")}
                            } else {
                                {t("signin.submit")}
                            }
                        }
                    }
                }
                div { class: "si-foot",
                    span {
                        if let Some(server) = server {
                            "Cronium {server.version}"
                        }
                    }
                    span { class: "toolbar", LanguageMenu { class: "icon-btn" } ThemeMenu {} }
                }
            }
            div { class: "si-art", Dial {} }
        }
    }
}

/// The day as a dial, with its hand at this moment.
#[component]
fn Dial() -> Element {
    let minutes = {
        let now = browser::now_ms();
        (now / 60_000.0 - browser::utc_offset_minutes(now)).rem_euclid(1_440.0)
    };
    let (hand_x, hand_y) = at(minutes / 1_440.0, 205.0);
    rsx! {
        svg { class: "dial", view_box: "0 0 520 520", "aria-hidden": "true",
            for tick in 0..96_u32 {
                Tick { key: "{tick}", tick, passed: f64::from(tick) * 15.0 <= minutes }
            }
            for (hour, x, y) in [("00", 260.0, 10.0), ("06", 510.0, 260.0), ("12", 260.0, 510.0), ("18", 10.0, 260.0)] {
                text { key: "{hour}", x: "{x}", y: "{y}", "{hour}" }
            }
            line { class: "hand", x1: "260", y1: "260", x2: "{hand_x:.1}", y2: "{hand_y:.1}" }
            circle { cx: "260", cy: "260", r: "5" }
        }
    }
}

/// A point at a share of the day and a distance from the middle.
fn at(share: f64, distance: f64) -> (f64, f64) {
    let angle = share * std::f64::consts::TAU;
    (260.0 + distance * angle.sin(), 260.0 - distance * angle.cos())
}

#[component]
fn Tick(tick: u32, passed: bool) -> Element {
    let share = f64::from(tick) / 96.0;
    let hour = tick.is_multiple_of(4);
    let (x1, y1) = at(share, 222.0);
    let (x2, y2) = at(share, if hour { 234.0 } else { 228.0 });
    let (x3, y3) = at(share, 212.0);
    let (x4, y4) = at(share, if hour { 186.0 } else { 196.0 });
    rsx! {
        line { class: if hour { "tick-hour" } else { "tick" }, x1: "{x1:.1}", y1: "{y1:.1}", x2: "{x2:.1}", y2: "{y2:.1}" }
        line {
            class: if passed { "bar" } else { "next" },
            "data-status": passed.then_some("SUCCEEDED"),
            x1: "{x3:.1}", y1: "{y3:.1}", x2: "{x4:.1}", y2: "{y4:.1}",
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
