//! How a run stands, always as colour, icon and word.

use dioxus::prelude::*;

use super::Icon;
use crate::api::schema;
use crate::i18n::t;

/// The state of a job or an execution.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    Queued,
    Dispatching,
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Partial,
    Skipped,
}

impl JobStatus {
    /// Every status, in the order of filters and legends.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Dispatching,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Lost,
        Self::Partial,
        Self::Skipped,
    ];

    /// The name in the contract and in `data-status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Dispatching => "DISPATCHING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Cancelled => "CANCELLED",
            Self::Lost => "LOST",
            Self::Partial => "PARTIAL",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The status of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The word in the language of the page.
    pub fn word(self) -> String {
        t(&format!("status.{}", self.name().to_ascii_lowercase()))
    }

    /// The icon's name in the sprite.
    pub fn icon(self) -> String {
        format!("s-{}", self.name().to_ascii_lowercase().replace('_', "-"))
    }

    /// Whether it will never change again.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Dispatching | Self::Running)
    }
}

/// Icon and word in a line of text or a table.
#[component]
pub fn Status(status: JobStatus) -> Element {
    rsx! {
        span { class: "status", "data-status": status.name(), Icon { name: status.icon() } {status.word()} }
    }
}

/// Icon and word on the status's soft ground, for heads.
#[component]
pub fn StatusPill(status: JobStatus, #[props(default)] large: bool) -> Element {
    let class = if large {
        "status pill pill-lg"
    } else {
        "status pill"
    };
    rsx! {
        span { class, "data-status": status.name(), Icon { name: status.icon() } {status.word()} }
    }
}

/// The icon beside a name; the word is for screen readers.
#[component]
pub fn StatusIcon(status: JobStatus) -> Element {
    rsx! {
        span { class: "status", "data-status": status.name(), title: status.word(),
            Icon { name: status.icon() }
            span { class: "sr", {status.word()} }
        }
    }
}

/// A small square in a status's colour, always beside a word that says the same.
#[component]
pub fn StatusDot(status: JobStatus) -> Element {
    rsx! {
        span { class: "dot", "data-status": status.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_word_and_icon() {
        let sprite = include_str!("../../assets/icons.svg");
        for status in JobStatus::ALL {
            assert!(
                sprite.contains(&format!("id=\"{}\"", status.icon())),
                "{status:?}"
            );
            assert_eq!(JobStatus::from_name(status.name()), Some(status));
        }
    }
}
