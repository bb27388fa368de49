//! For addresses that lead nowhere.

use dioxus::prelude::*;

use crate::browser;
use crate::i18n::{Locale, t};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::Icon;

/// Says that there is no such page, and leads home.
#[component]
pub fn NotFound(path: Vec<String>) -> Element {
    let locale = path
        .first()
        .and_then(|first| first.parse().ok())
        .unwrap_or_else(Locale::preferred);
    use_hook(|| locale.activate());
    use_effect(|| browser::set_title(&format!("{} · {}", t("not_found.title"), t("app.name"))));
    rsx! {
        main { class: "main", id: "main",
            div { class: "empty",
                Icon { name: "search" }
                h1 { {t("not_found.title")} }
                p { {t("not_found.text")} }
                div { class: "acts",
                    Link { class: "btn btn-primary", to: Route::Overview { locale, query: Params::default() }, {t("not_found.home")} }
                }
            }
        }
    }
}
