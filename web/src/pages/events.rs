//! The list of events.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::ui::Skeleton;

/// The list of events.
#[component]
pub fn Events(locale: Locale, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.events"))]);
    rsx! { Skeleton {} }
}
