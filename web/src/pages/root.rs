//! The bare address leads to the overview in the person's language.

use dioxus::prelude::*;

use crate::i18n::Locale;
use crate::params::Params;
use crate::routes::Route;

/// Redirects to the overview.
#[component]
pub fn Root() -> Element {
    let navigator = use_navigator();
    use_effect(move || {
        navigator.replace(Route::Overview {
            locale: Locale::preferred(),
            query: Params::default(),
        });
    });
    rsx! {}
}
