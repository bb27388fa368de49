//! The pages of people who are not signed in: signing in and up, and a new password. They share a frame.

mod dial;
mod provider;
mod reset;
mod sign_in;
mod sign_up;

use dioxus::prelude::*;

use crate::api::ApiErrorKind;
use crate::browser;
use crate::i18n::{Locale, t};
use crate::layout::{LanguageMenu, ThemeMenu};
use crate::pages::runs::data::Refusal;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{PROOF, SERVER};
use crate::ui::{BrandMark, Icon, error_text};

use dial::Dial;

pub use reset::ResetPassword;
pub use sign_in::SignIn;
pub use sign_up::SignUp;

/// Brand above, language and theme below, the dial beside.
#[component]
fn Front(locale: Locale, children: Element) -> Element {
    let server = SERVER.read().clone();
    rsx! {
        main { class: "si",
            div { class: "si-form",
                Link { class: "brand", to: Route::Overview { locale, query: Params::default() }, BrandMark {} {t("app.name")} }
                {children}
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

#[component]
fn Submit(label: String, busy: bool) -> Element {
    rsx! {
        button { class: "btn btn-primary btn-lg btn-wide", r#type: "submit", "aria-busy": if busy { "true" } else { "false" },
            if busy {
                span { class: "spinner", "aria-hidden": "true" }
                {t("enter.busy")}
            } else {
                "{label}"
            }
        }
    }
}

/// What a form came to: nothing yet, words for its fields, or its end.
#[derive(Clone, Default, PartialEq)]
struct Outcome {
    wrong: Vec<(String, String)>,
    /// Words that stand instead of the form.
    done: Option<String>,
}

impl Outcome {
    fn done(words: String) -> Self {
        Self {
            done: Some(words),
            ..Self::default()
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let wrong = match refusal {
            Refusal::Refused(errors) => errors
                .iter()
                .map(|error| match error.path() {
                    // Here it is a new one, not the one that does not fit.
                    path if path == "password" => (path, error.words_at("newPassword")),
                    path => (path, error.words()),
                })
                .collect(),
            Refusal::Failed(error) => {
                let words = match error.kind {
                    ApiErrorKind::Offline => t("signin.offline"),
                    ApiErrorKind::RateLimited => t("signin.rate_limited"),
                    _ => error_text(error),
                };
                vec![(String::new(), words)]
            }
        };
        browser::focus_invalid();
        Self { wrong, done: None }
    }

    fn at(&self, path: &str) -> Option<String> {
        let found = self.wrong.iter().find(|(at, _)| at == path);
        found.map(|(_, words)| words.clone())
    }

    /// What stands at none of these fields.
    fn elsewhere(&self, fields: &[&str]) -> Option<String> {
        let found = self.wrong.iter().find(|(at, _)| !fields.contains(&at.as_str()));
        found.map(|(_, words)| words.clone())
    }
}

/// A form, or what it came to and the way to sign in.
#[component]
fn Form(
    locale: Locale,
    title: String,
    lead: String,
    submit: String,
    busy: bool,
    done: Option<String>,
    problem: Option<String>,
    onsubmit: EventHandler<()>,
    children: Element,
) -> Element {
    let page = title.clone();
    use_effect(use_reactive((&page,), |(page,)| {
        browser::set_title(&format!("{page} · {}", t("app.name")));
    }));
    rsx! {
        Front { locale,
            form { class: "si-in", novalidate: true,
                onsubmit: move |event: FormEvent| {
                    event.prevent_default();
                    if !busy {
                        onsubmit.call(());
                    }
                },
                div {
                    h1 { "{title}" }
                    p { class: "lead", "{lead}" }
                }
                if let Some(words) = problem {
                    div { class: "banner", "data-status": "FAILED", role: "alert", Icon { name: "alert" } span { "{words}" } }
                }
                if let Some(words) = done {
                    div { class: "banner", role: "status", Icon { name: "info" } span { "{words}" } }
                } else {
                    div { class: "form",
                        {children}
                        Submit { label: submit, busy }
                    }
                }
                p { class: "lead",
                    // Whoever goes back owes no code any more.
                    Link { to: Route::SignIn { locale, query: Params::default() }, onclick: move |_| *PROOF.write() = None, {t("enter.back")} }
                }
            }
        }
    }
}
