//! Short messages that float for a while and go by themselves.

use std::time::Duration;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

use super::{Icon, JobStatus, error_text};
use crate::api::ApiError;
use crate::browser;
use crate::i18n::t;

#[derive(Clone, PartialEq)]
struct Message {
    id: u64,
    status: JobStatus,
    title: String,
    text: String,
}

static MESSAGES: GlobalSignal<Vec<Message>> = Signal::global(Vec::new);
static NEXT: GlobalSignal<u64> = Signal::global(|| 0);
const SHOWN: Duration = Duration::from_secs(7);

/// Shows a message. The status gives its colour and icon.
pub fn toast(status: JobStatus, title: impl Into<String>, text: impl Into<String>) {
    let id = *NEXT.peek();
    *NEXT.write() = id + 1;
    MESSAGES.write().push(Message {
        id,
        status,
        title: title.into(),
        text: text.into(),
    });
    spawn_forever(async move {
        browser::sleep(SHOWN).await;
        dismiss(id);
    });
}

/// Shows why something was not done.
pub fn toast_error(title: impl Into<String>, error: &ApiError) {
    toast(JobStatus::Failed, title, error_text(error));
}

fn dismiss(id: u64) {
    MESSAGES.write().retain(|message| message.id != id);
}

/// The place where messages stand; once in the application.
#[component]
pub fn Toasts() -> Element {
    rsx! {
        div { class: "toasts", role: "region", "aria-live": "polite", "aria-label": t("toast.region"),
            for message in MESSAGES.read().iter().cloned() {
                div { key: "{message.id}", class: "toast", role: "status", "data-status": message.status.name(),
                    Icon { name: message.status.icon() }
                    b { "{message.title}" }
                    button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": t("toast.dismiss"), title: t("toast.dismiss"),
                        onclick: move |_| dismiss(message.id),
                        Icon { name: "x" }
                    }
                    if !message.text.is_empty() {
                        p { "{message.text}" }
                    }
                }
            }
        }
    }
}
