//! The list of runs.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::ui::Skeleton;

/// The list of runs.
#[component]
pub fn Runs(locale: Locale, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.runs"))]);
    rsx! { Skeleton {} }
}
