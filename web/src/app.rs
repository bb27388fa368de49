//! The root of the application: the router, and what lives as long as the window.

use dioxus::prelude::*;

use crate::browser;
use crate::routes::Route;
use crate::session;
use crate::ui::Toasts;

/// The root component.
#[component]
pub fn App() -> Element {
    // The router would tidy it away.
    use_hook(|| drop(session::PROOF.peek()));
    use_future(session::watch_connection);
    // The page carries a progress bar until the first rendering stands.
    use_effect(|| browser::remove_element("boot"));
    rsx! {
        Router::<Route> {}
        Toasts {}
    }
}
