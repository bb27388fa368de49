//! Terminals: those that the viewer has open, in tabs, one by itself, and what is kept of those that have ended.

mod backlog;
mod bar;
mod changes;
mod data;
mod desk;
mod held;
mod open;
mod page;
mod places;
mod player;
mod reading;
mod recordings;
mod screen;
mod seat;
mod shown;
mod stands;
mod tape;
mod typing;
mod work;

use std::time::Duration;

use dioxus::prelude::*;

pub use self::data::Place;
use self::desk::Desk;
pub use self::open::OpenTerminal;
pub use self::page::Terminal;
use self::recordings::Recordings;
use crate::browser;
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, Query};

/// The element that tells how a terminal is used.
const HINT: &str = "terminal-hint";
/// The element that a terminal is put into.
const PANE: &str = "terminal-pane";
/// The element that has the focus when somebody leaves a terminal by its key.
const LEAVE: &str = "terminal-after";
/// What the address calls the list of terminals, as against those in view.
const LIST: &str = "all";
/// How often it is asked what was opened or closed elsewhere: nothing tells of it.
const LOOK: Duration = Duration::from_secs(15);

/// Asks again now and then, as long as the page is there.
fn use_looks<T: 'static>(mut query: Query<T>) {
    use_future(move || async move {
        loop {
            browser::sleep(LOOK).await;
            if !*query.busy.peek() {
                query.reload();
            }
        }
    });
}

/// Open terminals, or the list of all.
#[component]
pub fn Terminals(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.terminals"))]);
    if !session::may(Scope::OpenTerminals) {
        return rsx! { NotYours {} };
    }
    let list = query().get("view") == Some(LIST);
    rsx! {
        div { class: "tabs-row",
            nav { class: "tabs", "aria-label": t("runs.views"),
                Link {
                    class: "tab",
                    to: Route::Terminals { locale, query: Params::default() },
                    "aria-current": (!list).then_some("page"),
                    {t("terminals.view_open")}
                }
                Link {
                    class: "tab",
                    to: Route::Terminals { locale, query: Params::default().with("view", LIST) },
                    "aria-current": list.then_some("page"),
                    {t("terminals.view_all")}
                }
            }
        }
        if list {
            Recordings { locale, query }
        } else {
            Desk { locale, query }
        }
    }
}

#[component]
fn NotYours() -> Element {
    rsx! {
        Empty { icon: "terminal", title: t("terminals.not_yours"), text: t("terminals.not_yours_text") }
    }
}
