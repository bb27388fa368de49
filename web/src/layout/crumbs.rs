//! Where we are: the page says it, the top bar and the window's title show it.

use dioxus::prelude::*;

use crate::browser;
use crate::i18n::t;
use crate::routes::Route;

/// One step of the way. The last one has no address.
#[derive(Clone, Debug, PartialEq)]
pub struct Crumb {
    /// The words.
    pub text: String,
    /// Where a click leads.
    pub to: Option<Route>,
}

impl Crumb {
    /// A step that leads somewhere.
    pub fn link(text: impl Into<String>, to: Route) -> Self {
        Self {
            text: text.into(),
            to: Some(to),
        }
    }

    /// The page itself.
    pub fn here(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            to: None,
        }
    }
}

pub(super) static CRUMBS: GlobalSignal<Vec<Crumb>> = Signal::global(Vec::new);

/// Tells the top bar and the window's title where we are.
pub fn use_crumbs(crumbs: Vec<Crumb>) {
    use_effect(use_reactive((&crumbs,), |(crumbs,)| {
        let here = crumbs
            .last()
            .map(|crumb| format!("{} · ", crumb.text))
            .unwrap_or_default();
        browser::set_title(&format!("{here}{}", t("app.name")));
        if *CRUMBS.peek() != crumbs {
            *CRUMBS.write() = crumbs;
        }
    }));
}

/// The way as links. The only step of a list page is its heading.
#[component]
pub(super) fn Crumbs() -> Element {
    let crumbs = CRUMBS.read().clone();
    let single = crumbs.len() == 1;
    rsx! {
        nav { class: "crumbs", "aria-label": t("nav.breadcrumb"),
            ol {
                for (at, crumb) in crumbs.into_iter().enumerate() {
                    li { key: "{at}",
                        if let Some(to) = crumb.to {
                            Link { to, "{crumb.text}" }
                        } else if single {
                            h1 { "{crumb.text}" }
                        } else {
                            span { "aria-current": "page", "{crumb.text}" }
                        }
                    }
                }
            }
        }
    }
}
