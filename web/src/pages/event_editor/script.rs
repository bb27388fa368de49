//! The script of an event in its editor, or the request in its form.

use dioxus::prelude::*;

use super::diff;
use super::draft::{HTTP, is_starter, starter};
use super::form::Form;
use super::request::RequestForm;
use crate::editor::highlight::Language;
use crate::editor::{Caret, Editor, position};
use crate::i18n::{t, tf, tn};
use crate::pages::runs::data::EventType;
use crate::pages::targets::servers_words;
use crate::ui::{Icon, duration};

fn language(name: &str) -> Language {
    match name {
        "PYTHON" => Language::Python,
        "NODEJS" => Language::JavaScript,
        _ => Language::Bash,
    }
}

/// A time limit as people say it: `5 min`, `2 h`; a crooked one as any length of time.
fn limit_text(seconds: u64) -> String {
    match seconds {
        0 => duration(std::time::Duration::ZERO),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => duration(std::time::Duration::from_secs(seconds)),
    }
}

/// The pane with what the event does.
#[component]
pub fn Script(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read();
    let http = draft.is_http();
    let (icon, place) = if draft.servers.on {
        let names = draft.servers.chosen.iter().map(|one| one.name.as_str());
        let words = servers_words(names);
        ("server", words.unwrap_or_else(|| t("place.none_chosen")))
    } else if draft.image.trim().is_empty() {
        ("box", t("editor.default_image"))
    } else {
        ("box", draft.image.clone())
    };
    let limit = draft.timeout().map(limit_text);
    let error = form.error("type");
    rsx! {
        section { class: "ev-edit", "aria-label": if http { t("http.request") } else { t("editor.script") },
            div { class: "ev-bar",
                label { class: "sr", r#for: "language", {t("events.type")} }
                select {
                    class: "select input-sm",
                    id: "language",
                    disabled: read_only,
                    "aria-invalid": if error.is_some() { "true" },
                    "aria-describedby": if error.is_some() { "language-note" },
                    onchange: move |event| {
                        form.edit("type", |draft| {
                            draft.language = event.value();
                            // What somebody wrote stays, whatever it is now said to be.
                            if draft.language != HTTP && is_starter(&draft.source) {
                                starter(&draft.language).clone_into(&mut draft.source);
                            }
                        });
                    },
                    for kind in EventType::ALL {
                        option { key: "{kind.name()}", value: kind.name(), selected: kind.name() == draft.language, {kind.title()} }
                    }
                }
                span { class: "facts",
                    if !http {
                        span { Icon { name: icon } span { class: "num", "{place}" } }
                    }
                    if let Some(limit) = limit {
                        span { class: "lo", Icon { name: "clock" } "{limit}" }
                    }
                }
            }
            if let Some(error) = &error {
                p { class: "error editor-error", id: "language-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
            if http {
                RequestForm { form, read_only }
            } else {
                Source { form, read_only }
            }
        }
    }
}

/// The source in its editor.
#[component]
fn Source(form: Form, read_only: bool) -> Element {
    let mut caret = use_signal::<Caret>(|| (1, 1));
    let changed = use_memo(move || match &*form.event.read() {
        // Of what was a request every line would be new.
        Some(event) if event.version.http.is_none() => {
            diff::changed_lines(&form.saved.read().source, &form.draft.read().source)
        }
        _ => Vec::new(),
    });
    let draft = form.draft.read();
    let error = form.error("source");
    let name = if draft.name.trim().is_empty() {
        t("nav.new_event")
    } else {
        draft.name.clone()
    };
    let lines = draft.source.split('\n').count() as u64;
    let version = form
        .event
        .read()
        .as_ref()
        .map(|event| event.version.number.to_string());
    rsx! {
        Editor {
            id: "source",
            label: tf("editor.source_of", &[("name", &name)]),
            language: language(&draft.language),
            text: draft.source.clone(),
            changed: changed(),
            read_only,
            invalid: error.is_some(),
            onchange: move |text: String| form.edit("source", |draft| draft.source = text),
            oncaret: move |at| caret.set(at),
        }
        if let Some(error) = &error {
            p { class: "error editor-error", role: "alert", Icon { name: "alert" } "{error}" }
        }
        div { class: "ev-foot",
            span { class: "num", {position(caret())} }
            span { {tn("log.lines", lines)} }
            if let Some(version) = version {
                if !changed.read().is_empty() {
                    span { class: "md", {tn("editor.changed", changed.read().len() as u64).replace("{version}", &version)} }
                }
            }
        }
    }
}
