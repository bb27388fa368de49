//! The state of a server's form: what was saved, what is typed, what is wrong at which field.

use dioxus::prelude::*;

use super::data::Detail;
use super::draft::{Draft, Fault};
use crate::i18n::{Locale, t};
use crate::pages::runs::data::UserError;

/// Fields of the first step that show what is wrong with them.
const FIELDS: [&str; 11] = [
    "name",
    "address",
    "port",
    "username",
    "privateKey",
    "passphrase",
    "password",
    "jumpServerId",
    "tags",
    "shared",
    "checkIntervalSeconds",
];

/// Signals of one form.
#[derive(Clone, Copy, PartialEq)]
pub struct Form {
    pub draft: Signal<Draft>,
    pub saved: Signal<Draft>,
    /// Path of a field and what is wrong with it.
    pub errors: Signal<Vec<(String, String)>>,
}

/// Makes the state; of a server that is there, with what it has.
pub fn use_form(server: Option<&Detail>) -> Form {
    let saved = server.map(Draft::from).unwrap_or_default();
    Form {
        draft: use_signal(|| saved.clone()),
        saved: use_signal(|| saved),
        errors: use_signal(Vec::new),
    }
}

/// What the API says is wrong, in the language of the page. Its own words, which are English, tell more than ours.
pub fn said(error: &UserError) -> String {
    let path = error.path();
    match (Locale::current(), head(&path)) {
        (Locale::En, _) => error.message.clone(),
        (Locale::Es, field @ ("name" | "tags")) => error.words_at(field),
        (Locale::Es, field) => error.words_at(&format!("server.{field}")),
    }
}

/// The field that a path begins with: a tag's place in the list says nothing.
fn head(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

impl Form {
    pub fn dirty(self) -> bool {
        *self.draft.read() != *self.saved.read()
    }

    /// Changes the draft; what was wrong with the field is forgotten.
    pub fn edit(mut self, path: &str, change: impl FnOnce(&mut Draft)) {
        change(&mut self.draft.write());
        if self.errors.peek().iter().any(|(at, _)| at == path) {
            self.errors.write().retain(|(at, _)| at != path);
        }
    }

    /// Takes an address apart that came with a user or a port; what needs nothing stays as it is, with its faults.
    pub fn tidy(self) {
        let mut draft = self.draft.peek().clone();
        draft.tidy();
        if draft != *self.draft.peek() {
            self.edit("address", |typed| *typed = draft);
        }
    }

    /// What is wrong with a field.
    pub fn error(self, path: &str) -> Option<String> {
        let errors = self.errors.read();
        errors
            .iter()
            .find(|(at, _)| at == path)
            .map(|(_, text)| text.clone())
    }

    /// Goes back to what is saved.
    pub fn discard(mut self) {
        let saved = self.saved.peek().clone();
        self.draft.set(saved);
    }

    /// What is typed is what is saved now.
    pub fn settle(mut self) {
        let typed = self.draft.peek().clone();
        self.saved.set(typed);
        self.errors.write().clear();
    }

    /// Whether all that can be judged here is well; else the fields say what is not. `server` is the one that is changed.
    pub fn check(mut self, server: Option<&Detail>) -> bool {
        self.tidy();
        let wrong = self.draft.peek().check(server);
        let words = |(path, fault): (&str, Fault)| {
            let words = match fault {
                Fault::Required => t("fault.required"),
                Fault::NotAPort => t("refused.smtp.port.invalid"),
                Fault::NotChosen => t("servers.hop_not_chosen"),
            };
            (path.to_owned(), words)
        };
        let wrong: Vec<(String, String)> = wrong.into_iter().map(words).collect();
        let well = wrong.is_empty();
        self.errors.set(wrong);
        well
    }

    /// Says the same at several fields.
    pub fn blame(mut self, paths: Vec<String>, words: &str) {
        let all = paths.into_iter().map(|path| (path, words.to_owned()));
        self.errors.set(all.collect());
    }

    /// Shows at the fields why the API refused; false where none of the reasons has a field here.
    pub fn refuse(mut self, errors: &[UserError]) -> bool {
        let at_fields: Vec<(String, String)> = errors
            .iter()
            .map(|error| (head(&error.path()).to_owned(), said(error)))
            .filter(|(path, _)| FIELDS.contains(&path.as_str()))
            .collect();
        let any = !at_fields.is_empty();
        self.errors.set(at_fields);
        any
    }
}
