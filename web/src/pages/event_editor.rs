//! An event: its script, its settings and its test run.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::ui::Skeleton;

/// A new event.
#[component]
pub fn EventNew(locale: Locale, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.new_event"))]);
    rsx! { Skeleton {} }
}

/// An event.
#[component]
pub fn EventEditor(locale: Locale, id: String, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.events"))]);
    rsx! { Skeleton {} }
}
