//! The smallest Dioxus application with a router: `just bench` compares the dashboard's first visit with
//! it. Must not use anything of the dashboard.

use dioxus::prelude::*;

#[derive(Clone, PartialEq, Routable)]
enum Route {
    #[route("/")]
    Home {},
    #[route("/en/other")]
    Other {},
}

fn main() {
    launch(App);
}

#[cfg(target_arch = "wasm32")]
fn launch(app: fn() -> Element) {
    dioxus::launch(app);
}

/// Outside a browser there is no page, and nothing happens.
#[cfg(not(target_arch = "wasm32"))]
fn launch(_: fn() -> Element) {}

#[component]
fn App() -> Element {
    rsx! { Router::<Route> {} }
}

#[component]
fn Home() -> Element {
    let mut clicks = use_signal(|| 0);
    rsx! {
        h1 { "Hello, world" }
        button { onclick: move |_| clicks += 1, "Clicked {clicks} times" }
        Link { to: Route::Other {}, "Elsewhere" }
    }
}

#[component]
fn Other() -> Element {
    rsx! {
        h1 { "Elsewhere" }
        Link { to: Route::Home {}, "Back" }
    }
}
