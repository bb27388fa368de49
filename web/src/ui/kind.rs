//! What language an event is written in, as two letters.

use dioxus::prelude::*;

use crate::api::schema;

/// The language of a script.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    Bash,
    Python,
    #[cynic(rename = "NODEJS")]
    NodeJs,
}

impl EventType {
    /// Every language, in the order of menus.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Python, Self::NodeJs];

    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "Bash",
            Self::Python => "Python",
            Self::NodeJs => "Node.js",
        }
    }

    fn letters(self) -> &'static str {
        match self {
            Self::Bash => "sh",
            Self::Python => "py",
            Self::NodeJs => "js",
        }
    }
}

/// The two letters.
#[component]
pub fn Kind(of: EventType) -> Element {
    rsx! {
        span { class: "kind", title: of.name(), {of.letters()} }
    }
}
