//! What an event is made of, in two or three letters.

use dioxus::prelude::*;

use crate::api::schema;

/// What an event is made of.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    Bash,
    Python,
    #[cynic(rename = "NODEJS")]
    NodeJs,
    HttpRequest,
}

impl EventType {
    /// Every type, in the order of menus.
    pub const ALL: [Self; 4] = [Self::Bash, Self::Python, Self::NodeJs, Self::HttpRequest];

    /// The name in the contract and in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "BASH",
            Self::Python => "PYTHON",
            Self::NodeJs => "NODEJS",
            Self::HttpRequest => "HTTP_REQUEST",
        }
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The short mark in lists.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Bash => "sh",
            Self::Python => "py",
            Self::NodeJs => "js",
            Self::HttpRequest => "://",
        }
    }

    /// A proper name, the same in every language.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bash => "Bash",
            Self::Python => "Python",
            Self::NodeJs => "Node.js",
            Self::HttpRequest => "HTTP",
        }
    }
}

/// The letters.
#[component]
pub fn Kind(of: EventType) -> Element {
    rsx! {
        span { class: "kind", title: of.title(), {of.mark()} }
    }
}
