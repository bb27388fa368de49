//! For addresses that lead nowhere.

use dioxus::prelude::*;

use crate::browser;
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{BrandMark, Icon};

/// An address that begins with no language: says so on a page of its own, and leads home.
#[component]
pub fn NotFound(path: Vec<String>) -> Element {
    let locale = Locale::preferred();
    use_hook(|| locale.activate());
    use_effect(|| browser::set_title(&format!("{} · {}", t("not_found.title"), t("app.name"))));
    rsx! {
        main { class: "main lost", id: "content",
            Link { class: "brand", to: home(locale), BrandMark {} {t("app.name")} }
            Nowhere { locale }
        }
    }
}

/// An address within the dashboard: the navigation stays.
#[component]
pub fn Missing(locale: Locale, path: Vec<String>) -> Element {
    use_crumbs(vec![Crumb {
        text: t("not_found.crumb"),
        to: Some(home(locale)),
    }]);
    rsx! { Nowhere { locale } }
}

fn home(locale: Locale) -> Route {
    Route::Overview {
        locale,
        query: Params::default(),
    }
}

#[component]
fn Nowhere(locale: Locale) -> Element {
    rsx! {
        div { class: "empty empty-page",
            Icon { name: "search" }
            h1 { {t("not_found.title")} }
            p { {t("not_found.text")} }
            div { class: "acts",
                Link { class: "btn btn-primary", to: home(locale), {t("not_found.home")} }
            }
        }
    }
}
