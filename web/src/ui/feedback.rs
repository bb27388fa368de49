//! What stands where data is missing: not yet there, none, failed, or cut off.

use dioxus::prelude::*;

use super::Icon;
use crate::api::{ApiError, ApiErrorKind};
use crate::i18n::{t, tf};

/// Grey lines where text will stand.
#[component]
pub fn Skeleton(#[props(default = 4)] lines: usize) -> Element {
    const WIDTHS: [&str; 4] = ["skel skel-40", "skel skel-90", "skel skel-60", "skel skel-20"];
    rsx! {
        div { class: "pane-body stack", role: "status", "aria-busy": "true", "aria-label": t("loading"),
            for line in 0..lines {
                span { key: "{line}", class: WIDTHS[line % WIDTHS.len()] }
            }
        }
    }
}

/// Nothing is there: what that means, and what to do next (as children).
#[component]
pub fn Empty(icon: String, title: String, text: String, children: Element) -> Element {
    rsx! {
        div { class: "empty",
            Icon { name: icon }
            p { class: "title", "{title}" }
            p { "{text}" }
            div { class: "acts", {children} }
        }
    }
}

/// The words for a failure.
pub fn error_text(error: &ApiError) -> String {
    match error.kind {
        ApiErrorKind::Offline => t("error.offline"),
        ApiErrorKind::NotFound => t("error.not_found"),
        ApiErrorKind::RateLimited => t("error.rate_limited"),
        ApiErrorKind::Unauthenticated | ApiErrorKind::Refused | ApiErrorKind::Other => error.message.clone(),
    }
}

/// A failure, why, and a way to try again.
#[component]
pub fn ErrorNotice(error: ReadSignal<ApiError>, onretry: EventHandler) -> Element {
    let error = error.read();
    rsx! {
        div { class: "empty", role: "alert",
            Icon { name: "alert" }
            p { class: "title", {t("error.title")} }
            p { {error_text(&error)} }
            if let Some(id) = &error.request_id {
                p { class: "num dim", {tf("error.request_id", &[("id", id)])} }
            }
            div { class: "acts",
                button { class: "btn", r#type: "button", onclick: move |_| onretry.call(()),
                    Icon { name: "retry" }
                    {t("error.retry")}
                }
            }
        }
    }
}

/// Whether results flow by themselves.
#[component]
pub fn Live(on: bool) -> Element {
    rsx! {
        if on {
            span { class: "live", {t("live.on")} }
        } else {
            span { class: "sub", role: "status", {t("live.off")} }
        }
    }
}
