//! One run with its log.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::ui::Skeleton;

/// One run.
#[component]
pub fn Run(locale: Locale, id: String, query: Params, hash: String) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.runs"))]);
    rsx! { Skeleton {} }
}
