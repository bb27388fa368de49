//! How a server stands, and what kept it from being used: always as colour, icon and word.

use dioxus::prelude::*;

use crate::api::schema;
use crate::i18n::{Locale, t};
use crate::ui::{Icon, JobStatus};

/// How a server stands.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerStatus {
    Unconfirmed,
    Unknown,
    Online,
    Unreachable,
    KeyChanged,
    SignInRefused,
}

/// The statuses that ask for a person, as in an address.
pub const ATTENTION: &str = "UNREACHABLE,KEY_CHANGED,SIGN_IN_REFUSED,UNCONFIRMED";

impl ServerStatus {
    /// Every status, in the order of filters.
    pub const ALL: [Self; 6] = [
        Self::Online,
        Self::Unreachable,
        Self::KeyChanged,
        Self::SignInRefused,
        Self::Unconfirmed,
        Self::Unknown,
    ];

    /// The name in the contract and in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Unknown => "UNKNOWN",
            Self::Online => "ONLINE",
            Self::Unreachable => "UNREACHABLE",
            Self::KeyChanged => "KEY_CHANGED",
            Self::SignInRefused => "SIGN_IN_REFUSED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The word in the language of the page.
    pub fn word(self) -> String {
        t(match self {
            Self::Unconfirmed => "servers.status.unconfirmed",
            Self::Unknown => "servers.status.unknown",
            Self::Online => "servers.status.online",
            Self::Unreachable => "servers.status.unreachable",
            Self::KeyChanged => "servers.status.key_changed",
            Self::SignInRefused => "servers.status.sign_in_refused",
        })
    }

    /// The status of a run that has the same colour.
    pub fn colour(self) -> JobStatus {
        match self {
            Self::Unconfirmed => JobStatus::Partial,
            Self::Unknown => JobStatus::Queued,
            Self::Online => JobStatus::Succeeded,
            Self::Unreachable => JobStatus::Lost,
            Self::KeyChanged => JobStatus::Failed,
            Self::SignInRefused => JobStatus::TimedOut,
        }
    }

    /// The icon's name in the sprite; each has another shape.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Unconfirmed => "s-partial",
            Self::Unknown => "s-queued",
            Self::Online => "s-succeeded",
            Self::Unreachable => "s-lost",
            Self::KeyChanged => "alert",
            Self::SignInRefused => "lock",
        }
    }

    /// Whether a person is to look at it.
    pub fn asks(self) -> bool {
        !matches!(self, Self::Online | Self::Unknown)
    }

    /// Why it stands so, and what to do. The API says it in English; `trouble` is that of the last check.
    pub fn reason(self, said: Option<&str>, trouble: Option<ServerTrouble>) -> Option<String> {
        if Locale::current() == Locale::En
            && let Some(said) = said
        {
            return Some(said.to_owned());
        }
        let key = match self {
            Self::Online => return None,
            Self::Unconfirmed => "servers.reason.unconfirmed",
            Self::Unknown => "servers.reason.unknown",
            Self::KeyChanged => "servers.reason.key_changed",
            Self::SignInRefused => "servers.reason.sign_in_refused",
            Self::Unreachable => return Some(trouble.unwrap_or(ServerTrouble::Other).words()),
        };
        Some(t(key))
    }
}

/// What kept a server from being used.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTrouble {
    Unresolved,
    Refused,
    Silent,
    NotSsh,
    KeyChanged,
    Denied,
    BadKey,
    NoSession,
    NoShell,
    Jump,
    NoOrchestrator,
    Other,
}

impl ServerTrouble {
    /// What it is and what to do, in the language of the page.
    pub fn words(self) -> String {
        t(match self {
            Self::Unresolved => "servers.trouble.unresolved",
            Self::Refused => "servers.trouble.refused",
            Self::Silent => "servers.trouble.silent",
            Self::NotSsh => "servers.trouble.not_ssh",
            Self::KeyChanged => "servers.trouble.key_changed",
            Self::Denied => "servers.trouble.denied",
            Self::BadKey => "servers.trouble.bad_key",
            Self::NoSession => "servers.trouble.no_session",
            Self::NoShell => "servers.trouble.no_shell",
            Self::Jump => "servers.trouble.jump",
            Self::NoOrchestrator => "servers.trouble.no_orchestrator",
            Self::Other => "servers.trouble.other",
        })
    }
}

/// Icon and word on the status's soft ground.
#[component]
pub fn ServerPill(status: ServerStatus, #[props(default)] large: bool) -> Element {
    let class = if large {
        "status pill pill-lg"
    } else {
        "status pill"
    };
    rsx! {
        span { class, "data-status": status.colour().name(), Icon { name: status.icon() } {status.word()} }
    }
}

/// The icon beside a name; the word is for screen readers.
#[component]
pub fn ServerMark(status: ServerStatus) -> Element {
    rsx! {
        span { class: "status", "data-status": status.colour().name(), title: status.word(),
            Icon { name: status.icon() }
            span { class: "sr", {status.word()} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_an_icon_and_its_name_reads_back() {
        let sprite = include_str!("../../../assets/icons.svg");
        for status in ServerStatus::ALL {
            assert!(
                sprite.contains(&format!("id=\"{}\"", status.icon())),
                "{status:?}"
            );
            assert_eq!(ServerStatus::from_name(status.name()), Some(status));
        }
    }

    #[test]
    fn the_view_of_what_asks_for_somebody_names_just_those() {
        for status in ServerStatus::ALL {
            let named = ATTENTION.split(',').any(|name| name == status.name());
            assert_eq!(named, status.asks(), "{status:?}");
        }
    }
}
