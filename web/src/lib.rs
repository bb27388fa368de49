//! The dashboard: a single-page application that talks only to the public GraphQL API. It must not
//! know how the server stores or runs anything; what it shows is what any client could ask for.
#![expect(
    missing_debug_implementations,
    reason = "the component macro makes property types that have none"
)]

pub mod api;
pub mod app;
pub mod browser;
pub mod editor;
pub mod i18n;
pub mod layout;
pub mod log;
pub mod pages;
pub mod params;
pub mod routes;
pub mod session;
pub mod status;
pub mod ui;

/// Mounts the application on the page. Outside a browser there is no page, and nothing happens.
pub fn start() {
    #[cfg(target_arch = "wasm32")]
    dioxus::launch(app::App);
}
