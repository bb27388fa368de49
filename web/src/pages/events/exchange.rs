//! Events from a file, tried before they are taken, and into one.

use dioxus::prelude::*;

use super::data::EventFilter;
use super::definitions::{
    self, DefinitionConflict, DefinitionFormat, DefinitionOutcome, ExportDefinitionsInput,
    ImportDefinitionsInput, Imported,
};
use crate::browser;
use crate::i18n::{Locale, t, tf, tn};
use crate::pages::forms::Choice;
use crate::pages::import::{Fault, ImportDialog, Outcomes, Words};
use crate::pages::runs::data::{Refusal, UserError};
use crate::pages::runs::say;
use crate::ui::{Dialog, Icon, JobStatus, toast};

/// What is wrong; the API's words are English.
fn fault(error: &UserError) -> Fault {
    let parts = error.field.as_deref().unwrap_or_default();
    let within = match parts {
        [first, within @ ..] if first == "content" => within,
        other => other,
    };
    let words = match (place(&error.message), Locale::current()) {
        (Some((line, column)), Locale::Es) => {
            // Behind `events` and the number the names are those of the form of an event.
            let names = within
                .iter()
                .skip(2)
                .filter(|part| part.parse::<usize>().is_err());
            let names: Vec<_> = names.map(String::as_str).collect();
            let wrong = error.words_at(&names.join("."));
            tf("defs.place", &[("line", line), ("column", column)]) + &wrong
        }
        (_, Locale::Es) => error.words(),
        (_, Locale::En) => error.message.clone(),
    };
    Fault {
        path: path(within),
        words,
    }
}

/// Line and column that a message begins with.
fn place(message: &str) -> Option<(&str, &str)> {
    let (place, _) = message.strip_prefix("Line ")?.split_once(':')?;
    place.split_once(", column ")
}

/// `events[2].retry.attempts`.
fn path(parts: &[String]) -> String {
    let mut path = String::new();
    for part in parts {
        if part.parse::<usize>().is_ok() {
            path += &format!("[{part}]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path += part;
        }
    }
    path
}

fn counts(done: &Imported) -> Vec<(i32, String)> {
    use DefinitionOutcome::{Created, Skipped, Unchanged, Updated};
    vec![
        (done.created, Created.words()),
        (done.updated, Updated.words()),
        (done.unchanged, Unchanged.words()),
        (done.skipped, Skipped.words()),
    ]
}

/// Paste or choose a file, look at what it would do, and take it.
#[component]
pub fn Import(onclose: EventHandler<bool>) -> Element {
    let mut content = use_signal(String::new);
    let conflict = use_signal(|| DefinitionConflict::Fail.name().to_owned());
    let mut wrong = use_signal(Vec::<Fault>::new);
    let mut busy = use_signal(|| false);
    let mut tried = use_signal(|| None::<(ImportDefinitionsInput, Imported)>);
    let input = move |dry_run| ImportDefinitionsInput {
        content: content(),
        on_conflict: DefinitionConflict::from_name(&conflict()),
        dry_run,
    };
    // What was tried is what is taken: whatever changes is tried again.
    let ready = move || {
        tried()
            .filter(|(tried, _)| *tried == input(true))
            .map(|(_, done)| done)
    };
    let send = move |dry_run: bool| async move {
        if busy() {
            return;
        }
        busy.set(true);
        wrong.set(Vec::new());
        let asked = input(dry_run);
        match definitions::import(asked.clone()).await {
            Ok(done) if dry_run => tried.set(Some((asked, done))),
            Ok(done) => {
                let text = tf(
                    "defs.imported_text",
                    &[
                        ("created", &done.created.to_string()),
                        ("updated", &done.updated.to_string()),
                    ],
                );
                toast(JobStatus::Succeeded, t("defs.imported"), text);
                onclose.call(true);
            }
            Err(Refusal::Refused(errors)) => {
                tried.set(None);
                wrong.set(errors.iter().map(fault).collect());
                browser::focus_invalid();
            }
            Err(refusal @ Refusal::Failed(_)) => say(t("defs.not_imported"), &refusal),
        }
        busy.set(false);
    };
    let conflicts = DefinitionConflict::ALL.map(|one| (one.name().to_owned(), one.words()));
    let words = Words {
        title: t("defs.import_title"),
        content: t("defs.content"),
        hint: t("defs.content_hint"),
        placeholder: "cronium: 1\nevents:\n  - name: …",
        accept: ".yaml,.yml,.json,application/yaml,application/json,text/plain",
        preview: t("defs.preview"),
        import: t("defs.import"),
        not_imported: t("defs.not_imported"),
    };
    let plan = ready().map(|done| rsx! { Plan { done } });
    rsx! {
        ImportDialog {
            words,
            busy: busy(),
            content,
            faults: wrong(),
            plan,
            ontext: move |text| content.set(text),
            onsend: move |dry_run| {
                spawn(send(dry_run));
            },
            onclose: move |()| onclose.call(false),
            Choice { id: "import-conflict", label: t("defs.conflict"), value: conflict, choices: conflicts.to_vec() }
        }
    }
}

/// What becomes of each event.
#[component]
fn Plan(done: Imported) -> Element {
    rsx! {
        Outcomes { counts: counts(&done) }
        div { class: "vars-scroll", tabindex: "0", role: "region", "aria-label": t("defs.preview"),
            ul { class: "rows lined vars-entries",
                for (at, one) in (0_u64..).zip(&done.definitions) {
                    li { key: "{at}", class: "between",
                        span {
                            "{one.name}"
                            if one.name != one.written_name {
                                span { class: "sub", " " {tf("defs.instead_of", &[("name", &one.written_name)])} }
                            }
                            if !one.changes.is_empty() {
                                span { class: "sub mono", " " {one.changes.join(", ")} }
                            }
                        }
                        span { class: if matches!(one.outcome, DefinitionOutcome::Created | DefinitionOutcome::Updated) { "badge badge-accent" } else { "badge" }, {one.outcome.words()} }
                    }
                }
            }
        }
    }
}

/// Events as a file: these, or all of a filter.
#[component]
pub fn Export(
    events: Vec<String>,
    filter: Option<EventFilter>,
    about: String,
    onclose: EventHandler,
) -> Element {
    let format = use_signal(|| DefinitionFormat::Yaml.name().to_owned());
    let mut busy = use_signal(|| false);
    let submit = move |event: FormEvent| {
        event.prevent_default();
        let ids = filter.is_none().then(|| events.iter().map(Into::into).collect());
        let input = ExportDefinitionsInput {
            event_ids: ids,
            filter: filter.clone(),
            format: DefinitionFormat::from_name(&format()),
        };
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            match definitions::export(input).await {
                Ok(file) => {
                    browser::save(&file.content, &file.name, &file.kind);
                    let count = u64::try_from(file.events).unwrap_or(0);
                    toast(
                        JobStatus::Succeeded,
                        t("defs.exported"),
                        tn("defs.exported_text", count),
                    );
                    onclose.call(());
                }
                Err(refusal) => say(t("defs.not_exported"), &refusal),
            }
            busy.set(false);
        }
    };
    let formats = DefinitionFormat::ALL.map(|one| (one.name().to_owned(), one.name().to_owned()));
    rsx! {
        Dialog { id: "export", title: t("defs.export_title"), onclose: move |()| onclose.call(()),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "submit", form: "export-form", "aria-busy": if busy() { "true" }, Icon { name: "download" } {t("vars.download")} }
            },
            form { class: "form", id: "export-form", novalidate: true, onsubmit: submit,
                p { "{about}" }
                Choice { id: "export-format", label: t("vars.format"), value: format, choices: formats.to_vec() }
                p { class: "hint", {t("defs.no_secrets")} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_in_code_and_a_place_is_found() {
        let parts = ["events", "2", "retry", "exitCodes", "0"].map(str::to_owned);
        assert_eq!(path(&parts), "events[2].retry.exitCodes[0]");
        assert_eq!(place("Line 3, column 14: This is not JSON."), Some(("3", "14")));
        assert_eq!(place("There are 3 more problems."), None);
    }
}
