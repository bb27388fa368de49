//! How the installation is.

use dioxus::prelude::*;

use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::ui::Skeleton;

/// How the installation is.
#[component]
pub fn Monitoring(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.monitoring"))]);
    rsx! { Skeleton {} }
}
