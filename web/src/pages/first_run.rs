//! The first steps.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::ui::Skeleton;

/// The first steps.
#[component]
pub fn FirstRun(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.first_run"))]);
    rsx! { Skeleton {} }
}
