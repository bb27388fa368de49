//! The state of the event page: what was saved, what is typed, what is wrong. Knows how to save.

use dioxus::prelude::*;

use super::data::{self, Event};
use super::draft::{Checked, Draft, Fault, Problem, Variable, belongs};
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::{JobStatus, Refusal, UserError, UserErrorCode};
use crate::pages::runs::say;
use crate::session;
use crate::ui::toast;

/// Paths of fields that the settings show; the others belong to the script.
const IN_SETTINGS: [&str; 15] = [
    "name",
    "description",
    "tags",
    "shared",
    "environment",
    "target",
    "timeout",
    "inputSchema",
    "retry",
    "overlap",
    "maxConcurrent",
    "idempotent",
    "maxExecutions",
    "comment",
    "labels",
];

/// Signals of one page.
#[derive(Clone, Copy, PartialEq)]
pub struct Form {
    /// The event as saved; none for a new one.
    pub event: Signal<Option<Event>>,
    pub draft: Signal<Draft>,
    pub saved: Signal<Draft>,
    /// Path of a field and what is wrong with it.
    pub errors: Signal<Vec<(String, String)>>,
    pub conflict: Signal<bool>,
    pub saving: Signal<bool>,
    /// Whether the text is one that was left unsaved before.
    pub restored: Signal<bool>,
}

fn storage() -> Option<web_sys::Storage> {
    let document = crate::browser::document()?;
    document.default_view()?.session_storage().ok()?
}

fn key(event: Option<&Event>) -> String {
    let who = session::viewer()
        .map(|viewer| viewer.id.into_inner())
        .unwrap_or_default();
    let what = event.map_or("new".to_owned(), |e| {
        format!("{}-{}", e.id.inner(), e.version.number)
    });
    format!("cronium-draft-{who}-{what}")
}

/// Makes the state of a page, with the text that this window held unsaved, if any.
pub fn use_form(event: Option<Event>) -> Form {
    let saved = event.as_ref().map(Event::draft).unwrap_or_default();
    let kept = use_hook(|| {
        let text = storage()?.get_item(&key(event.as_ref())).ok()??;
        serde_json::from_str::<Draft>(&text).ok()
    });
    let kept = kept.filter(|draft| draft.differs(&saved));
    let form = Form {
        restored: use_signal(|| kept.is_some()),
        draft: use_signal(|| kept.unwrap_or_else(|| saved.clone())),
        saved: use_signal(|| saved),
        event: use_signal(|| event),
        errors: use_signal(Vec::new),
        conflict: use_signal(|| false),
        saving: use_signal(|| false),
    };
    // What is unsaved outlives a reload and the back button.
    use_effect(move || {
        let Some(storage) = storage() else { return };
        let key = key(form.event.read().as_ref());
        // A full or forbidden storage only costs this safety net.
        let _ = match serde_json::to_string(&*form.draft.read()) {
            Ok(text) if form.dirty() => storage.set_item(&key, &text),
            _ => storage.remove_item(&key),
        };
    });
    form
}

impl Form {
    pub fn dirty(self) -> bool {
        self.draft.read().differs(&self.saved.read())
    }

    /// Whether saving would make a new version.
    pub fn makes_version(self) -> bool {
        self.draft.read().makes_version(&self.saved.read())
    }

    /// Changes the draft; what was wrong with the field is forgotten.
    pub fn edit(mut self, path: &str, change: impl FnOnce(&mut Draft)) {
        change(&mut self.draft.write());
        if self.errors.peek().iter().any(|(at, _)| belongs(at, path)) {
            self.errors.write().retain(|(at, _)| !belongs(at, path));
        }
    }

    /// What is wrong with a field.
    pub fn error(self, path: &str) -> Option<String> {
        self.errors
            .read()
            .iter()
            .find(|(at, _)| at == path)
            .map(|(_, text)| text.clone())
    }

    /// What is wrong with a field or with parts of it that have no control of their own.
    pub fn error_within(self, path: &str) -> Option<String> {
        self.errors
            .read()
            .iter()
            .find(|(at, _)| belongs(at, path))
            .map(|(_, text)| text.clone())
    }

    /// What is wrong with the input of a test, by the path within the input.
    pub fn input_errors(self) -> Vec<(String, String)> {
        let errors = self.errors.read();
        let within = errors.iter().filter(|(at, _)| belongs(at, "input"));
        within
            .map(|(at, text)| {
                let inner = at.trim_start_matches("input").trim_start_matches('.');
                (inner.to_owned(), text.clone())
            })
            .collect()
    }

    /// What is wrong with fields that have no control of their own.
    pub fn other_errors(self) -> Vec<String> {
        self.errors
            .read()
            .iter()
            .filter(|(path, _)| !has_field(path))
            .map(|(_, text)| text.clone())
            .collect()
    }

    /// Whether the settings have something to mend.
    pub fn wrong_settings(self) -> bool {
        self.errors
            .read()
            .iter()
            .any(|(path, _)| IN_SETTINGS.contains(&path.split('.').next().unwrap_or_default()))
    }

    /// Reads the form, or says at the fields what is wrong.
    pub fn check(mut self, saving: bool) -> Option<Checked> {
        // A row's place in an error is its place among the rows that are sent.
        if self.draft.peek().environment.iter().any(Variable::is_blank) {
            self.draft.write().environment.retain(|v| !v.is_blank());
        }
        if self.draft.peek().http.headers.iter().any(Variable::is_blank) {
            self.draft.write().http.headers.retain(|v| !v.is_blank());
        }
        let checked = self.draft.peek().check(saving);
        match checked {
            Ok(checked) => {
                self.errors.write().clear();
                Some(checked)
            }
            Err(problems) => {
                self.errors.set(problems.into_iter().map(in_words).collect());
                None
            }
        }
    }

    /// Shows why the API refused.
    pub fn refuse(mut self, title: String, refusal: &Refusal) {
        if let Refusal::Refused(errors) = refusal {
            if errors
                .iter()
                .any(|error| error.code == UserErrorCode::Conflict && self.event.peek().is_some())
            {
                self.conflict.set(true);
                return;
            }
            self.errors
                .set(errors.iter().map(|error| (error.path(), said(error))).collect());
            // What stands at its field needs no second place.
            if errors.iter().all(|error| has_field(&error.path())) {
                return;
            }
        }
        say(title, refusal);
    }

    /// Shows an event as saved; the input of tests stays.
    pub fn show(mut self, event: Event) {
        let input = self.draft.peek().input.clone();
        let draft = Draft {
            input,
            ..event.draft()
        };
        self.saved.set(draft.clone());
        self.draft.set(draft);
        self.event.set(Some(event));
        self.errors.write().clear();
        self.conflict.set(false);
        self.restored.set(false);
    }

    /// Goes back to what is saved.
    pub fn discard(mut self) {
        let saved = self.saved.peek().clone();
        self.draft.set(saved);
        self.restored.set(false);
    }

    /// Saves. Gives the event when that worked.
    pub async fn save(mut self) -> Option<Event> {
        if *self.saving.peek() {
            return None;
        }
        let checked = self.check(true)?;
        self.saving.set(true);
        let draft = self.draft.peek().clone();
        let base = self
            .event
            .peek()
            .as_ref()
            .map(|event| (event.id.inner().to_owned(), event.version.number));
        let result = match &base {
            Some((id, version)) => data::update(id, *version, &draft, checked).await,
            None => data::create(&draft, checked).await,
        };
        self.saving.set(false);
        match result {
            Ok(event) => {
                // What was kept unsaved is saved now, and must not come back on the next new event.
                if let Some(storage) = storage() {
                    let _ = storage.remove_item(&key(self.event.peek().as_ref()));
                }
                let number = event.version.number;
                let words = if base.is_none_or(|(_, version)| version != number) {
                    tf("event.saved", &[("number", &number.to_string())])
                } else {
                    t("account.saved")
                };
                toast(JobStatus::Succeeded, words, event.name.clone());
                // What was typed while the request was under way stays typed.
                let typed = self.draft.peek().clone();
                self.show(event.clone());
                if typed.differs(&draft) {
                    self.draft.set(typed);
                }
                Some(event)
            }
            Err(refusal) => {
                self.refuse(t("event.save_failed"), &refusal);
                None
            }
        }
    }
}

/// What the API says is wrong. Of a request it tells more than our own words do, such as where a template breaks off.
fn said(error: &UserError) -> String {
    if Locale::current() == Locale::En && belongs(&error.path(), "http") {
        error.message.clone()
    } else {
        error.words()
    }
}

/// Whether a control of the page shows what is wrong with a path.
fn has_field(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    matches!(first, "source" | "type" | "input" | "http") || IN_SETTINGS.contains(&first)
}

fn in_words((path, fault): Problem) -> (String, String) {
    let text = match fault {
        Fault::Required => t("fault.required"),
        Fault::NotANumber => t("fault.number"),
        Fault::NotWhole => t("fault.whole"),
        Fault::NotATime => t("fault.time"),
        Fault::NotJson => t("fault.json"),
        Fault::Twice => t("fault.twice"),
    };
    (path, text)
}
