//! Variables from a file, tried before they are taken, and into one.

use dioxus::prelude::*;

use super::data::{
    self, ExportVariablesInput, ImportVariablesInput, Imported, VariableFormat, VariableImportOutcome,
    VariableScope,
};
use super::{choices, places};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::pages::forms::{Choice, Tick};
use crate::pages::import::{Fault, ImportDialog, Outcomes, Words};
use crate::pages::runs::data::{Refusal, UserError};
use crate::pages::runs::say;
use crate::session::{self, Scope};
use crate::ui::{Dialog, Icon, JobStatus, toast};

fn formats() -> Vec<(String, String)> {
    let both = |format: VariableFormat| (format.name().to_owned(), format.words().to_owned());
    VariableFormat::ALL.into_iter().map(both).collect()
}

/// What is wrong with a line; the API's words are English.
fn fault(error: &UserError) -> Fault {
    let line = error
        .message
        .strip_prefix("Line ")
        .and_then(|rest| rest.split_once(':'));
    let words = match (line, Locale::current()) {
        (Some((line, _)), Locale::Es) if error.path() == "content" => tf("vars.line_wrong", &[("n", line)]),
        (Some(_), Locale::En) => error.message.clone(),
        _ => error.words(),
    };
    Fault {
        path: String::new(),
        words,
    }
}

fn counts(done: &Imported) -> Vec<(i32, String)> {
    use VariableImportOutcome::{Created, Skipped, Unchanged, Updated};
    vec![
        (done.created, Created.words()),
        (done.updated, Updated.words()),
        (done.unchanged, Unchanged.words()),
        (done.skipped, Skipped.words()),
    ]
}

/// Paste or choose a file, look at what it would do, and take it.
#[component]
pub(super) fn Import(onclose: EventHandler<bool>) -> Element {
    let mut content = use_signal(String::new);
    let mut format = use_signal(|| VariableFormat::Dotenv.name().to_owned());
    let scope = use_signal(|| VariableScope::Own.name().to_owned());
    let mut overwrite = use_signal(|| false);
    let mut secret = use_signal(|| false);
    let mut wrong = use_signal(Vec::<Fault>::new);
    let mut busy = use_signal(|| false);
    let mut tried = use_signal(|| None::<(ImportVariablesInput, Imported)>);
    let input = move |dry_run| ImportVariablesInput {
        format: VariableFormat::from_name(&format()),
        content: content(),
        scope: VariableScope::from_name(&scope()).unwrap_or(VariableScope::Own),
        overwrite: overwrite(),
        secret: secret(),
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
        match data::import(asked.clone()).await {
            Ok(done) if dry_run => tried.set(Some((asked, done))),
            Ok(done) => {
                let text = tf(
                    "vars.imported_text",
                    &[
                        ("created", &done.created.to_string()),
                        ("updated", &done.updated.to_string()),
                    ],
                );
                toast(JobStatus::Succeeded, t("vars.imported"), text);
                onclose.call(true);
            }
            Err(Refusal::Refused(errors)) => {
                tried.set(None);
                wrong.set(errors.iter().map(fault).collect());
                browser::focus_invalid();
            }
            Err(refusal @ Refusal::Failed(_)) => say(t("vars.not_imported"), &refusal),
        }
        busy.set(false);
    };
    let words = Words {
        title: t("vars.import_title"),
        content: t("vars.content"),
        hint: t("vars.content_hint"),
        placeholder: "API_URL=https://…",
        accept: ".env,.json,.txt,application/json,text/plain",
        preview: t("vars.preview"),
        import: t("vars.import"),
        not_imported: t("vars.not_imported"),
    };
    let plan = ready().map(|done| rsx! { Plan { done } });
    rsx! {
        ImportDialog {
            words,
            busy: busy(),
            content,
            faults: wrong(),
            plan,
            ontext: move |text: String| {
                format.set(VariableFormat::of(&text).name().to_owned());
                content.set(text);
            },
            onsend: move |dry_run| {
                spawn(send(dry_run));
            },
            onclose: move |()| onclose.call(false),
            div { class: "form-2",
                Choice { id: "import-format", label: t("vars.format"), value: format, choices: formats() }
                Choice { id: "import-scope", label: t("vars.scope"), value: scope, choices: choices(&places()) }
            }
            Tick { on: overwrite(), label: t("vars.overwrite"), onchange: move |on| overwrite.set(on) }
            Tick { on: secret(), label: t("vars.all_secret"), onchange: move |on| secret.set(on) }
        }
    }
}

/// What becomes of each variable.
#[component]
fn Plan(done: Imported) -> Element {
    rsx! {
        Outcomes { counts: counts(&done) }
        div { class: "vars-scroll", tabindex: "0", role: "region", "aria-label": t("vars.preview"),
            ul { class: "rows lined vars-entries",
                for entry in done.entries.iter() {
                    li { key: "{entry.key}", class: "between",
                        span { class: "mono", "{entry.key}" }
                        span { class: "cell-main",
                            if entry.secret { Icon { name: "lock" } span { class: "sr", {t("vars.secret")} } }
                            span { class: if matches!(entry.outcome, VariableImportOutcome::Created | VariableImportOutcome::Updated) { "badge badge-accent" } else { "badge" }, {entry.outcome.words()} }
                        }
                    }
                }
            }
        }
    }
}

/// The variables of a scope as a file.
#[component]
pub(super) fn Export(onclose: EventHandler<bool>) -> Element {
    let format = use_signal(|| VariableFormat::Dotenv.name().to_owned());
    let scope = use_signal(|| VariableScope::Own.name().to_owned());
    let mut secrets = use_signal(|| false);
    let mut busy = use_signal(|| false);
    let needs = [Scope::ManageVariables, Scope::ManageSettings, Scope::AllResources];
    let may_take_secrets = needs.into_iter().all(session::may);
    let submit = move |event: FormEvent| async move {
        event.prevent_default();
        if busy() {
            return;
        }
        busy.set(true);
        let written = VariableFormat::from_name(&format());
        let input = ExportVariablesInput {
            format: written,
            scope: VariableScope::from_name(&scope()).unwrap_or(VariableScope::Own),
            include_secrets: secrets(),
        };
        match data::export(input).await {
            Ok((content, exported, left_out)) => {
                let (name, kind) = match written {
                    VariableFormat::Dotenv => ("cronium.env", "text/plain"),
                    VariableFormat::Json => ("cronium-variables.json", "application/json"),
                };
                browser::save(&content, name, kind);
                let (exported, left_out) = (exported.to_string(), left_out.to_string());
                let text = tf("vars.exported_text", &[("n", &exported), ("left", &left_out)]);
                toast(JobStatus::Succeeded, t("vars.exported"), text);
                onclose.call(false);
            }
            Err(refusal) => say(t("vars.not_exported"), &refusal),
        }
        busy.set(false);
    };
    rsx! {
        Dialog { id: "export", title: t("vars.export_title"), onclose: move |()| onclose.call(false),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(false), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "submit", form: "export-form", "aria-busy": if busy() { "true" }, Icon { name: "download" } {t("vars.download")} }
            },
            form { class: "form", id: "export-form", novalidate: true, onsubmit: submit,
                div { class: "form-2",
                    Choice { id: "export-format", label: t("vars.format"), value: format, choices: formats() }
                    Choice { id: "export-scope", label: t("vars.scope"), value: scope, choices: choices(&VariableScope::ALL) }
                }
                if may_take_secrets {
                    Tick { on: secrets(), label: t("vars.with_secrets"), onchange: move |on| secrets.set(on) }
                    if secrets() {
                        p { class: "hint", role: "status", {t("vars.with_secrets_hint")} }
                    }
                } else {
                    p { class: "hint", {t("vars.without_secrets")} }
                }
            }
        }
    }
}
