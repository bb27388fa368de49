//! The person's own account: profile, password and second factor, sessions, API tokens, limits.

mod password;
mod profile;
mod providers;
mod quota;
mod second_factor;
mod sessions;
mod tokens;

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::session;

/// The account page.
#[component]
pub fn Account(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("account.page"))]);
    let Some(viewer) = session::viewer() else {
        return rsx! {};
    };
    rsx! {
        div { class: "pane account",
            profile::Profile { viewer }
            profile::Looks { locale }
            password::Password {}
            providers::Providers {}
            second_factor::SecondFactor {}
            sessions::Sessions {}
            tokens::Tokens {}
            quota::Limits {}
        }
    }
}
