//! The theme: as the system has it, light or dark. The choice is kept by the browser and set before
//! the first paint by the boot script, which reads the same key.

use dioxus::prelude::*;

use crate::browser;

const STORED: &str = "cronium-theme";

static CURRENT: GlobalSignal<Theme> = Signal::global(Theme::stored);

/// A choice of theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The choice made before.
    fn stored() -> Self {
        match browser::stored(STORED).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::System,
        }
    }

    /// The theme of the page. A component that reads it follows its changes.
    pub fn current() -> Self {
        *CURRENT.read()
    }

    /// Makes this the theme, now and for the next visit.
    pub fn activate(self) {
        let name = match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        };
        browser::store(STORED, name);
        browser::root_attribute("data-theme", name);
        *CURRENT.write() = self;
    }

    /// The key of its name.
    pub fn key(self) -> &'static str {
        match self {
            Self::System => "theme.system",
            Self::Light => "theme.light",
            Self::Dark => "theme.dark",
        }
    }

    /// Its icon.
    pub fn icon(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "sun",
            Self::Dark => "moon",
        }
    }
}
