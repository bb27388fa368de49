//! What runs now, and what needs a look.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::ui::Skeleton;

/// The overview.
#[component]
pub fn Overview(locale: Locale, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.overview"))]);
    rsx! { Skeleton {} }
}
