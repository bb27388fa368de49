//! The dashboard's words in each language: catalogues of key and text, where `{name}` stands for a
//! parameter. A test holds the catalogues to the same keys. Knows no page.

mod en;
mod es;

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use dioxus::prelude::*;

use crate::browser;

/// One file of a catalogue: key and text.
pub type Texts = &'static [(&'static str, &'static str)];

/// A language that the dashboard speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locale {
    #[default]
    En,
    Es,
}

const STORED: &str = "cronium-locale";

/// The language that texts are read in; the address decides it.
static CURRENT: GlobalSignal<Locale> = Signal::global(Locale::default);

impl Locale {
    /// Every language, in the order of the menu.
    pub const ALL: [Self; 2] = [Self::En, Self::Es];

    /// The tag, as in the address and in `lang`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }

    /// The language's own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Es => "Español",
        }
    }

    fn catalogue(self) -> &'static [Texts] {
        match self {
            Self::En => en::ALL,
            Self::Es => es::ALL,
        }
    }

    /// What only the editor's part says.
    fn editor(self) -> Texts {
        match self {
            Self::En => en::editor::TEXTS,
            Self::Es => es::editor::TEXTS,
        }
    }

    /// What only the servers' part says.
    fn servers(self) -> Texts {
        match self {
            Self::En => en::servers::TEXTS,
            Self::Es => es::servers::TEXTS,
        }
    }

    /// What only the terminals' part says.
    fn terminals(self) -> Texts {
        match self {
            Self::En => en::terminals::TEXTS,
            Self::Es => es::terminals::TEXTS,
        }
    }

    /// The language chosen before, else the first that the browser asks for and we have.
    pub fn preferred() -> Self {
        let mut asked = browser::stored(STORED).into_iter().chain(browser::languages());
        asked
            .find_map(|tag| tag.split('-').next()?.parse().ok())
            .unwrap_or_default()
    }

    /// Makes this the language of the page, for this visit and the next.
    pub fn activate(self) {
        if *CURRENT.peek() != self {
            *CURRENT.write() = self;
        }
        browser::root_attribute("lang", Some(self.tag()));
        browser::store(STORED, Some(self.tag()));
    }

    /// The language of the page. A component that reads it follows its changes.
    pub fn current() -> Self {
        *CURRENT.read()
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.tag())
    }
}

/// A language that the dashboard does not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such language")]
pub struct UnknownLocale;

impl FromStr for Locale {
    type Err = UnknownLocale;

    fn from_str(tag: &str) -> Result<Self, UnknownLocale> {
        Self::ALL
            .into_iter()
            .find(|locale| locale.tag() == tag)
            .ok_or(UnknownLocale)
    }
}

/// Words by language, in the order of [`Locale::ALL`].
type Spoken = [Texts; 2];

thread_local! {
    /// Words that came with parts of the application: the editor's, the servers', and the terminals'.
    static BROUGHT: Cell<[Spoken; 3]> = const { Cell::new([[&[], &[]], [&[], &[]], [&[], &[]]]) };
}

/// Brings the editor's words. Whoever calls this is in its part, and so are they: they cost the first visit nothing.
pub fn bring_editor() {
    bring(0, Locale::ALL.map(Locale::editor));
}

/// Brings the words of the pages of servers, in the same way.
pub fn bring_servers() {
    bring(1, Locale::ALL.map(Locale::servers));
}

/// Brings the words of the pages of terminals, in the same way.
pub fn bring_terminals() {
    bring(2, Locale::ALL.map(Locale::terminals));
}

fn bring(part: usize, words: Spoken) {
    let mut brought = BROUGHT.get();
    brought[part] = words;
    BROUGHT.set(brought);
}

fn find(locale: Locale, key: &str) -> Option<&'static str> {
    let brought = BROUGHT.get().map(|part| part[locale as usize]);
    locale
        .catalogue()
        .iter()
        .chain(&brought)
        .flat_map(|texts| texts.iter())
        .find(|(name, _)| *name == key)
        .map(|(_, text)| *text)
}

/// The text of a key in the language of the page.
pub fn t(key: &str) -> String {
    // The key itself is better than nothing; a test keeps it from ever being seen.
    find(Locale::current(), key).unwrap_or(key).to_owned()
}

/// The text of a key that may not exist.
pub fn known(key: &str) -> Option<String> {
    find(Locale::current(), key).map(str::to_owned)
}

/// The text of a key with its parameters filled in.
pub fn tf(key: &str, parameters: &[(&str, &str)]) -> String {
    fill(&t(key), parameters)
}

/// The text for a count: `key.one` or `key.other`, with `{n}` filled in.
pub fn tn(key: &str, count: u64) -> String {
    let form = if count == 1 { "one" } else { "other" };
    tf(&format!("{key}.{form}"), &[("n", &group_digits(count))])
}

fn fill(text: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = text.to_owned();
    for (name, value) in parameters {
        out = out.replace(&format!("{{{name}}}"), value);
    }
    out
}

/// A whole number with its thousands apart, as the language of the page writes it.
pub fn group_digits(number: u64) -> String {
    let separator = match Locale::current() {
        Locale::En => ',',
        Locale::Es => '.',
    };
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
